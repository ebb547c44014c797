from __future__ import annotations

import asyncio
import csv
import json
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aioresponses import CallbackResult, aioresponses

from batchupdate.config import Settings
from batchupdate.engine.listing import page_client
from batchupdate.errors import ConfigError, InputError, SafetyStop, UsageError
from batchupdate.roundtrip.pull import listing_of, pull_records
from batchupdate.roundtrip.sheet import Form, xlsx_sheet
from batchupdate.targets import find_target

if TYPE_CHECKING:
    from pathlib import Path

    from fakes import FakeClock
    from yarl import URL

    from batchupdate.model import Progress
    from batchupdate.roundtrip.pull import Pulled

pytestmark = pytest.mark.slow

KEY = "sk-very-secret-key"
DECLARED = """\
name: mine
title: My API
base_url: https://api.example.test/base
path: /things/{{id}}
auth: {{env: MY_KEY}}
rate: unlimited
id:
  id: {{}}
fields:
  name: {{}}
  color: {{}}
statuses:
  418: {{action: stop, means: a teapot}}
  404: {{means: no such thing, action: done}}
list:
  path: /things
{more}
"""
CURSOR = "  records: data\n  pagination: {style: cursor, parameter: after, next: next}"
PAGE = "  pagination: {style: page, parameter: page, size_parameter: size, size: 2}"
OFFSET = "  pagination: {style: offset, parameter: skip, size_parameter: take, size: 2}"
NEXT = "  records: data\n  pagination: {style: next, next: next}"
LINK = "  pagination: link"


def things(*ids: object) -> list[dict[str, Any]]:
    return [{"id": each, "name": f"Thing {each}", "color": None} for each in ids]


def answer(content: Any, status: int = 200, **headers: str) -> CallbackResult:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return CallbackResult(
        status=status, body=body, headers={name.replace("_", "-"): text for name, text in headers.items()}
    )


class Api:
    """Answers one request after the other as it is told, and keeps their paths and the times on the clock."""

    def __init__(self, clock: FakeClock, answers: list[CallbackResult | Exception]) -> None:
        self._clock, self._answers = clock, answers
        self.asked: list[str] = []
        self.at: list[float] = []
        self.keys: list[str] = []
        self.bodies: list[Any] = []

    def __call__(self, url: URL, **options: Any) -> CallbackResult:
        self.asked.append(str(url))
        self.at.append(self._clock.monotonic())
        self.keys.append(options["headers"]["Authorization"])
        self.bodies.append(json.loads(options["data"]) if options.get("data") else None)
        given = self._answers[min(len(self.asked), len(self._answers)) - 1]
        if isinstance(given, Exception):
            raise given
        return given


@pytest.fixture(autouse=True)
def _through_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """aioresponses stands in for aiohttp's session."""
    monkeypatch.setattr("batchupdate.api.client._TRIED", "none")


class Puller:
    """Pulls from an API that answers as it is told, in fake time."""

    def __init__(self, clock: FakeClock, folder: Path) -> None:
        self.clock, self.folder = clock, folder
        self.path = folder / "out.csv"
        self.api = Api(clock, [])
        self.progress: list[Progress] = []

    async def __call__(
        self,
        *answers: CallbackResult | Exception,
        more: str = "",
        form: Form = Form.CSV,
        force: bool = False,
        **settings: Any,
    ) -> Pulled:
        declared = self.folder / "mine.yaml"
        declared.write_text(DECLARED.format(more=more), "utf-8")
        self.api = Api(self.clock, list(answers))
        with aioresponses() as mocked:
            mocked.get(re.compile(".*"), callback=self.api, repeat=True)
            mocked.post(re.compile(".*"), callback=self.api, repeat=True)
            return await self.clock.run(
                pull_records(
                    str(declared),
                    Settings.model_validate(settings),
                    self.path,
                    form,
                    force=force,
                    on_progress=self.progress.append,
                    environ={"MY_KEY": KEY},
                    clock=self.clock,
                )
            )

    async def refused(self, *answers: CallbackResult | Exception, **options: Any) -> str:
        """What stops it, and that nothing is left behind."""
        with pytest.raises(SafetyStop) as caught:
            await self(*answers, **options)
        assert [path.name for path in self.folder.iterdir()] == ["mine.yaml"]
        assert KEY not in str(caught.value)
        return caught.value.message

    def rows(self) -> list[dict[str, str]]:
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))

    def ids(self) -> list[str]:
        return [row["id"] for row in self.rows()]


