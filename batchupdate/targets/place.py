"""Where in a record a field is, if objects alone do not lead there: `Name.title[0].text.content`.

- `name[0]` is the first item of a list, which is made if the row sets it.
- `tags[].name` is the member `name` of every item: a list field sets as many items as it has.
- `custom_fields[?id==123].value` is in the item whose `id` is 123.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def _checked(text: str) -> str:
    Place.parse(text)
    return text


PlaceText = Annotated[str, AfterValidator(_checked)]

_NAME = re.compile(r"(?:[^\\.\[\]]|\\[.\\\[\]])+")
_VALUE = r"""(?P<number>-?[0-9]+)|(?P<quote>['"`])(?P<text>[^'"`]*)(?P=quote)|(?P<word>[\w-]+)"""
_BRACKET = re.compile(rf"\[(?:(?P<first>0)|(?P<each>)|\?\s*(?P<key>\w+)\s*==\s*(?:{_VALUE})\s*)\]")
_PLAIN = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class First:
    """The first item of a list."""


@dataclass(frozen=True, slots=True)
class Each:
    """Every item of a list."""


@dataclass(frozen=True, slots=True)
class Where:
    """The item of a list that has this value under this name."""

    key: str
    value: str | int


Step = str | First | Each | Where


@dataclass(frozen=True)
class Place:
    """A place, as the steps that lead there: names of members, and items of lists."""

    steps: tuple[Step, ...]

    @classmethod
    def parse(cls, text: str) -> Place:
        """Reads a place.

        Raises:
            ValueError: it is none, with the reason.
        """
        steps: list[Step] = []
        at = 0
        while at < len(text):
            if steps and text[at] == ".":
                at += 1
            elif steps and text[at] != "[":
                raise ValueError(f"{text!r}: a dot is missing before {text[at:]!r}")
            if bracket := _BRACKET.match(text, at) if steps and text[at : at + 1] == "[" else None:
                steps.append(_step(bracket))
                at = bracket.end()
            elif name := _NAME.match(text, at):
                steps.append(re.sub(r"\\(.)", r"\1", name[0]))
                at = name.end()
            else:
                raise ValueError(
                    f"{text!r} is not a place; write name.member, list[0].member, list[].member or "
                    "list[?id==123].member"
                )
        if not steps or text.endswith("."):
            raise ValueError(f"{text!r} ends where a name is expected")
        if sum(isinstance(step, Each) for step in steps) > 1:
            raise ValueError(f"{text!r} goes through every item of two lists, and a cell is one list at most")
        if not isinstance(steps[-1], Each | Where):
            return cls(tuple(steps))
        raise ValueError(f"{text!r} must end with a name: the member that the field sets")

    @property
    def members(self) -> tuple[str, ...] | None:
        """The same as names of members, where these alone lead there."""
        names = tuple(step for step in self.steps if isinstance(step, str))
        return names if len(names) == len(self.steps) else None

    @property
    def members_before(self) -> tuple[str, ...]:
        """The members that lead to the first list."""
        return tuple(
            step for step in takewhile(lambda step: isinstance(step, str), self.steps) if isinstance(step, str)
        )

    @property
    def shared(self) -> tuple[Step, ...]:
        """What no other field may have: the place, or the list of which this field makes the items."""
        return self.steps[: self.steps.index(Each()) + 1] if self.is_of_list else self.steps

    @property
    def first(self) -> str:
        """The outermost member."""
        return str(self.steps[0])

    @property
    def is_of_list(self) -> bool:
        """Whether a list's items go to as many items there."""
        return any(isinstance(step, Each) for step in self.steps)

    @cached_property
    def jmespath(self) -> str:
        """The expression that finds the field in a record."""
        found = ""
        for step in self.steps:
            match step:
                case str():
                    name = (
                        step if _PLAIN.fullmatch(step) else '"' + step.replace("\\", "\\\\").replace('"', '\\"') + '"'
                    )
                    found += f".{name}" if found else name
                case First():
                    found += "[0]"
                case Each():
                    found += "[]"
                case Where(key, value):
                    found += f"[?{key} == {f'`{value}`' if isinstance(value, int) else _literal(value)}] | [0]"
        return found

    def put(self, record: dict[str, Any], value: Any) -> None:  # noqa: ANN401 - any JSON value
        """Puts a value there; makes what leads there and is not there yet."""
        _put(record, self.steps, value)


def undeclared_items(record: object, places: Iterable[Place]) -> Iterator[str]:
    """The items of lists, in the syntax of a place, to which no place leads although one leads to others of that list.

    Args:
        record: as the API has it.
        places: of the fields; only items that are told by a value (`Where`) are looked at.
    """
    known: dict[tuple[tuple[str, ...], str], set[str | int]] = {}
    for place in places:
        step = next((step for step in place.steps if not isinstance(step, str)), None)
        if isinstance(step, Where):
            known.setdefault((place.members_before, step.key), set()).add(step.value)
    for (members, key), values in known.items():
        holder: Any = record
        for member in members:
            holder = holder.get(member) if isinstance(holder, dict) else None
        for item in holder if isinstance(holder, list) else ():
            value = item.get(key) if isinstance(item, dict) else None
            if value not in values:
                yield f"{'.'.join(members)}[?{key}=={value}]"


def _step(bracket: re.Match[str]) -> Step:
    if bracket["first"]:
        return First()
    if bracket["each"] is not None:
        return Each()
    return Where(
        bracket["key"], int(bracket["number"]) if bracket["number"] else bracket["text"] or bracket["word"] or ""
    )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _put(holder: Any, steps: tuple[Step, ...], value: Any) -> None:  # noqa: ANN401
    """Puts a value into an object, or a list, at the end of the steps; what stands in their way is replaced."""
    match steps[0]:
        case str() as name:
            _put_member(holder, name, steps[1:], value)
        case Each():
            holder[:] = [{} for _ in value]
            for item, one in zip(holder, value, strict=True):
                _put(item, steps[1:], one)
        case First():
            first = value if not steps[1:] else _holder(holder[0] if holder else None, steps[1])
            holder[:1] = [first]
            if steps[1:]:
                _put(first, steps[1:], value)
        case Where(key, wanted):
            item = next((one for one in holder if isinstance(one, dict) and one.get(key) == wanted), None)
            if item is None:
                item = {key: wanted}
                holder.append(item)
            _put(item, steps[1:], value)


def _put_member(record: dict[str, Any], name: str, rest: tuple[Step, ...], value: Any) -> None:  # noqa: ANN401
    if not rest or (isinstance(rest[0], Each) and not isinstance(value, list)):  # null: no list at all
        record[name] = value
        return
    record[name] = _holder(record.get(name), rest[0])
    _put(record[name], rest, value)


def _holder(present: Any, step: Step) -> Any:  # noqa: ANN401
    """What the next step goes into: what is there, if it is of the right kind, or a new object or list."""
    kind = dict if isinstance(step, str) else list
    return present if isinstance(present, kind) else kind()
