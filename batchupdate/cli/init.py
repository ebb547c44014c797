"""`init`: the first config for a file and a target, by asking."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from batchupdate.cli import options
from batchupdate.cli.check import show_check
from batchupdate.cli.column_questions import agreed
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.output_file import Force
from batchupdate.cli.problem_output import Format
from batchupdate.cli.summaries import checkup_json
from batchupdate.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sized

    from batchupdate.config import Settings
    from batchupdate.roundtrip.first_config import FirstConfig, Fit, Survey
    from batchupdate.targets import Target

CONFIG = Path("batchupdate.yaml")
SHOWN_TARGETS = 12
RATES = {name: options.ASKING[name] for name in ("rate", "max_rate")}


class _Chosen(NamedTuple):
    """A target: what it is called, and its file and the text of that where one is to be written."""

    called: str
    target: Target
    path: Path | None = None
    text: str = ""


@reports_errors
@options.of(options.TARGET, options.VARIABLES, options.BASE_URL, options.READING, RATES)
def init(
    file: Annotated[
        str | None,
        typer.Argument(metavar="FILE", help="The table that is to be run; without one, no columns are named."),
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="The config to write.")] = CONFIG,
    from_curl: Annotated[
        str, typer.Option("--from-curl", metavar="COMMAND", help="Make the target of a curl command, too.")
    ] = "",
    from_openapi: Annotated[
        str, typer.Option("--from-openapi", metavar="SPEC", help="Make the target of an OpenAPI document, too.")
    ] = "",
    operation: Annotated[
        str,
        typer.Option("--operation", help="Which update of the document: its operationId, or 'PATCH /contacts/{id}'."),
    ] = "",
    force: Force = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask, and take what is proposed.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    *,
    given: options.Given,
) -> None:
    """Write a commented config for a file and a target, and check the file with it.

    At a terminal, what is open is asked for: the target, the sheet, and which column sets which field. Elsewhere, only
    columns that are called like a field are taken, or with --yes also what is likely. The API key is never asked for.

    Examples:

      batchupdate init renames.xlsx

      batchupdate init contacts.csv --target hubspot-contact --map "Contact=contactId" --yes

      batchupdate init contacts.csv --from-openapi openapi.yaml --operation updateContact
    """
    from batchupdate.roundtrip.first_config import FirstConfig
    from batchupdate.roundtrip.sheet import atomic_file, refuse_to_replace

    screen = Screen(quiet=quiet, as_json=as_json)
    asks = sys.stdin.isatty() and not (yes or quiet or as_json)
    _refuse_misuse(file, output, from_curl, from_openapi, given)
    refuse_to_replace(output, force=force)
    settings = given.settings()
    found, settings = _surveyed(screen, file, settings, asks=asks)
    chosen = _target(screen, found, settings, output, from_curl, from_openapi, operation, asks=asks)
    if chosen.path:
        refuse_to_replace(chosen.path, force=force)
    of_input, others = _given_settings(given, found)
    draft = FirstConfig(file, chosen.called, chosen.target, input_options=of_input, options=others)
    if found:
        draft = agreed(screen, draft, found, settings.input, asks=asks, yes=yes)
    draft = _completed(screen, draft, settings, asks=asks)
    draft.check(found, str(output))
    with ExitStack() as stack:
        if chosen.path:
            stack.enter_context(atomic_file(chosen.path, force=force)).write_text(chosen.text, "utf-8")
        stack.enter_context(atomic_file(output, force=force)).write_text(draft.text(str(output)), "utf-8")
    _finish(screen, draft, chosen, output)


def _refuse_misuse(file: str | None, output: Path, from_curl: str, from_openapi: str, given: options.Given) -> None:
    named = [name for name, value in (("--from-curl", from_curl), ("--from-openapi", from_openapi)) if value]
    named += ["--target"] if given.values["target",] else []
    if len(named) > 1:
        raise UsageError(f"{' and '.join(named)} both say which target is meant.", "Give only one of them.")
    if file == "-":
        raise UsageError("init reads a file more than once, and standard input can't be.", "Name a file.")
    if output.suffix not in {".yaml", ".yml"}:
        raise UsageError(f"A config is a YAML file, and {output} does not end in .yaml.", "Name it so.")


def _surveyed(screen: Screen, file: str | None, settings: Settings, *, asks: bool) -> tuple[Survey | None, Settings]:
    """What is in the file; of several sheets, one is asked for."""
    from batchupdate.roundtrip.first_config import survey

    if file is None:
        return None, settings
    found = survey(file, settings)
    for notice in found.notices if asks else ():  # else the check says them
        screen.say(notice)
    if not found.sheets:
        return found, settings
    if not asks:
        screen.say(f"The sheet {found.sheet!r} is used, the first of {len(found.sheets)}; say --sheet for another one.")
        return found, settings
    screen.say(f"{file} has several sheets:")
    for number, name in enumerate(found.sheets, 1):
        screen.say(f"{number:>4}  {name}")
    default = found.sheets.index(found.sheet) + 1 if found.sheet in found.sheets else 1
    while True:
        answer = screen.ask("Which sheet (its number or name)", str(default))
        name = found.sheets[int(answer) - 1] if _is_one_of(answer, found.sheets) else answer
        try:
            settings = settings.model_copy(update={"input": settings.input.model_copy(update={"sheet": name})})
            return survey(file, settings)._replace(sheets=found.sheets), settings
        except UsageError as error:
            screen.say(str(error))


def _is_one_of(answer: str, choices: Sized) -> bool:
    return answer.isascii() and answer.isdecimal() and 1 <= int(answer) <= len(choices)


def _target(
    screen: Screen,
    found: Survey | None,
    settings: Settings,
    output: Path,
    from_curl: str,
    from_openapi: str,
    operation: str,
    *,
    asks: bool,
) -> _Chosen:
    """The target that is named, or made, or chosen from those that there are."""
    from batchupdate.targets import find_target

    if from_curl or from_openapi:
        return _made(screen, output, from_curl, from_openapi, operation)
    if settings.target:
        return _Chosen(settings.target, find_target(settings.target))
    from batchupdate.roundtrip.first_config import fitting_targets

    fits = fitting_targets(found)
    fitting = [fit for fit in fits if fit.fits]
    if not asks:
        best = ", ".join(fit.name for fit in fitting[:3])
        hint = f"By its headings, the file may be for: {best}." if best else "List them with: batchupdate targets"
        raise UsageError("No target is named, and nobody can be asked.", f"Name one with --target. {hint}")
    _show_targets(screen, fits, fitting)
    while True:
        answer = screen.ask("Which target (its number, its name, or the path of your own .yaml file)")
        name = fits[int(answer) - 1].name if _is_one_of(answer, fits[:SHOWN_TARGETS]) else answer
        try:
            return _Chosen(name, find_target(name))
        except ConfigError as error:
            screen.say(str(error))


def _show_targets(screen: Screen, fits: list[Fit], fitting: list[Fit]) -> None:
    screen.say("Targets, those first that the file's headings fit:" if fitting else "Targets:")
    for number, fit in enumerate(fits[:SHOWN_TARGETS], 1):
        count = f"  ({fit.sure + fit.guessed} columns fit)" if fit.fits else ""
        screen.say(f"{number:>4}  {fit.name}: {fit.title}{count}")
    if others := [fit.name for fit in fits[SHOWN_TARGETS:]]:
        screen.say(f"Others: {', '.join(others)}.")
    screen.say("For an API that is not here, there are --from-curl and --from-openapi; see: batchupdate init --help")


def _made(screen: Screen, output: Path, from_curl: str, from_openapi: str, operation: str) -> _Chosen:
    """A target out of a curl command or a document; its file will stand beside the config."""
    if from_curl:
        from batchupdate.targets.from_curl import draft_from_curl

        made = draft_from_curl(from_curl)
        target, text, notes = made.target, made.text, made.notes
    else:
        from batchupdate.cli.target_from_openapi import draft_by_asking

        draft = draft_by_asking(screen, from_openapi, operation)
        target, text, notes = draft.target, draft.yaml, [f"Look at: {note}" for note in draft.notes]
    for note in notes:
        screen.say(note)
    path = output.with_name(f"{target.name}.yaml")
    if path == output:
        raise UsageError(f"Both the config and the target would be {path}.", "Give the config another name with -o.")
    return _Chosen(str(path), target, path, text)


def _given_settings(given: options.Given, found: Survey | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that become settings of the config, but for those that are asked about."""
    of_input: dict[str, Any] = {}
    others: dict[str, Any] = {}
    for place, value in given.values.items():
        if value is None or place[-1] in {"target", "variables", "columns"}:
            continue
        if place[0] == "input":
            of_input[place[1]] = value
        else:
            others[place[0]] = value
    if found and found.sheets and found.sheet:
        of_input["sheet"] = found.sheet
    return of_input, others


