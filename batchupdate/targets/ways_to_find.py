"""By which of its requests a target's records can be found from the values of some fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    from batchupdate.targets.listing import Listing
    from batchupdate.targets.search import Search
    from batchupdate.targets.target import Target


def ways_to_find(target: Target, fields: Sequence[str]) -> tuple[Listing | None, Search | None]:
    """The list and the search by which records can be found from the values of some fields.

    Raises:
        ConfigError: there is neither.
    """
    listing, search = target.list, target.search
    by = " and ".join(fields)
    if listing is None and search is None:
        raise ConfigError(
            f"Records of {target.name} can't be found by {by}: it declares neither how its records are listed, nor how "
            "one is searched for.",
            "Give the file a column with the ids. If its API can list or search records, add 'list' or 'search' to the "
            "target's declaration (docs/targets.md).",
        )
    if listing is not None and (absent := [name for name in fields if name in listing.absent]):
        if search is None:
            message = f"Records of {target.name} can't be found by {absent[0]}, which its list never contains."
            raise ConfigError(message, f"Match by another field: {_others(target, listing.absent)}.")
        listing = None
    if search is not None and (missing := [name for name in search.asks_by if name not in fields]):
        if listing is None:
            raise ConfigError(
                f"Records of {target.name} are searched for by {' and '.join(search.asks_by)}, and not by {by} alone.",
                f"Match by {missing[0]} as well: --match {missing[0]}",
            )
        search = None
    if search is not None and target.list is not None and "fixed" not in search.model_fields_set:
        search = search.model_copy(update={"fixed": target.list.fixed})
    return listing, search


def _others(target: Target, absent: Container[str]) -> str:
    return ", ".join(name for name in target.fields if name not in absent)
