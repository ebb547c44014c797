"""All commands, in the order in which `--help` lists them: a new one is registered here."""

from __future__ import annotations

from typing import Annotated

import typer

from batchupdate.cli import (
    check,
    cluster_certs,
    config,
    demo,
    diff,
    init,
    plan,
    pull,
    report,
    resume,
    retry,
    run,
    runs,
    sandbox,
    show,
    targets,
    template,
    tune,
    undo,
    verify,
    watch,
    worker,
)
from batchupdate.cli.near_options import NearOptionsGroup
from batchupdate.util.version import __version__

app = typer.Typer(
    name="batchupdate",
    cls=NearOptionsGroup,
    help="Turns a spreadsheet of changes into safe, rate-limited PATCH calls, with one honest result for every row.",
    epilog="Start with: batchupdate demo",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(demo.demo)
app.command()(init.init)
app.command()(check.check)
app.command()(plan.plan)
app.command()(run.run)
app.command()(resume.resume)
app.command()(retry.retry)
app.command()(undo.undo)
app.command()(verify.verify)
app.add_typer(runs.app, name="runs")
app.command()(show.show)
app.command()(watch.watch)
app.command()(tune.tune)
app.command()(diff.diff)
app.command()(report.report)
app.add_typer(targets.app, name="targets")
app.add_typer(config.app, name="config")
app.command()(template.template)
app.command()(pull.pull)
app.command()(worker.worker)
app.command()(cluster_certs.cluster_certs)
app.command()(sandbox.sandbox)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"batchupdate {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass
