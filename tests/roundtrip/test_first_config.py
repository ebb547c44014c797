from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from declarations import read
from hypothesis import example, given
from hypothesis import strategies as st
from workbooks import book

from batchupdate.config import Settings
from batchupdate.config.yaml_file import parse
from batchupdate.errors import ConfigError, InputError, UsageError
from batchupdate.roundtrip.first_config import COMMON, COMMON_INPUT, FirstConfig, fitting_targets, survey
from batchupdate.spreadsheet.headers import normalise_heading
from batchupdate.spreadsheet.reserved_columns import is_pulled
from batchupdate.targets import find_target
from batchupdate.validator import map_columns
from batchupdate.validator.columns.field_names import field_of
from batchupdate.validator.columns.proposal import propose

ROOT = Path(__file__).parent.parent.parent
TARGET = read(
    r"""
name: t
title: "T: a target"
path: /{id}
auth: {env: T_KEY}
variables: {}
id: {id: {aliases: [key], pattern: "^[0-9]+$", example: "7"}}
fields:
  name: {max_length: 40, aliases: [label, title]}
  price: {type: number}
  address.city: {}
  a\.b: {}
  labels: {type: list}
  'yes': {}
"""
)
WORDS = [
    *(
        "id",
        "ID ",
        "key",
        "name",
        "New name",
        "Old name",
        "Neuer Name",
        "Nmae",
        "label",
        "Title",
        "price",
        "Price (EUR)",
        "address.city",
        "city",
    ),
    *("a.b", r"a\.b", "labels", "labels[0]", "labels[1]", "Label 1", "yes", "Yes", "no", "~", "null", "#", "1", "1.0"),
    *("2026-01-01", "x: y", "- a", "{a}", "[b]", "'", '"', "%", "&a", "*a", "!a", "a\tb", "=1", "_old.name", "_locked"),
]
HEADINGS = st.lists(
    st.sampled_from(WORDS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6).map(str.strip),
    min_size=1,
    max_size=8,
    unique_by=normalise_heading,
)


@given(HEADINGS)
@example(["id", "name", "New name"])
@example(["id", "\x85", "\u2028", "\x00", "name"])
@example(["key", "id", "Price (EUR)", "Nmae"])
def test_of_any_headings_each_field_is_proposed_once_and_the_config_maps_exactly_that(headings: list[str]) -> None:
    try:
        proposed = propose(headings, [["7"] * len(headings)], TARGET)
    except InputError as error:
        assert "both set the list" in str(error)  # noqa: PT017 - the only reason there is
        return
    names = [one.name for one in proposed if one.name]
    assert len(set(names)) == len(names)
    assert all(headings[one.place] == one.heading and not is_pulled(one.heading) for one in proposed)
    columns = {one.heading: one.name for one in proposed if one.name}
    unused = [one.heading for one in proposed if not one.name]
    text = FirstConfig("a\nb.csv", "t", TARGET, columns, unused=unused).text("c.yaml")
    settings = parse(text.encode(), Settings, "config", "c.yaml")
    try:
        mapped = map_columns(headings, TARGET, settings.input).mapped
    except (ConfigError, InputError) as error:
        missing = "id" not in names or not {field_of(name, TARGET) for name in names} - {"id"}
        assert missing or "counted from 0" in str(error)  # noqa: PT017 - the only other reason
        return
    assert {one.heading: one.name for one in mapped} == columns


def config(columns: dict[str, str] | None = None, **more: object) -> FirstConfig:
    return FirstConfig("a.csv", "t", TARGET, columns or {"id": "id", "name": "name"}, **more)  # type: ignore[arg-type]


def test_every_line_that_is_turned_off_is_a_setting_once_it_is_turned_on() -> None:
    text = config().text("c.yaml")
    known = {line.partition(":")[0] for _, lines in (*COMMON, *COMMON_INPUT) for line in lines}
    turned_on = re.sub(rf"^( *)# ((?:{'|'.join(known)}): )", r"\1\2", text, flags=re.MULTILINE)
    settings = parse(turned_on.encode(), Settings, "config", "c.yaml")
    assert known == (settings.model_fields_set | settings.input.model_fields_set) & known


