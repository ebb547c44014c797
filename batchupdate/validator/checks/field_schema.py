"""The pydantic type of a batch of records: a list of typed dictionaries of the target's ids and fields."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, Required

from pydantic import AfterValidator, GetPydanticSchema, StringConstraints
from pydantic_core import CoreSchema, core_schema
from typing_extensions import TypedDict

from batchupdate.targets.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Container

    from batchupdate.targets import FieldRule, IdRule, Target


def list_of_records(target: Target, names: Container[str]) -> Any:  # noqa: ANN401 - a type made at run time
    """A list of typed dictionaries of the target's ids and fields: what pydantic checks a batch against."""
    keys: dict[str, Any] = {name: Required[_id_type(target.id[name])] for name in target.path_variables}
    for name, rule in target.fields.items():
        if name in names:
            kind = _text_type(rule) if rule.type == "string" else Any
            keys[name] = Required[kind] if rule.required else kind
    record: Any = TypedDict("Record", keys, total=False)  # type: ignore[misc] # made at run time
    return list[record]


def _id_type(rule: IdRule) -> Any:  # noqa: ANN401 - as above
    text = Annotated[str, StringConstraints(max_length=rule.max_length, pattern=rule.regex)]
    return text if rule.format else Annotated[text, AfterValidator(partial(_own_segment, rule))]


def _own_segment(rule: IdRule, value: str) -> str:
    """Refuses what can't be written into the URL as it stands, such as a step in the path."""
    if not value.isprintable():
        raise ValueError("contains an invisible character; type the id again")
    if why := rule.refusal(value):
        raise ValueError(why)
    return value


def _text_type(rule: FieldRule) -> Any:  # noqa: ANN401 - as above
    if rule.enum is not None:
        return Literal[rule.enum]
    pattern = FORMATS[rule.format][0] if rule.format else rule.pattern
    text: CoreSchema = core_schema.str_schema(min_length=rule.min_length, max_length=rule.max_length, pattern=pattern)
    if rule.format and rule.pattern:
        text = core_schema.chain_schema([text, core_schema.str_schema(pattern=rule.pattern)])
    return Annotated[str, GetPydanticSchema(lambda _source, _handler: text)]
