"""Ids by a declared search: which requests are sent for which values, and what of the replies counts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from aioresponses import CallbackResult, aioresponses
from yarl import URL

from batchupdate.config import Settings
from batchupdate.errors import ConfigError, SafetyStop
from batchupdate.run import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from batchupdate import Problem

pytestmark = pytest.mark.slow

TARGET = """\
name: mine
title: My API
base_url: https://api.example.test/base
path: /contacts/{id}
auth: {scheme: none}
rate: unlimited
id: {id: {}}
fields: {email: {}, name: {}, team: {type: integer}}
search: {path: "/contacts?email={email}", records: contacts}
"""
LIST = "list: {path: /all, records: contacts}\n"
ADA = {"id": "c1", "email": "ada@x.test", "name": "Ada", "team": 1}


@pytest.fixture(autouse=True)
def _through_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioresponses stands in for aiohttp's session."""
    monkeypatch.setattr("batchupdate.api.client._TRIED", "none")


class Matching:
    """Finds the ids of rows from an API that answers as it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        self.problems: list[Problem] = []

    def __call__(
        self,
        emails: Sequence[str],
        answer: Callable[[URL], Any],
        target: str = TARGET,
        match: Sequence[str] = ("email",),
        headings: str = "email,name",
    ) -> list[str]:
        (self.folder / "t.yaml").write_text(target, "utf-8")
        (self.folder / "in.csv").write_text(f"{headings}\n" + "".join(f"{one},New\n" for one in emails), "utf-8")

        def reply(url: URL, **_: Any) -> CallbackResult:
            self.asked.append(url.raw_path_qs)
            found = answer(url)
            return found if isinstance(found, CallbackResult) else CallbackResult(body=json.dumps(found).encode())

        settings = Settings.model_validate(
            {"target": str(self.folder / "t.yaml"), "runs_dir": self.folder / "runs", "input": {"match": [*match]}}
        )
        with aioresponses() as mocked:
            mocked.get(re.compile(".*"), callback=reply, repeat=True)
            with prepare(
                self.folder / "in.csv", settings, new=True, environ={}, on_problem=self.problems.append
            ) as job:
                return [line.record_id or "" for line in job.journal.lines()]


@pytest.fixture
def match(tmp_path: Path) -> Matching:
    return Matching(tmp_path)


def contacts(*records: Any) -> Callable[[URL], Any]:
    return lambda _: {"contacts": list(records)}


def test_each_value_is_searched_for_once_and_encoded(match: Matching) -> None:
    odd = {"id": "c2", "email": "a&b=ö@x.test"}
    ids = match(["ada@x.test", "a&b=ö@x.test", " ada@x.test "], contacts(ADA, odd))
    assert [URL(path, encoded=True).query for path in match.asked] == [
        {"email": "ada@x.test"},
        {"email": "a&b=ö@x.test"},
    ]
    assert ids == ["c1", "c2", "c1"]


def test_what_a_fuzzy_search_finds_is_compared_again(match: Matching) -> None:
    others = [{"id": f"c{n}", "email": f"ada{n}@x.test"} for n in range(9)]
    assert match(["ada@x.test", "Ada@x.test"], contacts(*others, {**ADA, "id": "c9"})) == ["c9", ""]
    assert [problem.message for problem in match.problems] == [
        "no record has the email 'Ada@x.test'; the nearest is 'ada@x.test' (id c9)"
    ]


def test_a_second_page_of_a_search_is_read_too(match: Matching) -> None:
    target = TARGET.replace("records: contacts}", "records: contacts, pagination: {style: next, next: next}}")

    def answer(url: URL) -> Any:
        twin = {**ADA, "id": "c2"}
        return (
            {"contacts": [twin]} if "p=2" in str(url) else {"contacts": [ADA], "next": "/base/contacts?email=ada&p=2"}
        )

    assert match(["ada@x.test"], answer, target) == [""]
    assert match.problems[0].message.startswith("2 records have the email 'ada@x.test': c1, c2;")


def test_all_columns_must_agree(match: Matching) -> None:
    twin = {**ADA, "id": "c2", "team": 2}
    headings, rows = "email,team,name", ["ada@x.test,02", "ada@x.test,3", "ada@x.test,x"]
    assert match(rows, contacts(ADA, twin), match=("email", "team"), headings=headings) == ["c2", "", ""]
    assert len(match.asked) == 1
    assert [problem.code for problem in match.problems] == ["no_match", "not_an_integer"]
    assert "no record has the email 'ada@x.test' and the team '3'; the nearest is" in match.problems[0].message


@pytest.mark.parametrize(("rows", "paths"), [(25, ["/base/contacts"] * 25), (26, ["/base/all"])])
def test_of_both_the_search_is_for_few_rows_and_the_list_for_many(rows: int, paths: list[str], match: Matching) -> None:
    emails = [f"a{n}@x.test" for n in range(rows)]
    records = [{"id": f"c{n}", "email": email} for n, email in enumerate(emails)]
    assert all(match(emails, contacts(*records), TARGET + LIST))
    assert [path.partition("?")[0] for path in match.asked] == paths


def test_the_list_is_used_where_the_search_asks_for_another_field(match: Matching) -> None:
    assert match(["Ada"], contacts(ADA), TARGET + LIST, ("name",), "name,email") == ["c1"]
    assert match.asked == ["/base/all"]


def test_a_search_that_asks_for_another_field_is_no_help(match: Matching) -> None:
    with pytest.raises(ConfigError, match="searched for by email, and not by name alone"):
        match(["Ada"], contacts(ADA), match=("name",), headings="name,email")


def test_what_must_not_be_edited_says_the_list_for_the_search_too(match: Matching) -> None:
    fixed = LIST.replace("records: contacts}", "records: contacts, fixed: [{when: team, because: a team's}]}")
    match(["ada@x.test"], contacts(ADA), TARGET + fixed)
    assert [(problem.code, problem.message) for problem in match.problems] == [
        ("locked_record", "this record must not be edited: a team's; remove the row")
    ]


def test_an_id_that_breaks_the_rule_is_not_sent(match: Matching) -> None:
    assert match(["ada@x.test"], contacts({**ADA, "id": ".."})) == [""]
    assert match.problems[0].code == "bad_id"


def test_a_record_that_comes_twice_is_one(match: Matching) -> None:
    assert match(["ada@x.test"], contacts(ADA, ADA)) == ["c1"]


def test_a_field_that_no_record_of_the_list_has_is_a_wrong_declaration(match: Matching) -> None:
    with pytest.raises(ConfigError, match="No record in the list of mine contains name"):
        match(["Ada"], contacts({"id": "c1", "title": "Ada"}), TARGET + LIST, ("name",), "name,email")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CallbackResult(status=404, body=b"{}"), "there is no search at this address; check search.path"),
        (CallbackResult(status=403, body=b"{}"), "the key has no permission to search"),
        ({"items": []}, "Page 1 of a search's reply is not as the target declares"),
        ({"contacts": [{"email": "ada@x.test"}]}, "declare its place under search.id"),
    ],
)
def test_a_search_that_fails_stops_everything(answer: Any, said: str, match: Matching) -> None:
    with pytest.raises(SafetyStop) as caught:
        match(["ada@x.test"], lambda _: answer)
    assert said in caught.value.message
