"""`targets`: what can be updated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from batchupdate.cli import options
from batchupdate.cli.console import Screen, reports_errors
from batchupdate.cli.target_from_curl import from_curl
from batchupdate.cli.target_from_openapi import from_openapi
from batchupdate.cli.target_trial import try_target

if TYPE_CHECKING:
    from batchupdate.targets import Target
    from batchupdate.targets.variables import Variable

BUILT_IN = "built in"
GALLERY = "gallery: written from the vendor's documentation; try it with a few rows first (--limit 3)"

app = typer.Typer(help="What can be updated, and how to add an API.", invoke_without_command=True)
app.command("test")(try_target)
app.command("from-curl")(from_curl)
app.command("from-openapi")(from_openapi)


@app.callback()
def default(context: typer.Context) -> None:
    """Without a command, lists the targets."""
    if context.invoked_subcommand is None:
        show_all(as_json=False)


@app.command("list")
@reports_errors
def show_all(as_json: options.Json = False) -> None:
    """List the targets that come with the program, and those of installed packages.

    Example:

      batchupdate targets list
    """
    from batchupdate.targets import builtin_names, find_target, gallery_names

    screen = Screen(as_json=as_json)
    listed = []
    for origin, names in ((BUILT_IN, builtin_names()), (GALLERY, gallery_names())):
        found = [find_target(name) for name in names]
        screen.result(f"{origin[0].upper()}{origin[1:]}:", style="bold")
        screen.table(("target", "what it does"), [(target.name, target.title) for target in found])
        listed += [{"name": target.name, "title": target.title, "origin": origin} for target in found]
    listed += _show_packaged(screen)
    screen.say(
        "To make one your own: batchupdate targets show NAME --yaml > my-api.yaml, and name that file with --target; "
        "see docs/targets.md. If the API has an OpenAPI document: batchupdate targets from-openapi SPEC --list"
    )
    screen.json({"targets": listed})


def _show_packaged(screen: Screen) -> list[dict[str, str]]:
    """Lists what packages bring along; one that can't be used is named, and keeps nobody from the others."""
    from batchupdate.errors import ConfigError
    from batchupdate.targets import builtin_names, gallery_names
    from batchupdate.targets.packages import load_packaged, packaged_targets

    rows, listed, troubles = [], [], []
    for package in packaged_targets():
        if package.target in {*builtin_names(), *gallery_names()}:
            troubles.append(f"The package {package} has a target {package.target}, too; ours of that name is used.")
            continue
        try:
            title = load_packaged(package.target).title
        except ConfigError as error:
            troubles.append(str(error))
            continue
        rows.append((package.target, title, str(package)))
        listed.append({"name": package.target, "title": title, "origin": f"package {package}"})
    if rows:
        screen.result("From packages:", style="bold")
        screen.table(("target", "what it does", "package"), rows)
    for trouble in dict.fromkeys(troubles):
        screen.say(trouble)
    return listed


@app.command("show")
@reports_errors
def show_one(
    name: options.TargetName,
    as_json: options.Json = False,
    as_yaml: Annotated[
        bool,
        typer.Option("--yaml", help="Its declaration, ready to be copied and edited.", rich_help_panel=options.OUTPUT),
    ] = False,
) -> None:
    """Show one target: its fields, their limits, its key and its defaults.

    Examples:

      batchupdate targets show langdock-integration

      batchupdate targets show zendesk-ticket --yaml > my-tickets.yaml

      batchupdate targets show ./my-api.yaml
    """
    from batchupdate.config.rate import rate_in_force
    from batchupdate.targets import find_target, gallery_names
    from batchupdate.targets.catalogue import declaration_of
    from batchupdate.targets.field_help import field_help

    target = find_target(name)
    if as_yaml:
        typer.echo(declaration_of(name), nl=False)
        return
    screen = Screen(as_json=as_json)
    screen.result(f"{target.name}: {target.title}", style="bold")
    if name in gallery_names():
        screen.result(f"In the {GALLERY}.")
    if target.hooks:
        screen.result(f"From the package {target.hooks.package}, whose code does: {', '.join(target.hooks.names)}.")
    screen.result(f"{target.method} {target.base_url or '(give --base-url)'}{target.path}")
    if target.batch:
        screen.result(f"Up to {target.batch.size:,} records at once: {target.batch.method} {target.batch.path}")
    if target.docs:
        screen.result(f"Described at {target.docs}")
    if target.auth.env:
        screen.result(f"The key comes from the environment variable {target.auth.env}.")
    for variable, rule in target.variables.items():
        screen.result(f"{{{variable}}} is {_about_variable(rule)}")
    rows = [(field, "id", rule.wanted, rule.description) for field, rule in target.id.items()]
    rows += [
        (field, "required" if rule.required else "", field_help(rule), rule.description)
        for field, rule in target.fields.items()
    ]
    screen.table(("column", "", "may hold", "meaning"), rows)
    for note in _about_headings(target):
        screen.result(note)
    rate = rate_in_force(None, None, target.rate, target.max_rate)
    screen.result(f"Defaults: rate {rate}, burst {target.burst}, {target.concurrency} requests at once.")
    repeated = "is sent again" if target.repeatable else "is never sent again"
    screen.result(f"A request that got no answer {repeated}.")
    for note in target.notes:
        screen.result(f"Note: {note}")
    screen.json(_as_json(target))


def _about_variable(rule: Variable) -> str:
    """What a variable is, and where its value comes from."""
    sources = ["--var", "'variables' in the config", *filter(None, [rule.env])]
    default = f"; {rule.default} without" if rule.default else ""
    return f"{rule.description or 'a variable'} (from {', '.join(sources[:-1])} or {sources[-1]}{default})."


def _about_headings(target: Target) -> list[str]:
    """What the names of nested and list fields mean as headings."""
    notes = []
    if nested := next((path for path in target.paths.values() if len(path) > 1), None):
        shown = "…"
        for member in reversed(nested):
            shown = f"{{{_quoted(member)}: {shown}}}"
        name = next(name for name, path in target.paths.items() if path == nested)
        notes.append(f"A dot leads into an object: the column {name} sets {shown}.")
    if target.objects and target.body.nesting == "replace":
        notes.append("The API replaces an object as a whole: a row that sets a member has to say what the others are.")
    if dotted := next((name for name in target.fields if r"\." in name), None):
        notes.append(f"A backslash before a dot means the dot itself: {dotted}.")
    if spread := next((name for name in target.fields if name in target.lists), None):
        notes.append(f"A list has one column, {spread}, or one for each item: {spread}[0], {spread}[1] and so on.")
    return notes


def _quoted(text: str) -> str:
    from batchupdate.util import json as exact_json

    return exact_json.dumps(text)


def _as_json(target: Target) -> dict[str, object]:
    return target.model_dump(mode="json")
