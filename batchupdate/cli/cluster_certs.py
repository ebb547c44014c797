"""`cluster-certs`: the certificates by which processes of several machines know each other."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from batchupdate.cli.console import Screen, reports_errors


@reports_errors
def cluster_certs(
    folder: Annotated[Path, typer.Argument(help="A new folder for them.", metavar="DIR")],
    days: Annotated[int, typer.Option(min=1, max=3650, help="For how many days they are valid.")] = 365,
) -> None:
    """Make the certificates by which a run and its worker processes on other machines know each other.

    Whoever has one of the keys can do with all these machines what batchupdate can do there: treat them like passwords.

    Examples:

      batchupdate cluster-certs certs
    """
    from batchupdate.runs.cluster_certs import COORDINATOR, WORKER, join_command
    from batchupdate.runs.workers import need_cluster_library

    need_cluster_library("Certificates are to be made")
    from batchupdate.runs.certificate_authority import make_certificates

    screen = Screen()
    until = make_certificates(folder, days)
    screen.result(f"Certificates were made in {folder}, valid until {until:%Y-%m-%d}.")
    certs = shlex.quote(str(folder / COORDINATOR))
    screen.say(f"  {folder / COORDINATOR} is for the machine of the run:")
    screen.say(f"    batchupdate run FILE --workers N --cluster tls://HOST:PORT --cluster-certs {certs}")
    screen.say(f"  {folder / WORKER} is for every machine that sends; copy it there in a safe way:")
    screen.say(f"    {join_command('tls://HOST:PORT', WORKER)}")