def _completed(screen: Screen, draft: FirstConfig, settings: Settings, *, asks: bool) -> FirstConfig:
    """With what else the target needs: its variables, an address, a rate."""
    from batchupdate.roundtrip.first_config import missing_variables

    target = draft.target
    variables: dict[str, str | None] = {**settings.variables}
    for name in missing_variables(target, settings.variables, os.environ):
        rule = target.variables[name]
        about = f"{rule.description or name}{f', such as {rule.example}' if rule.example else ''}"
        variables[name] = _asked_variable(screen, target, name, about) if asks else None
        if variables[name] is None:
            screen.say(f"The target needs a value for {name!r} ({about}): write it into the config, under 'variables'.")
    more = dict(draft.options)
    if target.base_url is None and settings.base_url is None:
        if asks:
            more["base_url"] = _asked_address(screen, target, settings)
        else:
            screen.say(
                "The target does not say the API's address: give it with --base-url, or 'base_url' in the config."
            )
    if "rate" not in target.model_fields_set and not {"rate", "max_rate"} & more.keys() and asks:
        more["rate"] = _asked_rate(screen)
    return replace(draft, variables=variables, options=more)


def _asked_variable(screen: Screen, target: Target, name: str, about: str) -> str | None:
    from batchupdate.targets.variables import values_of

    while True:
        value = screen.ask(f"{name}: {about} (nothing: later)", "")
        try:
            return values_of(target.name, {name: target.variables[name]}, {name: value}, {})[name] if value else None
        except ConfigError as error:
            screen.say(str(error))


