"""`worker`: a process that sends rows for a run on another machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.interrupts import SAME_REQUEST_S, on_signals
from batchupdate.errors import Interrupted


@reports_errors
def worker(
    address: Annotated[str, typer.Argument(help="Where the run listens: tls://HOST:PORT.", metavar="ADDRESS")],
    certs: Annotated[
        Path | None,
        typer.Option(
            envvar="BATCHUPDATE_CLUSTER_CERTS",
            help="The folder 'worker' that batchupdate cluster-certs has made.",
            metavar="DIR",
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="So many processes, for so many processors.")] = 1,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the run where there is none, or none any more.")
    ] = 300,
    host: Annotated[
        str | None,
        typer.Option(help="Which address of this machine to use, where it is not the one that leads to the run."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No messages but errors.")] = False,
) -> None:
    """Send rows for a run on another machine, which was started with --cluster, until that run has ended.

    The API key comes from the environment variable that the target names, or from the file or command that the run's
    settings name; like all paths in them, these are on this machine. Ctrl-C or SIGTERM lets what is in flight finish
    and gives the other rows back; the second one quits.

    Exit codes: 0 the run has ended, 2 this machine can't take part, 3 there was no run for --wait seconds, 130 and 143
    interrupted.

    Examples:

      batchupdate worker tls://10.0.0.5:8786 --certs worker

      batchupdate worker tls://10.0.0.5:8786 --certs worker --processes 4
    """
    from batchupdate.runs.cluster_certs import WORKER, Certificates, split_address
    from batchupdate.runs.workers import need_cluster_library
    from batchupdate.util import event_loop

    screen = Screen(quiet=quiet)
    need_cluster_library("A worker process is to be started")
    split_address(address)
    certificates = Certificates.of(certs, WORKER, "--certs")
    if processes > 1:
        from batchupdate.cli.worker_group import run_group

        one = ["worker", address, "--certs", str(certs), "--wait", str(wait), *(("--host", host) if host else ())]
        number, code = event_loop.run(run_group(processes, [*one, *(("--quiet",) if quiet else ())], screen.say))
        raise typer.Exit(128 + number if number else code)

    import asyncio

    from batchupdate.engine.cluster.joining import work_for

    asked: list[int] = []

    async def work() -> None:
        loop, leaving, first = asyncio.get_running_loop(), asyncio.Event(), 0.0

        def stop(number: int) -> None:
            nonlocal first
            if not asked:
                asked.append(number)
                first = loop.time()
                screen.say("Leaving: what is in flight may finish.")
                leaving.set()
            elif loop.time() - first > SAME_REQUEST_S:
                os._exit(128 + number)

        with on_signals(loop, stop):
            await work_for(address, certificates, leaving, screen.say, wait_s=wait, host=host)

    event_loop.run(work())
    if asked:
        raise Interrupted(asked[0], "Left on request.")
