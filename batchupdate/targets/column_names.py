"""Keeps a target's ids and fields apart as column headings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.config.yaml_file import MisplacedError
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.targets import field_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchupdate.targets.fields import FieldRule
    from batchupdate.targets.ids import IdRule


def check_column_names(ids: Mapping[str, IdRule], fields: Mapping[str, FieldRule]) -> None:
    """Makes sure that no heading can mean two things.

    Raises:
        MisplacedError: one can.
    """
    sections: tuple[tuple[str, Mapping[str, IdRule | FieldRule]], ...] = (("id", ids), ("fields", fields))
    meanings: dict[str, str] = {}
    for section, rules in sections:
        for name in rules:
            if not normalise_heading(name):
                message = f"{name!r} can't be a column heading: it needs letters or digits"
                raise MisplacedError(message, section, name)
            other = meanings.setdefault(normalise_heading(name), name)
            if other is not name:
                message = f"as column headings, {name!r} and {other!r} are the same; rename one of them"
                raise MisplacedError(message, section, name)
    for section, rules in sections:
        for name, rule in rules.items():
            for alias in rule.aliases:
                other = meanings.setdefault(normalise_heading(alias), name)
                if other != name:
                    raise MisplacedError(f"{alias!r} already means {other!r}; keep one", section, name, "aliases")
    _check_items(meanings, fields)


def _check_items(meanings: Mapping[str, str], fields: Mapping[str, FieldRule]) -> None:
    """Refuses an alias such as `labels[0]`, which already means an item of the list `labels`."""
    lists = {heading: name for heading, name in meanings.items() if name in fields and fields[name].type == "list"}
    for heading, name in meanings.items():
        if (item := field_path.item_of(heading)) and item[0] in lists:
            message = f"{heading!r} already means an item of the list {lists[item[0]]!r}; remove it"
            raise MisplacedError(message, "fields" if name in fields else "id", name, "aliases")