def _asked_address(screen: Screen, target: Target, settings: Settings) -> str:
    while True:
        address = screen.ask("The API's address (https://…)")
        try:
            target.base(address, allow_http=settings.allow_http)
        except ConfigError as error:
            screen.say(str(error))
        else:
            return address


def _asked_rate(screen: Screen) -> str:
    from batchupdate.config.rate import parse_rate

    while True:
        text = screen.ask(
            "How many requests at most (5/s, 600/min, or auto, which finds out what the API allows)", "auto"
        )
        try:
            parse_rate(text)
        except ValueError as error:
            screen.say(f"{error}.")
        else:
            return text


def _finish(screen: Screen, draft: FirstConfig, chosen: _Chosen, output: Path) -> None:
    """Says what was written, checks the file with it, and says what comes next."""
    from batchupdate.config import load_settings

    if chosen.path:
        screen.result(f"{chosen.path}: the target {chosen.target.name}. Look it over.")
    screen.result(f"{output}: the config.")
    _about_keys(screen, draft.target)
    config = shlex.quote(str(output))
    said: dict[str, Any] = {
        "config": str(output),
        "target": chosen.called,
        "target_file": str(chosen.path) if chosen.path else None,
        "columns": dict(draft.columns),
        "guesses": dict(draft.guesses),
        "unused": list(draft.unused),
        "variables_missing": [name for name, value in draft.variables.items() if value is None],
    }
    if draft.file is None:
        name = shlex.quote(chosen.called)
        screen.result(f"Next, a sheet to fill in: batchupdate template {name}; then run it with --config {config}")
        screen.json({**said, "check": None})
        return
    file = shlex.quote(draft.file)
    checkup, kept = show_check(
        screen,
        [draft.file],
        load_settings(config=output),
        f"batchupdate check {file} --config {config}",
        Format.JSON if screen.as_json else Format.TEXT,
    )
    if checkup.invalid:
        screen.result(f"Correct what is wrong, then: batchupdate check {file} --config {config}")
    else:
        screen.result(f"Next: batchupdate run {file} --config {config}")
    screen.json({**said, "check": checkup_json(checkup, kept)})
    raise typer.Exit(checkup.exit_code)


def _about_keys(screen: Screen, target: Target) -> None:
    """Where the key is to come from, and whether it is there; it is never asked for."""
    from batchupdate.config.api_key import MissingKey
    from batchupdate.roundtrip.first_config import key_variables

    for name in key_variables(target):
        if os.environ.get(name):
            screen.say(f"The key comes from the environment variable {name}, which is set.")
        else:
            missing = MissingKey(name, os.environ)
            screen.say(f"The key comes from the environment variable {name}, which is not set. {missing.hint}")
