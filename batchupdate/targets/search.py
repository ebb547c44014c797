"""How an API finds records by a field's value, as a target's YAML declares it under `search`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from batchupdate.config.yaml_file import MisplacedError
from batchupdate.targets.listing import Listing
from batchupdate.targets.url_template import is_encoded_path

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


class Search(Listing):
    """How an API finds records by the values of fields: GET at `path`, in which fields stand in braces.

    The reply is read as a page of the list is, with settings of its own: `records`, `id`, `fields`, `fixed` and
    `pagination`. What it finds may be more than what was asked for; all records are compared again.
    """

    section: ClassVar = "search"
    called: ClassVar = "a search's reply"

    @property
    def asks_by(self) -> tuple[str, ...]:
        """The fields whose values it needs, in the order of the path."""
        return tuple(dict.fromkeys(_PLACEHOLDER.findall(self.path)))

    def check(self, ids: Container[str], fields: Container[str], variables: Container[str]) -> None:
        """Refuses a path that asks for no field, and names that the target does not declare.

        Raises:
            MisplacedError: there is such a path or name.
        """
        if self.method != "GET" or self.body:
            raise MisplacedError("a search is a GET; remove it", "search", "body" if self.body else "method")
        asked = [name for name in self.asks_by if name not in variables]
        if both := [name for name in self.asks_by if name in variables and name in fields]:
            raise MisplacedError(f"{{{both[0]}}} is both a field and a variable; rename the variable", "search", "path")
        if strangers := [name for name in asked if name not in fields]:
            message = f"path uses {{{strangers[0]}}}, which is not declared under fields or variables"
            raise MisplacedError(message, "search", "path")
        if not asked:
            raise MisplacedError("path has no {field}, so it would find the same records every time", "search", "path")
        bare = _PLACEHOLDER.sub("", self.path)
        if not is_encoded_path(self.path) or set("{}") & set(bare):
            raise MisplacedError("path must start with '/' and be percent-encoded", "search", "path")
        self.check_names(ids, fields, "search")

    def for_values(self, values: Mapping[str, str]) -> Search:
        """The same search with the values of its fields in the path, percent-encoded."""
        path = _PLACEHOLDER.sub(lambda found: quote(values[found[1]], safe="", errors="replace"), self.path)
        return self.model_copy(update={"path": path})
