"""`template`: an empty workbook to fill in."""

from __future__ import annotations

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.output_file import Force, Output, check_command, default_path, refuse_stdout
from batchupdate.errors import UsageError


@reports_errors
def template(
    target: options.TargetName,
    output: Output = None,
    force: Force = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Write an empty workbook for a target: headings with notes, drop-downs, and a sheet that explains.

    Needs no key and no network. Fill it in, then check and run it.

    Examples:

      batchupdate template langdock-integration

      batchupdate template ./my-api.yaml -o contacts.xlsx
    """
    from batchupdate.roundtrip.sheet import write_template
    from batchupdate.targets import find_target

    found = find_target(target)
    refuse_stdout(output)
    path = output or default_path(found, "xlsx")
    if path.suffix.lower() != ".xlsx":
        raise UsageError(f"A template is a workbook, and {path} does not end in .xlsx.", "Name it so.")
    write_template(path, found, target, force=force)
    screen = Screen(quiet=quiet, as_json=as_json)
    screen.result(f"{path}: fill it in, then: {check_command(path, target)}")
    screen.json({"target": found.name, "file": str(path)})
