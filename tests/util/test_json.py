from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticSerializationError

from batchupdate.util.json import ExactNumber, dumps, loads

TEXTS = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS | st.sampled_from(["1.10", "1e400", "-0.0"]).map(ExactNumber),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_any_json_value_is_written_as_text_that_can_be_stored_and_is_read_again(value: Any) -> None:
    text = dumps(value)
    assert text.encode().decode() == text
    assert loads(text) == value


def test_half_of_a_character_goes_out_as_it_came() -> None:
    assert dumps({"a": "\ud800 é"}) == r'{"a":"\ud800 \u00e9"}'
    assert json.loads(dumps(["\udfff", ExactNumber("1.10")])) == ["\udfff", 1.1]


def test_what_is_no_json_is_still_an_error() -> None:
    with pytest.raises(PydanticSerializationError):
        dumps(object())
