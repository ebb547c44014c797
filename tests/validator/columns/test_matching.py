from __future__ import annotations

from typing import Any

import pytest

from batchupdate.config import Column, Input
from batchupdate.errors import ConfigError, InputError
from batchupdate.targets import Target, find_target
from batchupdate.validator import ColumnMap, map_columns

LANGDOCK = find_target("langdock-integration")
REPO = Target.model_validate(
    {
        "name": "repo",
        "title": "",
        "path": "/repos/{owner}/{repo}",
        "auth": {"scheme": "none"},
        "id": {"owner": {"aliases": ["org"]}, "repo": {}},
        "fields": {"title": {"aliases": ["headline", "caption"]}, "class": {}, "state": {"required": True}},
    }
)


def names(layout: ColumnMap) -> dict[str, str]:
    return {one.heading: one.name for one in layout.mapped}


def laid(*columns: str, target: Target = LANGDOCK, **options: Any) -> ColumnMap:
    if "columns" in options:
        told = options["columns"]
        options["columns"] = {
            heading: Column(field=column) if isinstance(column, str) else column for heading, column in told.items()
        }
    return map_columns(columns, target, Input(**options))


@pytest.mark.parametrize(
    "heading", ["iconUrl", "ICONURL", "Icon URL", "icon_url", "icon-url", " Icon  Url ", "ICON_-URL"]
)
def test_case_spaces_underscores_and_hyphens_do_not_count(heading: str) -> None:
    assert names(laid("integrationId", heading)) == {"integrationId": "integrationId", heading: "iconUrl"}


@pytest.mark.parametrize("heading", ["id", "ID", "Integration", "integration_id"])
def test_a_column_can_have_an_alias_of_the_id(heading: str) -> None:
    assert names(laid(heading, "name"))[heading] == "integrationId"


def test_a_name_goes_before_an_alias() -> None:
    layout = laid("id", "integrationId", "name")
    assert names(layout) == {"integrationId": "integrationId", "name": "name"}
    assert layout.ignored == ("id",)


@pytest.mark.parametrize("columns", [("integration", "id", "name"), ("id", "integration", "name")])
def test_of_several_aliases_the_first_that_the_target_names_wins(columns: tuple[str, ...]) -> None:
    assert names(laid(*columns)) == {"id": "integrationId", "name": "name"}


def test_columns_keep_their_places_and_the_rest_is_ignored_once() -> None:
    layout = laid("Notes", "name", "", "id", "_extra_1", "Notes too")
    assert [(one.index, one.heading, one.name) for one in layout.mapped] == [
        (1, "name", "name"),
        (3, "id", "integrationId"),
    ]
    assert layout.width == 6
    assert layout.extra == (4,)
    assert layout.ignored == ("Notes", "column 3 (no heading)", "Notes too")


def test_a_layout_tells_the_heading_of_a_field() -> None:
    layout = laid("ID", "Name")
    assert layout.heading("name") == "Name"
    assert layout.heading("color") == "color"


def test_several_ids_need_a_column_each() -> None:
    assert names(laid("Org", "Repo", "class", "state", target=REPO)) == {
        "Org": "owner",
        "Repo": "repo",
        "class": "class",
        "state": "state",
    }


# ---- the user's map ----


def test_a_mapped_column_goes_before_one_of_the_same_name() -> None:
    layout = laid("id", "name", "New name", columns={"New name": "name"})
    assert names(layout) == {"id": "integrationId", "New name": "name"}
    assert layout.ignored == ("name",)


def test_a_map_is_read_as_loosely_as_headings() -> None:
    assert names(laid("Key", "New-Name", columns={"new name": "NAME", "KEY": "Integration ID"})) == {
        "Key": "integrationId",
        "New-Name": "name",
    }


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"Nwe": "name"}, "The map names a column 'Nwe' that the file does not have. The file has: id, New, (no headi"),
        ({"New": "nmae"}, "names a field 'nmae' that langdock-integration does not have. Did you mean 'name'?"),
        ({"New": "zzz"}, "Known fields: integrationId, name, description, iconUrl, color."),
        ({"New": "name", "Other": "Name"}, "The map names two columns for 'name'. Keep one of them."),
        ({"New": "name", "new": "color"}, "The map names the column 'New' twice. Keep one of them."),
        ({"New": "name", "N-E-W": "name"}, "The map names the column 'New' twice."),
        (
            {"id": Column(null_marker="<empty>"), "New": "name"},
            "In the column 'id', '<empty>' would mean both null and empty. Give",
        ),
    ],
)
def test_a_wrong_map_is_refused_with_the_way_out(columns: dict[str, Any], said: str) -> None:
    kind = InputError if "that the file does not have" in said else ConfigError
    with pytest.raises(kind) as caught:
        laid("id", "New", "", "Other", columns=columns)
    assert said in str(caught.value)


# ---- what has to be there ----


@pytest.mark.parametrize(
    ("columns", "target", "said"),
    [
        (
            ("Key", "name", ""),
            LANGDOCK,
            "No column holds the id 'integrationId'. The file has: Key, name, (no heading). Name it with --map \"COLU",
        ),
        (("owner", "title"), REPO, "No column holds the id 'repo'."),
        (("owner", "repo", "title"), REPO, "No column holds the required field 'state'."),
        (
            ("id", "Nmae"),
            LANGDOCK,
            "No column sets a field of langdock-integration (name, description, iconUrl, color). The file has: id, Nm",
        ),
    ],
)
def test_a_missing_column_stops_with_the_list_of_what_is_there(
    columns: tuple[str, ...], target: Target, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        laid(*columns, target=target)
    assert str(caught.value).startswith(said)


# ---- markers ----


def test_a_column_can_have_markers_of_its_own() -> None:
    layout = laid(
        "id",
        "name",
        "color",
        null_marker="NIL",
        empty_marker="NONE",
        columns={"Name": Column(null_marker="-"), "color": Column(field="description", empty_marker="n/a")},
    )
    assert [(one.name, one.null_marker, one.empty_marker) for one in layout.mapped] == [
        ("integrationId", "NIL", "NONE"),
        ("name", "-", "NONE"),
        ("description", "NIL", "n/a"),
    ]


def test_a_column_with_present_values_is_no_near_miss() -> None:
    with pytest.raises(InputError) as caught:
        laid("id", "Old description", "New description")
    assert 'Do you mean --map "New description=description"?' in str(caught.value)
    hints = laid("id", "name", "Old description", "Neue Description").hints
    assert [hint.partition(" looks")[0] for hint in hints] == ["The column 'Neue Description'"]
