"""Regular expressions that users write, searched for by pydantic's Rust engine, which never backtracks.

So no pattern can take forever, whatever the text; in return there is no look-around and there are no back-references.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic_core import SchemaError, SchemaValidator, core_schema

if TYPE_CHECKING:
    from collections.abc import Callable


def compile_search(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a text contains the pattern.

    Raises:
        ValueError: the pattern can't be used, with the reason.
    """
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern)).isinstance_python
    except SchemaError as error:
        reason = str(error).strip().rpartition("\n")[2].strip().removeprefix("error: ").removeprefix("SchemaError: ")
        raise ValueError(f"{pattern!r} can't be used as a pattern: {reason.rstrip('.')}") from error
