"""Makes the reference of the docs from the code: commands, settings, targets, outcomes, codes, and the library.

`conf.py` calls `write` at each build. Nothing of it is kept in the repository, so it can't be out of date.
"""

from __future__ import annotations

import ast
import enum
import inspect
import json
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typer.main import get_command

import batchupdate
from batchupdate.cli import app
from batchupdate.config import Input, Settings
from batchupdate.config.json_schema import json_schema
from batchupdate.config.notify import Notify
from batchupdate.errors import BatchUpdateError
from batchupdate.model import SUCCEEDED, Outcome
from batchupdate.targets import Target
from batchupdate.validator.problem_codes import PROBLEM_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pydantic import BaseModel

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config.example.yaml"


def write(folder: Path) -> None:
    """Writes all pages of the reference into a folder; one that is right already is left alone."""
    folder.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        path, text = folder / f"{name}.md", page().strip() + "\n"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")


# ---------------------------------------------------------------------------------------------------------------------
# Commands


def commands() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    parts = ["# Commands", "Each command says the same with `--help`."]
    for path, command in _commands(get_command(app), ("batchupdate",)):
        context = command.context_class(command, info_name=" ".join(path))
        usage = " ".join(command.collect_usage_pieces(context))
        parts += [f"## {' '.join(path[1:])}", f"```text\n{' '.join(path)} {usage}\n```", *_help_text(command)]
        rows = [_option(one, context) for one in command.params if not getattr(one, "hidden", False)]
        parts.append(_table(("option", "meaning"), [row for row in rows if row]))
    return "\n\n".join(filter(None, parts))


def _commands(group: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - click's
    for name, command in group.commands.items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            if command.invoke_without_command:
                yield (*path, name), command
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


def _help_text(command: Any) -> list[str]:  # noqa: ANN401 - click's
    """A command's help: paragraphs, and its examples as a block of their own."""
    prose, examples = [], []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(command.help or "").replace("\b", "")):
        text = " ".join(paragraph.split())
        if text.startswith("batchupdate "):
            examples.append(f"$ {text}")
        elif text not in {"Example:", "Examples:"}:
            prose.append(_escaped(text))
    return [*prose, *(["```console\n" + "\n".join(examples) + "\n```"] if examples else [])]


_KINDS = {
    "<str>": "TEXT",
    "<list[str]>": "TEXT",
    "<path>": "PATH",
    "<list[path]>": "PATH",
    "<int>": "N",
    "<int range>": "N",
    "<float>": "N",
    "<float range>": "N",
}


def _option(one: Any, context: Any) -> tuple[str, str] | None:  # noqa: ANN401 - click's
    if one.name == "help":
        return None
    if one.param_type_name == "argument":
        return f"`{' '.join(one.get_usage_pieces(context))}`", _escaped(one.help or "")
    names, meaning = one.get_help_record(context)
    for said, kind in _KINDS.items():
        names = names.replace(said, kind)
    for pattern, said in (
        (r"\s{2,}\[", " ["),
        (r"\bx>=(\d+)", r"at least \1"),
        (r"\b(\d+)<=x<=(\d+)", r"\1 to \2"),
    ):
        meaning = re.sub(pattern, said, meaning)
    return f"`{names}`", _escaped(meaning)


# ---------------------------------------------------------------------------------------------------------------------
# Settings


def settings() -> str:
    """Every setting: its meaning from `config.example.yaml`, its type and default from the model."""
    schema, prose = json_schema(Settings, "settings"), prose_of_settings()
    parts = [
        "# Settings",
        (
            "Options win over the environment (`BATCHUPDATE_RATE`, `BATCHUPDATE_INPUT_SHEET`, …), which wins over the "
            "config file, which wins over the target's own default. A name that is not known is refused. "
            "`batchupdate init` writes a config for a file; `batchupdate config schema` prints the "
            "[schema](../config.schema.json) that editors complete by."
        ),
    ]
    sections = (("", schema), ("input", schema["$defs"]["Input"]), ("notify", schema["$defs"]["Notify"]))
    for section, part in sections:
        if section:
            parts += [f"## {section}", _paragraphs(part.get("description", ""))]
        else:
            parts.append("## At the top")
        rows = []
        for name, value in part["properties"].items():
            if not section and name in {"input", "notify"}:
                rows.append((f"`{name}`", "section", f"See [below](#{name})."))
                continue
            default = json.dumps(value["default"]) if value.get("default") not in {None, ""} else ""
            rows.append(
                (
                    f"`{name}`",
                    f"{_type(value, schema)}{f'; `{default}`' if default else ''}",
                    _linked(prose[section, name]),
                )
            )
        parts.append(_table(("setting", "type; default", "meaning"), rows))
    parts += ["## The whole file", "```yaml\n" + EXAMPLE.read_text("utf-8").rstrip() + "\n```"]
    return "\n\n".join(parts)