@pytest.fixture
def pull(clock: FakeClock, tmp_path: Path) -> Puller:
    return Puller(clock, tmp_path)


# ---- every style of pages, from the first to the last ----


async def test_a_list_without_pages_is_one_request(pull: Puller) -> None:
    pulled = await pull(answer(things(1, 2)))
    assert pull.api.asked == ["https://api.example.test/base/things"]
    assert (pulled.records, pulled.pages, pulled.requests, pulled.locked) == (2, 1, 1, 0)
    assert pull.api.keys == [f"Bearer {KEY}"]
    assert pull.rows()[0] == {
        "id": "1", "name": "Thing 1", "color": "", "_old.id": "1", "_old.name": "Thing 1", "_old.color": "<null>"
    }  # fmt: skip
    assert [progress.done for progress in pull.progress] == [2]


async def test_a_variable_that_only_a_search_uses_is_not_asked_for(pull: Puller) -> None:
    search = 'variables: {site: {}}\nsearch: {path: "/{site}/find?q={name}"}'
    assert (await pull(answer(things(1)), more=search)).records == 1


async def test_a_cursor(pull: Puller) -> None:
    await pull(
        answer({"data": things(1, 2), "next": "a-b"}), answer({"data": [], "next": 5}), answer({"data": things(3)}),
        more=CURSOR,
    )  # fmt: skip
    assert [asked.partition("/things")[2] for asked in pull.api.asked] == ["", "?after=a-b", "?after=5"]
    assert pull.ids() == ["1", "2", "3"]


async def test_counted_pages(pull: Puller) -> None:
    await pull(answer(things(1, 2)), answer(things(3)), more=PAGE)
    assert [asked.partition("?")[2] for asked in pull.api.asked] == ["page=1&size=2", "page=2&size=2"]
    assert pull.ids() == ["1", "2", "3"]


@pytest.mark.parametrize("style", [PAGE, OFFSET])
async def test_counted_pages_may_end_in_404(pull: Puller, style: str) -> None:
    pulled = await pull(answer(things(1, 2)), answer({"detail": "Invalid page."}, 404), more=style)
    assert (pulled.records, pulled.requests) == (2, 2)


async def test_an_offset(pull: Puller) -> None:
    await pull(answer(things(1, 2)), answer(things(3, 4)), answer([]), more=OFFSET)
    assert [asked.partition("?")[2] for asked in pull.api.asked] == [f"skip={skip}&take=2" for skip in (0, 2, 4)]
    assert pull.ids() == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    ("page", "headers", "more"),
    [
        (things(1, 2), {"X_Total_Count": "5"}, ""),
        (things(1, 2), {"X_Total_Count": "5"}, LINK),
        (things(1, 2), {"Content_Range": "items 0-1/5"}, ""),
        ({"data": things(1, 2), "total": 5}, {}, NEXT),
        ({"data": things(1, 2), "count": 5}, {}, CURSOR),
        ({"data": things(1, 2), "meta": {"total_count": "5"}}, {}, CURSOR),
        ({"data": things(1, 2), "total": 2, "all": 5}, {}, "  records: data\n  total: all"),
    ],
)
async def test_a_list_that_ends_before_its_total_is_an_error(
    pull: Puller, page: Any, headers: dict[str, str], more: str
) -> None:
    told = await pull.refused(answer(page, **headers), more=more)
    assert "the list ends after 2 records, but the API reports 5" in told
    assert not pull.path.exists()


@pytest.mark.parametrize(
    ("answers", "more"),
    [
        ([answer(things(1, 2), X_Total_Count="2")], ""),
        ([answer({"data": things(1, 2), "count": 2, "next": "a"}), answer({"data": things(3), "count": 1})], CURSOR),
        ([answer({"data": things(1, 2), "total": 3, "next": "a"}), answer({"data": things(3), "total": 3})], CURSOR),
        ([answer({"data": things(1, 2, 3), "total": 9})], "  records: data\n  total: '`null`'"),
        ([answer({"data": things(1, 2, 3), "total": True, "count": -1})], "  records: data"),
        ([answer(things(1, 2), X_Total="9"), answer(things(3), X_Total="3"), answer({}, 404)], PAGE),
    ],
)
async def test_a_list_that_reaches_its_total_is_whole(pull: Puller, answers: list[CallbackResult], more: str) -> None:
    assert (await pull(*answers, more=more)).records in {2, 3}