def test_the_sentences_are_those_of_the_example_config() -> None:
    example_text = " ".join((ROOT / "config.example.yaml").read_text("utf-8").replace("#", " ").split())
    for sentence, lines in (*COMMON, *COMMON_INPUT):
        assert " ".join(sentence.split()).rstrip(".") in example_text
        for line in lines:
            assert line in example_text


def test_what_was_given_stands_below_its_sentence() -> None:
    text = config(options={"rate": "5/s", "base_url": "https://x.example"}, input_options={"encoding": "cp1252"}).text(
        "c"
    )
    assert re.search(r"must not exceed\.\nrate: 5/s\n# max_rate", text)
    settings = parse(text.encode(), Settings, "config", "c")
    assert (str(settings.rate), settings.base_url, settings.input.encoding) == ("5/s", "https://x.example", "cp1252")


def test_a_guess_is_turned_off_and_can_be_turned_on() -> None:
    text = config({"id": "id"}, guesses={"Nmae: x": "name"}, unused=["price # x"]).text("c.yaml")
    assert "    # 'Nmae: x': name\n" in text
    on = parse(text.replace("    # 'Nmae", "    'Nmae").encode(), Settings, "config", "c.yaml")
    assert on.input.columns["Nmae: x"].field == "name"


@pytest.mark.parametrize("odd", ["a\nb", "a: b", "x\ntarget: evil", "# c", "\u2028target: evil", "é"])
def test_no_text_of_others_leaves_its_comment(odd: str) -> None:
    columns = {"id": "id", odd: "name"}
    text = FirstConfig(odd, "t", TARGET, columns, guesses={f"{odd}1": "price"}, unused=[odd]).text(odd)
    settings = parse(text.encode(), Settings, "config", "c.yaml")
    assert settings.target == "t"
    assert list(settings.input.columns) == [*columns]
    assert set(yaml.safe_load(text)) == {"target", "input"}


def test_a_column_that_its_heading_maps_cant_be_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,name,price\n1,a,2\n", "utf-8")
    found = survey(str(tmp_path / "a.csv"), Settings())
    config({"id": "id", "name": "name", "price": "price"}).check(found, "c.yaml")
    with pytest.raises(UsageError, match="The column 'price' sets 'price' by its heading, so it can't be left out"):
        config().check(found, "c.yaml")


def test_a_survey_has_headings_samples_and_all_sheets(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(book(("Notes", [["x"]]), ("To do", [["id", "name"], ["7", ""], ["8", "b"]]), ("Empty", [])))
    found = survey(str(path), Settings.model_validate({"input": {"sheet": "To do"}}))
    assert (found.columns, found.sample(0), found.sample(1)) == (("id", "name"), "7", "b")
    found = survey(str(path), Settings())
    assert (found.sheet, found.sheets) == ("Notes", ("Notes", "To do", "Empty"))
    assert not found.notices


def test_targets_are_sorted_by_how_well_a_file_fits(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Ticket ID,Subject,Priority,Status\n7,a,low,open\n", "utf-8")
    fits = fitting_targets(survey(str(tmp_path / "a.csv"), Settings()))
    assert fits[0].name == "zendesk-ticket"
    assert fits[0].fits
    assert not fits[-1].fits
    names = [fit.name for fit in fitting_targets(None)]
    assert sorted(names) == sorted(fit.name for fit in fits)


def test_the_variables_stand_with_what_they_mean() -> None:
    target = find_target("zendesk-ticket")
    made = FirstConfig(None, "zendesk-ticket", target, variables={"site": "acme", "email": None})
    text = made.text("c.yaml")
    assert parse(text.encode(), Settings, "config", "c.yaml").variables == {"site": "acme"}
    assert re.search(r"^#   email: ", text, re.MULTILINE)
    none = FirstConfig(None, "zendesk-ticket", target, variables={"site": None, "email": None}).text("c.yaml")
    assert parse(none.encode(), Settings, "config", "c.yaml").variables == {}
    assert "ZENDESK" in none