def _linked(text: str) -> str:
    """With the pages that it names as links."""
    return re.sub(
        r"docs/(\w+)\.md", r"[\1](../\1.md)", _escaped(text.rstrip(":") + ("." if text.endswith(":") else ""))
    )


_SETTING = re.compile(r"(?P<indent> *)(?:# )?(?P<more> *)(?P<name>[a-z_]+):(?: (?P<value>.*))?$")


_MODELS: Mapping[str, type[BaseModel]] = {"": Settings, "input": Input, "notify": Notify}


def prose_of_settings() -> dict[tuple[str, str], str]:
    """What the comments of `config.example.yaml` say, by section and setting."""
    found: dict[tuple[str, str], str] = {}
    section = ""
    for paragraph in re.split(r"\n\s*\n", EXAMPLE.read_text("utf-8")):
        prose: list[str] = []
        named: list[tuple[str, str]] = []
        for line in paragraph.splitlines():
            match = _SETTING.fullmatch(line)
            name = match["name"] if match else ""
            inner = bool(match and (match["indent"] or match["more"]))
            if match and name in {"input", "notify"} and not inner:
                section = name
                if name == "input":
                    prose = []
                continue
            where = section if inner else ""
            fields = _MODELS[where].model_fields
            if match and name in fields and not (inner and section == "input" and match["more"]):
                named.append((where, name))
                comment = (match["value"] or "").partition(" # ")[2].strip()
                beside = f"{comment[:1].upper()}{comment[1:]}." if comment else f"See `{named[0][1]}`."
                found[where, name] = " ".join(prose) if len(named) == 1 else beside
            elif line.strip().startswith("#"):
                if named:
                    prose, named = [], []
                prose.append(line.strip().lstrip("# ").strip())
    return found


def _type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """A JSON Schema's type in a few words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        inner = schema["$defs"][name]
        return _type(inner, schema) if "enum" in inner else "object"
    if "enum" in value:
        return " or ".join(f"`{one}`" for one in value["enum"])
    if "anyOf" in value:
        found = [_type(one, schema) for one in value["anyOf"] if one.get("type") != "null"]
        return " or ".join(dict.fromkeys(found))
    if value.get("type") == "array":
        return f"list of {_type(value.get('items', {}), schema)}"
    if value.get("type") == "object":
        inner = value.get("additionalProperties")
        return f"map of {_type(inner, schema)}" if isinstance(inner, dict) and inner else "map"
    return {"string": "text", "boolean": "true or false", "integer": "whole number", "number": "number"}.get(
        str(value.get("type", "")), "any value"
    )


# ---------------------------------------------------------------------------------------------------------------------
# Targets


def target() -> str:
    """Every key of a target's YAML, from its model."""
    schema = json_schema(Target, "target")
    parts = [
        "# Target YAML",
        (
            "What a target's file can say, key by key. [Targets](../targets.md) explains it with examples; "
            "`batchupdate config schema target` prints the [schema](../target.schema.json) that editors complete by."
        ),
        _paragraphs(schema["description"]),
        "## At the top",
        _keys(schema, schema),
    ]
    for name, part in sorted(schema["$defs"].items()):
        if "properties" in part:
            parts += [f"## {name}", _paragraphs(part.get("description", "")), _keys(part, schema, name)]
    return "\n\n".join(parts)


_KEY = re.compile(r"(?P<indent> *)(?:- |# )?(?P<key>[\w-]+): *(?P<value>[^#]*?)(?:\s#\s(?P<comment>.*))?$")


def _comments(schema: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """What the declaration in docs/targets.md says of keys, by the model that they belong to ('' at the top)."""
    page = (ROOT / "docs" / "targets.md").read_text("utf-8").partition("## A declaration")[2]
    declaration = page.partition("```yaml\n")[2].partition("```")[0]
    found: dict[tuple[str, str], str] = {}
    part = ""
    for line in declaration.splitlines():
        match = _KEY.match(line)
        if not match:
            continue
        if not match["indent"]:
            part = "".join(re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema["properties"].get(match["key"], {})))[:1])
        comment = re.sub(r"(?:; |^)see below$", "", match["comment"] or "")
        if comment.startswith("or "):
            comment = f"{match['value'].strip()}, {comment}"
        comment = re.sub(r"(?:; |^)see (\".*?\")$", r"; see [\1](../targets.md)", _escaped(comment)).removeprefix("; ")
        found.setdefault((part if match["indent"] else "", match["key"]), comment)
    return found