async def test_records_skipped_by_the_first_offset_count_as_read(pull: Puller) -> None:
    more = "  pagination: {style: offset, parameter: skip, first: 3}"
    assert (await pull(answer(things(4, 5), X_Total="5"), answer([], X_Total="5"), more=more)).records == 2


async def test_only_so_many_records_need_no_total(pull: Puller) -> None:
    assert (await pull(answer(things(1, 2), X_Total_Count="5"), limit=2)).records == 2


async def test_the_next_urls_of_replies(pull: Puller) -> None:
    await pull(
        answer({"data": things(1), "next": "https://api.example.test/base/things?p=2"}),
        answer({"data": things(2), "next": "/elsewhere?p=3"}),
        answer({"data": things(3), "next": None}),
        more=NEXT,
    )
    assert pull.api.asked[1:] == ["https://api.example.test/base/things?p=2", "https://api.example.test/elsewhere?p=3"]
    assert pull.ids() == ["1", "2", "3"]


async def test_links(pull: Puller) -> None:
    await pull(answer(things(1), Link='</p1>; rel=prev, <?p=2>; rel="next"'), answer(things(2)), more=LINK)
    assert pull.api.asked == ["https://api.example.test/base/things", "https://api.example.test/base/things?p=2"]


# ---- lists that go wrong ----


async def test_a_next_url_at_another_host_is_not_asked_for(pull: Puller) -> None:
    told = await pull.refused(answer({"data": things(1), "next": "https://evil.example/x"}), more=NEXT)
    assert "Page 1 of the list is not as the target declares: the next page is at" in told
    assert len(pull.api.asked) == 1


async def test_a_redirect_is_not_followed(pull: Puller) -> None:
    told = await pull.refused(answer(b"", 302, Location="https://evil.example/x"))
    assert "302 the API redirects to https://evil.example/x, but redirects are not followed" in told
    assert len(pull.api.asked) == 1


async def test_pages_in_a_circle_are_told(pull: Puller) -> None:
    told = await pull.refused(
        answer({"data": things(1), "next": "a"}), answer({"data": things(2), "next": "a"}), more=CURSOR
    )
    assert "Page 2 of the list is not as the target declares: page 3 would be one that was already read" in told


async def test_an_api_that_ignores_the_page_is_told(pull: Puller) -> None:
    told = await pull.refused(answer(things(1, 2)), answer(things(1, 2)), more=PAGE)
    assert "Page 2 of the list is not as the target declares: it has the same records as an earlier page" in told


async def test_too_many_pages_are_told(pull: Puller) -> None:
    answers = [answer(things(number, -number)) for number in range(1, 9)]
    told = await pull.refused(*answers, more=f"{PAGE}\n  max_pages: 5")
    assert "more than 5 pages" in told
    assert len(pull.api.asked) == 5


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"data": []}', "the reply should be the list of records"),
        (b"[1]", "entry 1 of the list should be a record"),
        (b'[{"name": "x"}]', "a record has no id"),
        (b'[{"id": "a\\u0000"}]', "no cell can contain the id"),
        (b'[{"id": "\\ud800"}]', "no cell can contain the id"),
    ],
)
async def test_a_body_that_is_no_list_of_records_is_told(pull: Puller, body: bytes, said: str) -> None:
    assert said in await pull.refused(answer(body))
    assert len(pull.api.asked) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty, or did not arrive in time (--timeout)"),
        (b"\xef\xbb\xbf \n<html>", "is a web page, not JSON; check list.path and the base URL"),
        (b"\x1f\x8b\x08", "is compressed (gzip), although that was not requested"),
        (b'[{"id": 1}', "is not JSON, or is incomplete"),
        (b"[NaN]", "is not JSON, or is incomplete"),
        (b"\xff", "is not JSON, or is incomplete"),
        (b"[" * 100_000, "is not JSON, or is incomplete"),
    ],
)
async def test_a_body_that_is_no_json_is_asked_for_again_and_then_told(pull: Puller, body: bytes, said: str) -> None:
    told = await pull.refused(answer(body), max_attempts=3)
    assert told == f"Page 1 of the list can't be read: the reply {said} (after 3 attempts)."
    assert len(pull.api.asked) == 3


