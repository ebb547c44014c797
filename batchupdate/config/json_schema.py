"""JSON Schemas of what users declare in YAML, so that editors complete it and mark mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a file that `model` reads.

    An editor's check is not ours: what depends on several settings, or is written in a language of its own, such as a
    rate or a regular expression, is only checked when the file is loaded.
    """
    return {"$schema": DIALECT, **_plain(model.model_json_schema(mode="validation")), "title": title}


def _plain(schema: Any) -> Any:  # noqa: ANN401 - JSON is anything
    """Without what helps nobody who writes a file: names as titles, and defaults that are empty or whole sections."""
    if isinstance(schema, list):
        return [_plain(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: {key: _plain(value) for key, value in part.items()}
        if name in {"properties", "$defs"}  # names in there are not keywords
        else _plain(part)
        for name, part in schema.items()
        if not (name == "title" and isinstance(part, str))
        and not (name == "default" and (part is None or isinstance(part, dict | list)))
    }
