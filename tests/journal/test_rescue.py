from __future__ import annotations

import json
import shutil
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from fakes import claim
from hypothesis import given, settings
from hypothesis import strategies as st

from batchupdate.errors import ConfigError
from batchupdate.journal import Journal, Session
from batchupdate.journal.entries import DAMAGED_UNSENT
from batchupdate.journal.rescue import rescue
from batchupdate.model import Line, Outcome, Result, RowRef, Traffic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

PAGE = 4096
AT = datetime(2026, 11, 21, 18, 45, 0, 123000, tzinfo=UTC).timestamp()
META = {
    "target": {"name": "langdock-integration", "note": "x" * 9000},
    "input": {"path": "/data/renames.csv", "sha256": "ab" * 32},
    "columns": ["Id", "New name"],
    "width": 2,
    "rate_per_s": 5.0,
}


def result_of(number: int) -> tuple[Result, bool]:
    """Some of everything that can become of a row that was sent."""
    if number % 50 == 0:
        return Result(number, Outcome.FAILED, 500, 3, "e" * 6000, "", "", AT, 9.0), True
    if number % 11 == 0:
        return Result(number, Outcome.FAILED, 404, 1, f"404 there is no id-{number}", "r", "", AT, 9.0), True
    if number % 13 == 0:
        return Result(number, Outcome.FAILED, 503, 2, "503 try again later", "", "", AT, 9.5), False
    if number % 17 == 0:
        return Result(number, Outcome.ACCEPTED, 202, 1, "", "r-1", "/jobs/1", AT, 12.0, f'{{"at":"{number}"}}'), True
    return Result(number, Outcome.UPDATED, 200, 1, "", f"request-{number}", "", AT, 12.25), True


def make(
    path: Path, rows: int, sent: int, in_flight: int = 0, exit_code: int | None = 3, folder: Path | None = None
) -> None:
    """A journal of so many rows: a few invalid or carried by others, some sent, some in flight, the others not sent.

    If a folder is named, it gets the files as a kill would leave them.
    """
    with Journal.create(path) as journal:
        numbers = range(2, rows + 2)
        invalid = {number for number in numbers if number % 19 == 0}
        journal.add_rows(
            [
                (n, [f"id-{n}", "ü" * (n % 7)], f"id-{n}", None if n in invalid else f"/{n}", {"name": "x" * 40})
                if n % 97
                else (n, ["long", "y" * 12_000], f"id-{n}", f"/{n}", {"name": "z" * 5000})
                for n in numbers
            ],
            [Result(number, Outcome.INVALID, error="column 'Id': no such id") for number in sorted(invalid)],
        )
        for number in (5, 23):
            if number + 2 <= rows:
                journal.carry([number], number + 1, {"name": "joined"})
        journal.seal({**META, "rows": rows})
        session = journal.begin_session(AT, repeatable=True)
        after, left = 0, sent
        while left > 0 and (requests := claim(journal, after, min(20, left))):
            after, left = requests[-1].row, left - len(requests)
            order = sorted(requests, key=lambda request: request.row * 7 % 20)  # answers come as they like
            journal.commit([], [result_of(request.row) for request in order])
        claim(journal, after, in_flight)
        if exit_code is not None:
            state = Session.at(session, AT + 60, Traffic(sent, 2, 1, 0.5, 19.5))
            journal.end_session(state, exit_code)
        if folder is not None:
            folder.mkdir(exist_ok=True)
            for part in path.parent.glob(path.name + "*"):
                shutil.copy(part, folder)


def lines_of(path: Path) -> dict[int, Line]:
    with Journal.open(path) as journal:
        return {line.number: line for line in journal.lines()}


def recovered(path: Path) -> tuple[dict[int, Line], list[str]]:
    with rescue(path) as found:
        lines = list(found.journal.lines())
        counts = found.journal.counts()
        assert sum(counts.values()) == len(lines)
        assert [line.number for line in lines] == sorted({line.number for line in lines})
        for outcome in Outcome:
            assert counts[outcome] == sum(line.outcome == outcome for line in lines)
        return {line.number: line for line in lines}, found.losses