async def test_a_dead_address_is_named_at_the_first_attempt_and_the_patience_is_kept(pull: Puller) -> None:
    began = pull.clock.time
    told = await pull.refused(aiohttp.ConnectionTimeoutError(), max_attempts=100, give_up_after=20)
    sentence = "No connection to api.example.test:443: timed out; trying again, for up to 20 s (--give-up-after)."
    assert {progress.trouble for progress in pull.progress} == {sentence}
    assert "the API has accepted no request for 20 s: no connection to api.example.test:443" in told
    assert 20 <= pull.clock.time - began < 21


async def test_a_page_beyond_all_bounds_is_told(pull: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_client, "MAX_PAGE", 1 << 10)
    told = await pull.refused(answer(b"[" + b" " * (1 << 10)))
    assert told.startswith("Page 1 of the list has more than")


async def test_what_was_pulled_before_a_failure_leaves_nothing_behind_and_the_old_file_stands(pull: Puller) -> None:
    pull.path.write_text("precious")
    with pytest.raises(SafetyStop):
        await pull(answer({"data": things(1), "next": "a"}), answer(b"", 403), more=CURSOR, force=True)
    assert pull.path.read_text() == "precious"
    assert sorted(path.name for path in pull.folder.iterdir()) == ["mine.yaml", "out.csv"]


# ---- replies as a row's are judged ----


async def test_a_429_waits_as_long_as_it_says_and_costs_no_attempt(pull: Puller) -> None:
    throttled = [answer({}, 429, Retry_After="7")] * 8
    await pull(*throttled, answer(things(1)), max_attempts=2, give_up_after=500)
    gaps = [later - at for at, later in zip(pull.api.at, pull.api.at[1:], strict=False)]
    assert len(gaps) == 8
    assert all(gap >= 7 for gap in gaps)
    assert pull.ids() == ["1"]


async def test_an_api_that_throttles_for_ever_is_given_up(pull: Puller) -> None:
    told = await pull.refused(answer({}, 429, Retry_After="20"), give_up_after=60)
    assert re.fullmatch(r"Page 1 of the list can't be read: the API has accepted no request for 6\d s: 429 .*", told)


async def test_a_wait_beyond_patience_is_not_waited_for(pull: Puller) -> None:
    told = await pull.refused(answer({}, 429, Retry_After="86400"), give_up_after=60)
    assert re.search(r"the API asks to wait 86400 s, until .* UTC, longer than --give-up-after allows \(60 s\)", told)
    assert len(pull.api.asked) == 1


@pytest.mark.parametrize("status", [500, 502, 504, 408])
async def test_an_error_of_the_server_is_repeated_though_the_target_is_not_repeatable(
    pull: Puller, status: int
) -> None:
    await pull(answer(b"", status), answer(b"", status), answer(things(1)))
    assert (len(pull.api.asked), pull.ids()) == (3, ["1"])


@pytest.mark.parametrize(
    "error", [aiohttp.ServerDisconnectedError(), TimeoutError(), aiohttp.ClientPayloadError(), ConnectionResetError()]
)
async def test_a_lost_answer_is_asked_for_again(pull: Puller, error: Exception) -> None:
    await pull(error, answer(things(1)))
    assert (len(pull.api.asked), pull.ids()) == (2, ["1"])


async def test_an_api_that_keeps_failing_is_told(pull: Puller) -> None:
    told = await pull.refused(answer({"message": "oops"}, 500), max_attempts=3)
    assert told == "Page 1 of the list can't be read: 500 Internal Server Error: oops (after 3 attempts)."


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "401 the API rejected the key"),
        (403, "403 the key has no permission to list the records"),
        (404, "404 there is no list at this address; check list.path and the base URL"),
        (418, "418 a teapot"),
        (400, "400 Bad Request"),
    ],
)
async def test_an_answer_that_refuses_is_told_at_once(pull: Puller, status: int, said: str) -> None:
    told = await pull.refused(answer({"error": f"no {KEY}"}, status))
    assert told.startswith(f"Page 1 of the list can't be read: {said}")
    assert len(pull.api.asked) == 1


async def test_the_rate_is_kept(pull: Puller) -> None:
    await pull(*[answer(things(number, -number)) for number in range(5)], answer([]), more=PAGE, rate="2/s")
    assert [later - at for at, later in zip(pull.api.at, pull.api.at[1:], strict=False)] == pytest.approx([0.5] * 5)


