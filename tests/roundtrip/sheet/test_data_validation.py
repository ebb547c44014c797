from __future__ import annotations

from typing import Any

import pytest

from batchupdate.roundtrip.sheet import data_validation
from batchupdate.targets import FieldRule, IdRule


def field(**told: Any) -> FieldRule:
    return FieldRule.model_validate(told)


def length(least: int, most: int | None, error_type: str) -> dict[str, Any]:
    if most is None:
        return {"validate": "length", "criteria": ">=", "value": least, "error_type": error_type}
    bounds = {"criteria": "between", "minimum": least, "maximum": most}
    return {"validate": "length", **bounds, "error_type": error_type}


def offers(*values: str, error_type: str = "stop") -> dict[str, Any]:
    return {"validate": "list", "source": list(values), "error_type": error_type}


def from_1900(error_type: str) -> dict[str, Any]:
    return {"validate": "date", "criteria": ">=", "value": data_validation.FIRST_DAY, "error_type": error_type}


def custom(value: str, **more: str) -> dict[str, Any]:
    return {"validate": "custom", "value": value, **more}


def between(kind: str, **bounds: Any) -> dict[str, Any]:
    return {"validate": kind, **bounds}


def allowed(rule: FieldRule) -> dict[str, Any]:
    """The validation without its messages."""
    made = data_validation.validation_of_field("x", rule, "B2", data_validation.choices(rule))
    return {name: value for name, value in made.items() if name.partition("_")[2] not in {"title", "message"}}


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        (field(), {"validate": "any"}),
        (field(max_length=40), length(0, 40, "stop")),
        (field(min_length=2), length(2, None, "stop")),
        # A marker that breaks the rule must not be forbidden: it is only asked about.
        (field(max_length=5, nullable=True), length(0, 5, "warning")),
        (field(min_length=9, nullable=True), length(9, None, "warning")),
        (field(type="enum", enum=["a", "b"]), offers("a", "b")),
        (field(enum=["a", ""], nullable=True), offers("a", "<empty>", "<null>")),
        (field(type="enum", enum=["a"], ignore_case=True), offers("a", error_type="warning")),
        (field(type="boolean", nullable=True), offers("true", "false", "<null>")),
        (field(type="boolean", true_words=["ja"]), offers("true", "false", error_type="warning")),
        (field(type="integer", minimum=1, maximum=9), between("integer", criteria="between", minimum=1, maximum=9)),
        (field(type="integer", minimum=0), between("integer", criteria=">=", value=0)),
        (field(type="number", maximum=1.5), between("decimal", criteria="<=", value=1.5)),
        (field(type="number"), custom("=ISNUMBER(B2)")),
        (field(type="integer"), custom("=IF(ISNUMBER(B2),B2=INT(B2),FALSE)")),
        (
            field(type="integer", nullable=True, minimum=0),
            custom('=OR(B2="<null>",IF(ISNUMBER(B2),IF(B2=INT(B2),B2>=0,FALSE),FALSE))'),
        ),
        (field(type="date"), from_1900("stop")),
        (field(type="date", nullable=True), custom('=OR(ISNUMBER(B2),B2="<null>")', error_type="stop")),
        (field(type="date", input_formats=["%d.%m.%Y"]), from_1900("warning")),
        (field(type="datetime"), from_1900("warning")),
        (field(type="datetime", timezone="required"), {"validate": "any"}),
        (field(type="list"), {"validate": "any"}),
        (field(type="json"), {"validate": "any"}),
    ],
)
def test_what_a_cell_may_hold(rule: FieldRule, made: dict[str, Any]) -> None:
    assert allowed(rule) == made


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        (field(), "@"),
        (field(type="enum", enum=["007"]), "@"),
        (field(type="boolean"), "@"),
        (field(type="list"), "@"),
        (field(type="number"), "General"),
        (field(type="integer"), "General"),
        (field(type="date"), "yyyy-mm-dd"),
        (field(type="datetime"), "yyyy-mm-dd hh:mm:ss"),
        (field(type="datetime", timezone="required"), "@"),
        (None, "@"),
    ],
)
def test_text_and_ids_are_formatted_as_text(rule: FieldRule | None, made: str) -> None:
    assert data_validation.number_format(rule) == made


@pytest.mark.parametrize(
    ("rule", "least", "most"),
    [(IdRule(format="uuid"), 36, 36), (IdRule(format="ulid", prefix="ai_"), 26, 29),
     (IdRule(format="ulid", prefix="ai_", prefix_required=True), 29, 29)],
)  # fmt: skip
def test_an_id_of_a_known_length_is_asked_about_when_it_has_another(rule: IdRule, least: int, most: int) -> None:
    made = data_validation.validation_of_id("id", rule)
    assert (made["validate"], made["minimum"], made["maximum"], made["error_type"]) == (
        "length",
        least,
        most,
        "warning",
    )
    assert data_validation.validation_of_id("id", IdRule())["validate"] == "any"


@pytest.mark.parametrize(
    ("values", "fits"),
    [(["a"] * 128, True), (["a"] * 129, False), (["a,b"], False), ([" a"], False), (["ä"] * 128, True)],
)
def test_a_drop_down_that_a_cell_can_not_hold_needs_a_range(values: list[str], *, fits: bool) -> None:
    assert data_validation.fits_in_a_list(values) is fits


def test_messages_keep_excels_limits_which_count_some_characters_twice() -> None:
    rule = field(description="😀" * 300)
    made = data_validation.validation_of_field("n" * 50, rule, "B2", [])
    assert made["input_title"] == "n" * 31 + "…"
    assert made["input_message"] == "😀" * 127 + "…"
    assert made["error_message"] == made["input_message"]
    assert len(made["input_message"].encode("utf-16-le")) // 2 <= data_validation.MESSAGE_MOST
    fits = 255 - len("\ntext, or <empty>")
    for longer in (0, 1):
        message = data_validation.validation_of_field("n" * 32, field(description="x" * (fits + longer)), "B2", [])[
            "input_message"
        ]
        assert ("…" in message) is bool(longer)


def test_a_note_says_the_rule_in_plain_words() -> None:
    note = data_validation.note_of_field(field(description="Its name", max_length=40, nullable=True))
    assert note.split("\n") == [
        "Its name.",
        "Holds at most 40 characters, or <empty> or <null>.",
        "Blank leaves the field as it is.",
        "<empty> sends an empty text.",
        "<null> sends null, which clears the field in most APIs.",
    ]
    assert "Needed in every row." in data_validation.note_of_field(field(required=True, min_length=3))
    assert "Holds at least 3 characters." in data_validation.note_of_field(field(required=True, min_length=3))
    assert "<empty> sends an empty list." in data_validation.note_of_field(field(type="list"))
    assert "Holds a list of integers separated by ';'" in data_validation.note_of_field(
        field(type="list", separator=";", items={"type": "integer"}, min_items=1)
    )
    assert data_validation.note_of_id(IdRule(format="uuid", description="Which one")).startswith(
        "Which one.\nNeeded in every row"
    )


@pytest.mark.parametrize(
    ("name", "rule", "wide"),
    [("id", IdRule(format="uuid"), 38), ("id", IdRule(), 24), ("x", field(type="date"), 14),
     ("x", field(max_length=9), 11), ("x", field(max_length=500), 50),
     ("a rather long heading", field(type="boolean"), 26),
     ("x", field(type="datetime"), 22), ("x", field(format="hex-color"), 12)],
)  # fmt: skip
def test_a_column_is_as_wide_as_what_it_holds(name: str, rule: Any, wide: int) -> None:
    assert data_validation.width(name, rule) == wide