class Sample:
    """The bytes of a journal and its -wal, and what they say; no dataclass, for hypothesis would print it whole."""

    def __init__(self, data: bytes, ahead: bytes, lines: dict[int, Line]) -> None:
        self.data, self.ahead, self.lines = data, ahead, lines

    def lay(self, folder: Path, data: bytes | None = None, ahead: bytes | None = None) -> Path:
        path = folder / "journal.sqlite3"
        path.write_bytes(self.data if data is None else data)
        ahead = self.ahead if ahead is None else ahead
        path.with_name(path.name + "-wal").unlink(missing_ok=True)
        if ahead:
            path.with_name(path.name + "-wal").write_bytes(ahead)
        return path


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A run that stopped itself after 200 of 300 rows."""
    path = tmp_path_factory.mktemp("ended") / "journal.sqlite3"
    make(path, 300, 200)
    return Sample(path.read_bytes(), b"", lines_of(path))


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """A run that was killed after 200 of 300 rows, with 16 more in flight: all results are in the -wal file."""
    folder = tmp_path_factory.mktemp("killed")
    make(folder / "journal.sqlite3", 300, 200, 16, None, folder / "copy")
    path = folder / "copy" / "journal.sqlite3"
    data, ahead = path.read_bytes(), path.with_name(path.name + "-wal").read_bytes()
    assert len(ahead) > 12 * PAGE
    return Sample(data, ahead, lines_of(path))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("place")


def assert_honest(original: dict[int, Line], told: dict[int, Line]) -> None:
    """No row is told to have ended otherwise than it did, unless as unknown, or as failed where it was never sent."""
    for number, line in told.items():
        if number in original and line.outcome != original[number].outcome:
            unsent = original[number].outcome in {"not_attempted", "invalid"} and not original[number].attempts
            assert line.outcome == "unknown" or (unsent and line.error == DAMAGED_UNSENT), (line, original[number])
            assert line.error


# What is not damaged.


def test_a_journal_without_damage_says_the_same_as_ever(ended: Sample, place: Path) -> None:
    told, losses = recovered(ended.lay(place))
    assert told == ended.lines
    assert losses == []


def test_everything_about_the_run_comes_along(ended: Sample, place: Path) -> None:
    path = ended.lay(place)
    with Journal.open(path) as journal, rescue(path) as found:
        assert found.meta == journal.meta()
        assert found.journal.sessions() == journal.sessions()
        assert found.journal.error_groups() == journal.error_groups()
        assert (found.rows, found.width) == (300, 2)


def test_a_killed_run_keeps_all_its_results_and_what_may_have_been_sent_since_is_unknown(
    killed: Sample, place: Path
) -> None:
    told, losses = recovered(killed.lay(place))
    assert_honest(killed.lines, told)
    final = {"updated", "accepted", "failed", "invalid"}
    finished = {n for n, line in killed.lines.items() if line.outcome in final and line.http_status != 503}
    assert {number: told[number] for number in finished} == {number: killed.lines[number] for number in finished}
    assert {told[number].outcome for number in told.keys() - finished} == {"unknown"}
    assert any("has no end" in loss for loss in losses)


def test_nothing_is_ever_written_to_the_damaged_journal(killed: Sample, tmp_path: Path) -> None:
    data = killed.data[: 5 * PAGE] + bytes(PAGE) + killed.data[6 * PAGE :]
    path = killed.lay(tmp_path, data)
    recovered(path)
    assert path.read_bytes() == data
    assert path.with_name(path.name + "-wal").read_bytes() == killed.ahead
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.sqlite3", "journal.sqlite3-wal"]


def test_rows_given_to_a_retry_and_rows_not_answered_yet_are_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with Journal.create(path) as journal:
        journal.add_copies([(row, '["x"]', "a", f"/{row}", "{}", None, None, None, row % 2) for row in range(2, 12)])
        journal.seal({**META, "rows": 10})
        session = journal.begin_session(AT, repeatable=True)
        claim(journal, 0, 6, [])
        journal.release([4, 5, 6])
        journal.commit([], [result_of(2), result_of(3)])
        journal.give_away([8, 9], "20261121-184500-x-abcd")
        journal.end_session(Session(session, AT + 60), 3)
    told, losses = recovered(path)
    assert losses == []
    assert told == lines_of(path)
    assert {line.outcome for line in told.values()} == {"updated", "unknown", "not_attempted"}


def test_a_killed_run_whose_map_vouches_for_the_journal_is_reported_as_the_next_process_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchupdate.journal.in_flight.boot_id", lambda: "one start")
    (tmp_path / "run").mkdir()
    with Journal.create(tmp_path / "run" / "journal.sqlite3") as journal:
        journal.add_rows([(row, ["x"], "a", f"/{row}", {}) for row in range(2, 12)], [])
        journal.seal({**META, "rows": 10})
        journal.begin_session(AT, repeatable=True)
        claim(journal, 0, 6)
        for row in (2, 3, 4):
            journal.in_flight.leaves(row, 0)
        journal.in_flight.keep(result_of(2)[0], final=True)
        killed = shutil.copytree(tmp_path / "run", tmp_path / "killed") / "journal.sqlite3"
    told, losses = recovered(killed)
    assert losses == []
    assert [line.outcome for line in told.values()] == ["updated", "unknown", "unknown", *["not_attempted"] * 7]
    with Journal.take_over(killed) as journal:
        assert told == {line.number: line for line in journal.lines()}


# Damage of every kind. The journal is either read as it was, or the row is unknown.


@pytest.mark.slow
@pytest.mark.parametrize("which", ["ended", "killed"])
def test_whichever_page_is_lost_no_row_gets_another_outcome_and_none_is_left_out(
    which: str, request: pytest.FixtureRequest, place: Path
) -> None:
    sample: Sample = request.getfixturevalue(which)
    pages, much = range(1, len(sample.data) // PAGE), 0
    for page in pages:
        data = sample.data[: page * PAGE] + bytes(PAGE) + sample.data[(page + 1) * PAGE :]
        told, _ = recovered(sample.lay(place, data))
        assert_honest(sample.lines, told)
        assert told.keys() >= sample.lines.keys() - {301}, page  # the last one's number can't be known if it is lost
        known = sum(told[number].outcome == line.outcome for number, line in sample.lines.items() if number in told)
        much += known > 150
    # A page of the schema, or one that leads to the others of the results, takes all results with it.
    assert much >= len(pages) - 8


@pytest.mark.slow
@pytest.mark.parametrize("which", ["ended", "killed"])
def test_a_journal_that_was_cut_off_anywhere_stays_honest(
    which: str, request: pytest.FixtureRequest, place: Path
) -> None:
    sample: Sample = request.getfixturevalue(which)
    readable = 0
    for size in range(0, len(sample.data), PAGE * 3 // 2):  # at the end of a page, then inside one
        path = sample.lay(place, sample.data[:size])
        with suppress(ConfigError):
            told, losses = recovered(path)
            readable += 1
            assert_honest(sample.lines, told)
            assert losses
    assert readable > 3


def test_without_its_first_page_nothing_is_read_and_one_sentence_says_so(ended: Sample, place: Path) -> None:
    with pytest.raises(ConfigError, match="Nothing can be read in the journal"):
        rescue(ended.lay(place, bytes(PAGE) + ended.data[PAGE:]))
    assert [path.name for path in place.iterdir()] == ["journal.sqlite3"]


@pytest.mark.slow
def test_a_wal_file_that_was_cut_off_anywhere_stays_honest(killed: Sample, place: Path) -> None:
    known = []
    for size in [*range(0, len(killed.ahead), PAGE * 3 // 2), 1, 14, 31, 33, 55, 57]:
        told, _ = recovered(killed.lay(place, ahead=killed.ahead[:size]))
        assert_honest(killed.lines, told)
        assert "not_attempted" not in {line.outcome for line in told.values()}
        known.append((size, sum(told[n].outcome != "unknown" for n in killed.lines)))
    counts = [count for _, count in sorted(known)]
    assert counts == sorted(counts), "the more there is, the more is known"
    assert counts[-1] > 150


@pytest.mark.parametrize("damage", [(0, bytes(32)), (32 + 9 * (PAGE + 24) + 2000, b"damage")])
def test_a_wal_file_that_is_damaged_anywhere_stays_honest(
    killed: Sample, place: Path, damage: tuple[int, bytes]
) -> None:
    at, noise = damage
    broken = killed.ahead[:at] + noise + killed.ahead[at + len(noise) :]
    told, losses = recovered(killed.lay(place, ahead=broken))
    assert_honest(killed.lines, told)
    assert "not_attempted" not in {line.outcome for line in told.values()}
    assert any("journal.sqlite3-wal may have been cut off" in loss for loss in losses)


def test_a_resumed_run_whose_wal_file_is_gone_believes_no_earlier_entry_that_could_have_changed(
    tmp_path: Path,
) -> None:
    path, copy = tmp_path / "journal.sqlite3", tmp_path / "copy"
    make(path, 60, 40)
    with Journal.open(path) as journal:
        journal.begin_session(AT + 99, repeatable=True)
        requests = claim(journal, 0, 99)
        journal.commit([], [(Result(r.row, Outcome.UPDATED, 200, 1, "", "", "", AT, 1.0), True) for r in requests])
        copy.mkdir()
        for part in tmp_path.glob("journal*"):
            shutil.copy(part, copy)
    original = lines_of(path)
    (copy / "journal.sqlite3-wal").unlink()
    told, losses = recovered(copy / "journal.sqlite3")  # the -shm file tells that there was a -wal
    assert_honest(original, told)
    assert any("journal.sqlite3-wal" in loss for loss in losses)
    (copy / "journal.sqlite3-shm").unlink()
    with rescue(copy / "journal.sqlite3", sessions_begun=2) as found:  # as the run's log tells
        assert_honest(original, {line.number: line for line in found.journal.lines()})


# Random damage.

offsets = st.floats(0, 1, exclude_max=True)


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """One kind of damage, at some place."""
    kind = draw(st.sampled_from(["flip", "burst", "noise page", "other page", "zeros", "cut", "swap"]))
    here, there = draw(offsets), draw(offsets)
    noise = draw(st.binary(min_size=64, max_size=64))
    value = draw(st.integers(1, 255))

    def damage(data: bytes) -> bytes:
        if not data:
            return data
        changed = bytearray(data)
        at = int(here * len(data))
        page, other = (int(where * (len(data) // PAGE or 1)) * PAGE for where in (here, there))
        if kind == "flip":
            changed[at] ^= value
        elif kind == "burst":
            changed[at : at + len(noise)] = noise[: len(data) - at]
        elif kind == "noise page":
            changed[page : page + PAGE] = (noise * (PAGE // len(noise)))[: len(data) - page]
        elif kind == "other page":
            changed[page : page + PAGE] = data[other : other + PAGE]
        elif kind == "zeros":
            changed[page : page + PAGE] = bytes(len(changed[page : page + PAGE]))
        elif kind == "cut":
            del changed[at:]
        else:
            changed[page : page + PAGE], changed[other : other + PAGE] = (
                data[other : other + PAGE],
                data[page : page + PAGE],
            )
        return bytes(changed)

    return damage


def applied(damages: Iterable[Callable[[bytes], bytes]], data: bytes) -> bytes:
    for damage in damages:
        data = damage(data)
    return data


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(of_data=st.lists(damages(), max_size=4), of_ahead=st.lists(damages(), max_size=2), run=st.booleans())
def test_after_any_damage_every_row_is_as_it_was_or_unknown(
    ended: Sample,
    killed: Sample,
    place: Path,
    of_data: list[Callable[[bytes], bytes]],
    of_ahead: list[Callable[[bytes], bytes]],
    run: bool,
) -> None:
    sample = killed if run else ended
    path = sample.lay(place, applied(of_data, sample.data), applied(of_ahead, sample.ahead))
    with suppress(ConfigError):  # nothing at all is left
        told, _ = recovered(path)
        assert_honest(sample.lines, told)


def test_a_page_in_the_place_of_another_one_keeps_nobody_going_round_in_circles(ended: Sample, place: Path) -> None:
    for page in range(3 * PAGE, len(ended.data), PAGE):  # one of them is the root of a table
        data = bytearray(ended.data)
        data[page : page + PAGE] = ended.data[2 * PAGE : 3 * PAGE]
        with suppress(ConfigError):
            told, _ = recovered(ended.lay(place, bytes(data)))
            assert_honest(ended.lines, told)


@pytest.mark.parametrize("data", [b"", b"x", b"SQLite format 3\0", bytes(PAGE * 3), b"no journal at all " * 999])
def test_what_holds_nothing_of_a_journal_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="Nothing can be read in the journal"):
        rescue(path)


def test_a_journal_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"can't be read: No such file"):
        rescue(tmp_path / "journal.sqlite3")


def test_a_garbled_key_does_not_look_like_millions_of_files(ended: Sample, tmp_path: Path) -> None:
    path = ended.lay(tmp_path)
    with Journal.open(path) as journal:
        far = (RowRef(1 << 30, 5).key,)
        journal._connection.execute("UPDATE row SET key = ? WHERE key = (SELECT max(key) FROM row)", far)
        journal._connection.execute("UPDATE result SET key = ? WHERE key = (SELECT max(key) FROM result)", far)
        journal._connection.execute("DELETE FROM meta WHERE name = 'input'")
        journal._connection.execute("UPDATE meta SET value = 'no JSON' WHERE name = 'width'")
    told, losses = recovered(path)
    assert losses
    assert_honest(ended.lines, {number: line for number, line in told.items() if number <= 301})


def test_the_facts_of_a_run_survive_in_part(ended: Sample, place: Path) -> None:
    told, losses = recovered(ended.lay(place, ended.data[:PAGE] + bytes(PAGE) + ended.data[2 * PAGE :]))
    assert_honest(ended.lines, told)
    assert "How many rows the run has can't be read." in losses
    assert any("headings" in loss for loss in losses)


def test_cells_are_json_whatever_the_damage(ended: Sample, place: Path) -> None:
    told, losses = recovered(ended.lay(place, ended.data.replace(b'["id-9', b'["id-\xff')))
    assert_honest(ended.lines, told)
    assert all(isinstance(json.loads(line.cells), list) for line in told.values())
    assert told[9].cells == "[]"
    assert any("they are listed by their numbers" in loss for loss in losses), losses


# Several files: a row's number tells its file too.

ROWS = (100, 196, 4)
FILES = [
    {"name": f"{name}.csv", "path": f"/data/{name}.csv", "sha256": "0", "rows": rows}
    for name, rows in zip("abc", ROWS, strict=True)
]
PLACE = """
    CASE WHEN key < 102 THEN key WHEN key < 298 THEN (1 << 32) | (key - 100) ELSE (2 << 32) | (key - 296) END