async def test_what_replies_say_of_a_limit_is_heeded_by_auto(pull: Puller) -> None:
    told = {"RateLimit_Limit": "10", "RateLimit_Remaining": "0", "RateLimit_Reset": "30"}
    await pull(answer(things(1, 2), **told), answer(things(3)), more=PAGE, rate="auto")
    assert pull.api.at[1] - pull.api.at[0] >= 29


async def test_a_cancelled_pull_leaves_nothing_behind(pull: Puller) -> None:
    task = asyncio.ensure_future(pull(answer({}, 429, Retry_After="60")))
    pull.api = Api(pull.clock, [])
    for _ in range(50):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    for _ in range(50):
        await asyncio.sleep(0)


# ---- the file ----


async def test_only_so_many_records_are_pulled_and_no_page_more(pull: Puller) -> None:
    pulled = await pull(answer(things(1, 2)), answer(things(3, 4)), answer(things(5, 6)), more=PAGE, limit=3)
    assert (pulled.records, pull.ids(), len(pull.api.asked)) == (3, ["1", "2", "3"], 2)
    pull.path.unlink()
    await pull(answer(things(1, 2)), answer(things(3, 4)), more=PAGE, limit=2)
    assert (pull.ids(), len(pull.api.asked)) == (["1", "2"], 1)


async def test_an_empty_list_gives_headings_alone(pull: Puller) -> None:
    pulled = await pull(answer([]))
    assert (pulled.records, pulled.notices) == (0, [])
    assert pull.path.read_text("utf-8-sig").strip() == "id,name,color,_old.id,_old.name,_old.color"


async def test_a_file_that_is_there_is_not_replaced_and_nothing_is_asked(pull: Puller) -> None:
    pull.path.write_text("precious")
    with pytest.raises(UsageError, match=r"out\.csv already exists\. Replace it with --force"):
        await pull(answer(things(1)))
    assert pull.api.asked == []
    await pull(answer(things(1)), force=True)
    assert pull.ids() == ["1"]


async def test_a_file_that_came_meanwhile_is_not_replaced_either(pull: Puller) -> None:
    pull.progress = type("Writes", (list,), {"append": lambda _, __: pull.path.write_text("precious")})()
    with pytest.raises(UsageError, match="already exists"):
        await pull(answer(things(1)))
    assert pull.path.read_text() == "precious"
    assert sorted(path.name for path in pull.folder.iterdir()) == ["mine.yaml", "out.csv"]


@pytest.mark.parametrize("form", list(Form))
async def test_the_file_is_for_its_owner_alone(pull: Puller, form: Form) -> None:
    await pull(answer(things(1)), form=form)
    assert pull.path.stat().st_mode & 0o777 == 0o600


async def test_a_folder_that_is_not_there_is_told(pull: Puller) -> None:
    pull.path = pull.folder / "no" / "out.csv"
    with pytest.raises(UsageError, match=r"There is no folder .*no\. Create it"):
        await pull(answer(things(1)))
    pull.path = pull.folder
    with pytest.raises(UsageError, match="is a folder"):
        await pull(answer(things(1)))


