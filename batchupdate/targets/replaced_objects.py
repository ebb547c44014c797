"""What a change would take from a record whose API replaces objects and lists as a whole (`body.nested: replace`).

Whatever of such an object the change does not set is gone afterwards: members that the target declares, and others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchupdate.targets import field_path
from batchupdate.targets.place import undeclared_items

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from batchupdate.targets.place import Place


class ReplacedObjects:
    """The objects and lists that an API replaces, by what they are called: the outermost member.

    Args:
        objects: by name the fields in each of them; none for an API that replaces nothing.
        paths: the members that lead to each field.
        places: where the fields are to which members alone do not lead.
    """

    def __init__(
        self,
        objects: Mapping[str, Sequence[str]],
        paths: Mapping[str, tuple[str, ...]],
        places: Mapping[str, Place],
    ) -> None:
        self._objects, self._paths, self._places = objects, paths, places

    def of(self, names: Iterable[str]) -> Mapping[str, Sequence[str]]:
        """Those that some fields lie in, each with all its fields."""
        if not self._objects:
            return {}
        named = {*names}
        return {whole: fields for whole, fields in self._objects.items() if not named.isdisjoint(fields)}

    def undeclared(
        self, record: Mapping[str, Any], names: Iterable[str], elsewhere: Container[str]
    ) -> dict[str, tuple[str, ...]]:
        """What a record has in these objects that no field leads to, by the name of the object.

        A member without a value, such as null, does not count, for nothing is lost with it.

        Args:
            record: as the API has it.
            names: of fields.
            elsewhere: the fields that a read shows in another place than a change has them. Of the objects that these
                are in it is not known how much of what a read shows a change would have to say.
        """
        found = {}
        for whole, fields in self.of(names).items():
            if any(name in elsewhere for name in fields):
                continue
            paths = {self._paths[name] for name in fields if name in self._paths}
            places = [self._places[name] for name in fields if name in self._places]
            members = [name for name in field_path.undeclared(record, paths) if not _is_nothing(_value(record, name))]
            if left := (*members, *undeclared_items(record, places)):
                found[whole] = left
        return found


def _value(record: Any, name: str) -> Any:  # noqa: ANN401 - any JSON value
    for member in field_path.split(name):
        record = record[member]
    return record


def _is_nothing(value: object) -> bool:
    return value is None or value in ("", [], {})