"""


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """The run of 300 rows that stopped itself, as one of three files."""
    path = tmp_path_factory.mktemp("several") / "journal.sqlite3"
    make(path, 300, 200)
    with Journal.open(path) as journal:
        for table in ("row", "started", "result"):
            journal._connection.execute(f"UPDATE {table} SET key = {PLACE}")  # noqa: S608 - our own words
        for table in ("row", "result"):
            journal._connection.execute(f"UPDATE {table} SET checksum = NULL")  # noqa: S608 - our own words
        journal.set_meta({"input": {"path": "a, b, c", "sha256": "", "files": FILES}})
    return Sample(path.read_bytes(), b"", lines_of(path))


def test_a_run_of_several_files_is_told_the_same_with_its_places(several: Sample, place: Path) -> None:
    told, losses = recovered(several.lay(place))
    assert told == several.lines
    assert told[5].error == "sent together with a.csv row 6"
    assert losses == []
    with rescue(several.lay(place)) as found:
        assert found.labels.names == ("a.csv", "b.csv", "c.csv")


@pytest.mark.slow
def test_whichever_page_of_several_files_is_lost_rows_are_listed_where_they_can_be(
    several: Sample, place: Path
) -> None:
    ends = {
        RowRef(file, rows + 1).key for file, rows in enumerate(ROWS)
    }  # a file's last one can't be known if it is lost
    for page in range(1, len(several.data) // PAGE):
        data = several.data[: page * PAGE] + bytes(PAGE) + several.data[(page + 1) * PAGE :]
        told, losses = recovered(several.lay(place, data))
        assert_honest(several.lines, told)
        if "How many rows the run has can't be read." not in losses:
            assert told.keys() >= several.lines.keys() - ends, page
            assert {RowRef.of(number).file for number in told} == {0, 1, 2}
        assert all(2 <= RowRef.of(number).number <= 2 * ROWS[RowRef.of(number).file] for number in told), page


def test_files_whose_names_are_lost_are_told_by_their_places(several: Sample, place: Path) -> None:
    data = several.data[:PAGE] + bytes(PAGE) + several.data[2 * PAGE :]
    with rescue(several.lay(place, data)) as found:
        assert found.meta == {}
        assert [found.labels.label(RowRef(file, 2).key) for file in range(3)] == [
            f"file {file} row 2" for file in (1, 2, 3)
        ]