@pytest.mark.parametrize("form", list(Form))
async def test_a_disk_that_gets_full_is_told(pull: Puller, form: Form, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("batchupdate.roundtrip.pull.cell_writer.CellWriter.row", full)
    with pytest.raises(InputError, match=r"can't be written: No space left on device\."):
        await pull(answer(things(1)), form=form)
    assert [path.name for path in pull.folder.iterdir()] == ["mine.yaml"]


async def test_a_workbook_that_is_full_is_told(pull: Puller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_sheet, "MOST_ROWS", 3)
    with pytest.raises(InputError, match=r"A sheet can't hold more than 2 records\. Use --format csv or --limit\."):
        await pull(answer(things(1, 2, 3)), form=Form.XLSX)
    assert [path.name for path in pull.folder.iterdir()] == ["mine.yaml"]
    await pull(answer(things(1, 2)), form=Form.XLSX)


async def test_locked_records_are_counted_and_say_why(pull: Puller) -> None:
    more = "  fixed: [{when: system, because: the system's own}]"
    pulled = await pull(answer([{"id": 1, "name": "a", "system": True}, {"id": 2, "name": "b"}]), more=more)
    assert pulled.locked == 1
    assert [row["_locked"] for row in pull.rows()] == ["the system's own", ""]


async def test_a_field_that_no_record_has_is_told(pull: Puller) -> None:
    pulled = await pull(answer([{"id": 1, "name": "a"}]))
    assert pulled.notices == [
        "No record contains color. Declare where it is under list.fields, or add it to list.absent."
    ]
    pull.path.unlink()
    assert (await pull(answer([{"id": 1, "name": "a"}]), more="  absent: [color]")).notices == []
    assert list(pull.rows()[0]) == ["id", "name", "color", "_old.id", "_old.name"]


async def test_values_that_no_cell_can_hold_are_told_and_left_blank(pull: Puller) -> None:
    pulled = await pull(answer([{"id": 1, "name": "a\0b", "color": "<null>"}]))
    (told,) = pulled.notices
    assert told.startswith("2 values can't be written into a cell, such as name of 1. Such a cell is blank")
    assert pull.rows()[0] == {"id": "1", "name": "", "color": "", "_old.id": "1", "_old.name": "", "_old.color": ""}


async def test_a_key_that_the_api_echoes_is_in_no_file(pull: Puller) -> None:
    await pull(answer([{"id": 1, "name": f"my {KEY}", "color": "x"}]))
    assert pull.rows()[0]["name"] == "my [redacted]"


def test_a_target_without_a_list_says_the_way_out() -> None:
    with pytest.raises(ConfigError, match=r"does not declare how its records are listed.*batchupdate template nairi"):
        listing_of(find_target("nairi-llm-integration"), "nairi-llm-integration")


async def test_a_record_that_comes_a_second_time_is_told_for_others_may_be_missing(pull: Puller) -> None:
    pulled = await pull(answer(things(1, 2)), answer(things(2, 3)), answer(things(4)), more=OFFSET)
    assert [row["id"] for row in pull.rows()] == ["1", "2", "2", "3", "4"]
    (notice,) = pulled.notices
    assert notice.startswith("1 record came twice, such as 2, and others may be missing")
    pulled = await pull(answer(things(7, 7, 7)), force=True)
    assert pulled.notices[0].startswith("2 records came twice, such as 7")
    assert (await pull(answer(things(8, 9)), force=True)).notices == []


NOTION = """\
  method: POST
  body: {filter: {archived: false}}
  records: results
  pagination: {style: cursor, in: body, parameter: start_cursor, next: next_cursor, more: has_more}"""


async def test_a_list_that_is_asked_for_by_post_has_its_cursor_in_the_body(pull: Puller) -> None:
    first = {"results": things(1, 2), "has_more": True, "next_cursor": "c-2"}
    await pull(answer(first), answer({"results": things(3), "has_more": False}), more=NOTION)
    assert [row["id"] for row in pull.rows()] == ["1", "2", "3"]
    assert pull.api.asked == ["https://api.example.test/base/things"] * 2
    assert pull.api.bodies == [
        {"filter": {"archived": False}},
        {"filter": {"archived": False}, "start_cursor": "c-2"},
    ]


async def test_counted_pages_go_into_the_body_as_numbers(pull: Puller) -> None:
    more = "  method: POST\n  pagination: {style: page, in: body, parameter: page, size_parameter: size, size: 2}"
    await pull(answer(things(1, 2)), answer(things(3)), more=more)
    assert pull.api.bodies == [{"page": 1, "size": 2}, {"page": 2, "size": 2}]


async def test_a_post_that_repeats_its_body_is_a_loop(pull: Puller) -> None:
    pages = [answer({"results": things(n), "has_more": True, "next_cursor": "same"}) for n in (1, 2)]
    assert "the pages form a loop" in await pull.refused(*pages, more=NOTION)


async def test_the_next_page_can_stand_in_a_header(pull: Puller) -> None:
    further = answer(things(1), Next_Page="https://api.example.test/base/things?_token=x")
    await pull(further, answer(things(2)), more="  pagination: {style: next, header: Next-Page}")
    assert [row["id"] for row in pull.rows()] == ["1", "2"]
    assert pull.api.asked[1] == "https://api.example.test/base/things?_token=x"
    elsewhere = answer(things(1), Next_Page="https://evil.example/things")
    pull.path.unlink()
    refused = await pull.refused(elsewhere, more="  pagination: {style: next, header: Next-Page}")
    assert "the key is sent only to https://api.example.test" in refused