def _keys(part: Mapping[str, Any], schema: Mapping[str, Any], called: str = "") -> str:
    comments = _comments(schema)
    needed = set(part.get("required", ()))
    rows = []
    for name, value in part["properties"].items():
        default = json.dumps(value["default"]) if value.get("default") not in {None, ""} else ""
        default = "; needed" if name in needed else f"; `{default}`" if default else ""
        rows.append(
            (
                f"`{name}`",
                f"{_linked_type(value, schema)}{default}",
                _capital(comments.get((called, name)) or _first(value, schema)),
            )
        )
    return _table(("key", "type; default", "meaning"), rows)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _first(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The first sentence about an object."""
    names = re.findall(r'"#/\$defs/(\w+)"', json.dumps(value))
    said = schema["$defs"][names[0]].get("description", "") if names else ""
    return _escaped(re.split(r"(?<=[.:])\s", " ".join(said.split()))[0].rstrip(":."))


def _linked_type(value: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """The type, where an object is a link to its own keys."""
    text = json.dumps(value)
    names = [name for name in re.findall(r'"#/\$defs/(\w+)"', text) if "properties" in schema["$defs"][name]]
    if not names:
        return _type(value, schema)
    links = " or ".join(f"[{name}](#{name.lower()})" for name in dict.fromkeys(names))
    if '"array"' in text:
        return f"list of {links}"
    return f"map of {links}" if '"additionalProperties"' in text else links


# ---------------------------------------------------------------------------------------------------------------------
# Outcomes, codes, the library


def outcomes() -> str:
    """Every outcome, from the docstrings of its members."""
    said = _docstrings_of_members(Outcome)
    rows = [
        (f"`{one.value}`", _escaped(said[one.name]), "no" if one in SUCCEEDED else "yes, it is in `failed.csv`")
        for one in Outcome
    ]
    return "\n\n".join(
        [
            "# Outcomes",
            (
                "What became of one row. Every row of the input ends in exactly one of these, and the counts always "
                "add up to the rows that were read."
            ),
            _table(("outcome", "meaning", "worth another try"), rows),
            "What each reply of an API leads to stands in [Sending](../sending.md#what-a-reply-means).",
        ]
    )


def _docstrings_of_members(kind: type[enum.Enum]) -> dict[str, str]:
    """The texts that stand below the members of an enumeration."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(definition, ast.ClassDef)  # noqa: S101 - it is one
    found = {}
    for member, text in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            found[getattr(member.targets[0], "id", "")] = str(text.value.value)
    return found


def problem_codes() -> str:
    """The table of what can be wrong with a row."""
    rows = [(f"`{code}`", _escaped(one.meaning), _escaped(one.way_out)) for code, one in PROBLEM_CODES.items()]
    return "\n\n".join(
        [
            "# Problem codes",
            (
                "What can be wrong with a row before anything is sent. `check` shows the code at the end of each line, "
                "and `check --format csv` and `--json` have it in a column of its own. Which problems stop a row, and "
                "which only warn, depends on [`strictness`](../mapping.md)."
            ),
            _table(("code", "what it means", "the way out"), sorted(rows)),
        ]
    )


def exit_codes() -> str:
    """Every exit code, from the errors that lead to it and the table of the README."""
    table = re.findall(r"^\| ([\d, ]+) \| (.*) \|$", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    errors = [
        (f"{kind.exit_code}", f"`{kind.code}`", _escaped((inspect.getdoc(kind) or "").split("\n\n")[0]))
        for kind in _kinds(BatchUpdateError)
        if kind.exit_code != BatchUpdateError.exit_code and kind.__module__ == BatchUpdateError.__module__
    ]
    return "\n\n".join(
        [
            "# Exit codes",
            _table(("code", "meaning"), [(code, _escaped(text)) for code, text in table]),
            "`stopped.code` in `summary.json` says which kind of stop it was:",
            _table(("exit code", "`stopped.code`", "meaning"), errors),
        ]
    )


def _kinds(kind: type[BatchUpdateError]) -> Iterator[type[BatchUpdateError]]:
    for one in kind.__subclasses__():
        yield one
        yield from _kinds(one)


def library() -> str:
    """Every public name, with its docstring."""
    parts = ["# Library", f"`import batchupdate`. {_paragraphs(inspect.getdoc(batchupdate) or '')}"]
    names = [name for name in batchupdate.__all__ if name != "__version__"]
    functions = [name for name in names if inspect.isfunction(getattr(batchupdate, name))]
    for title, chosen in (
        ("Functions", functions),
        ("Types and errors", [name for name in names if name not in functions]),
    ):
        parts.append(f"## {title}")
        for name in chosen:
            parts += [f"### {name}", *_described(getattr(batchupdate, name), name)]
    return "\n\n".join(filter(None, parts))


def _described(thing: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - whatever is public
    if inspect.isfunction(thing):
        yield _signature(thing, name)
    yield _paragraphs(inspect.getdoc(thing) or "")
    if name == "Outcome":
        yield "See [Outcomes](outcomes.md)."
    elif name == "Settings":
        yield "Its attributes are the [settings](settings.md)."
    elif inspect.isclass(thing) and not issubclass(thing, Exception | enum.Enum):
        for method, one in vars(thing).items():
            if method.startswith("_"):
                continue
            function = getattr(one, "__func__", one)
            if inspect.isfunction(function):
                yield f"#### {name}.{method}"
                yield _signature(function, method)
                yield _paragraphs(inspect.getdoc(function) or "")
            elif isinstance(one, property) and one.__doc__:
                yield f"#### {name}.{method} (property)"
                yield _paragraphs(inspect.getdoc(one) or "")


def _signature(function: Callable[..., Any], name: str) -> str:
    """How it is called, with a line for each argument."""
    signature = inspect.signature(function)
    call = f"{'await ' if inspect.iscoroutinefunction(function) else ''}{name}"
    lines, keywords = [], False
    for one in signature.parameters.values():
        if one.name in {"self", "cls"}:
            continue
        if one.kind is one.KEYWORD_ONLY and not keywords:
            keywords = True
            lines.append("    *,")
        default = "..." if callable(one.default) else repr(one.default)
        given = "" if one.default is one.empty else f" = {default}"
        lines.append(f"    {one.name}: {_annotation(one.annotation)}{given},")
    arguments = "\n" + "\n".join(lines) + "\n" if lines else ""
    return f"```python\n{call}({arguments}) -> {_annotation(signature.return_annotation)}\n```"


def _annotation(annotation: object) -> str:
    """As it stands in the code."""
    return annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))


# ---------------------------------------------------------------------------------------------------------------------
# Text


def _paragraphs(text: str) -> str:
    """A docstring as Markdown: its code and lists as they are, its sections Args and Raises as lists."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", text):
        if re.match(r" {4,}\S", paragraph):
            parts.append(f"```python\n{textwrap.dedent(paragraph)}\n```")
            continue
        heading, _, rest = paragraph.partition("\n")
        if heading.strip() in {"Args:", "Raises:", "Returns:", "Yields:", "Attributes:"}:
            parts.append(f"**{heading.strip().rstrip(':').replace('Args', 'Arguments')}**")
            items = re.split(r"\n(?=\S)", textwrap.dedent(rest))
            if heading.strip() in {"Returns:", "Yields:"}:
                parts.append(_escaped(" ".join(rest.split())))
            else:
                parts.append("\n".join(_item(" ".join(item.split())) for item in items))
        elif re.match(r"- ", paragraph):
            parts.append(_escaped(paragraph))
        else:
            parts.append(_escaped(" ".join(paragraph.split())))
    return "\n\n".join(parts)


def _item(text: str) -> str:
    name, colon, meaning = text.partition(": ")
    return f"- `{name}`: {_escaped(meaning)}" if colon else f"- {_escaped(text)}"


def _escaped(text: str) -> str:
    """Prose that Markdown leaves as it is: marks that mean something outside of code are escaped."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([<*\[\]|])", r"\\\1", part) for part in parts)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A table, or nothing where there are no rows."""
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *lines])


def _cell(text: str) -> str:
    """A cell's text on one line; a bar that is not escaped yet would end the cell, in code as well."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split()))


PAGES: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "settings": settings,
    "target": target,
    "outcomes": outcomes,
    "problem_codes": problem_codes,
    "exit_codes": exit_codes,
    "library": library,
}
