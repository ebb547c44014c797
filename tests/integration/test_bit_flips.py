"""One bit of an unfinished run's journal flips on the disk, and the run is resumed."""

from __future__ import annotations

import asyncio
import csv
import json
import random
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner
from whole_runs import KEYS, ONCE, key_refused_after, settings_for, write

from batchupdate.cli import app
from batchupdate.journal import Journal
from batchupdate.run import execute, prepare, run_file
from batchupdate.sandbox import Sandbox, run_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS, SENT = 60, 25
FLIPS = 60
RESUMED, REFUSED = {0, 1}, {2, 3}


class Unfinished:
    """A run of `ROWS` rows that stopped after `SENT`, with two in flight and one invalid; and how it is resumed."""

    def __init__(self, folder: Path, sandbox: Sandbox) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.run = next((folder / "runs").glob("2*"))
        self.journal = self.run / "journal.sqlite3"
        self.data = self.journal.read_bytes()
        with (folder / "in.csv").open(newline="", encoding="utf-8") as file:
            self.rows = {int(number): row for number, row in enumerate(csv.reader(file), 1)}
        self.sound = folder / "sound"
        shutil.copytree(folder / "runs", self.sound, symlinks=True)

    def flipped(self, bit: int) -> str:
        """What becomes of the run if it is resumed with one bit flipped; every rule is asserted."""
        runs = self.folder / "runs"
        shutil.rmtree(runs)
        shutil.copytree(self.sound, runs, symlinks=True)
        data = bytearray(self.data)
        data[bit // 8] ^= 1 << bit % 8
        self.journal.write_bytes(data)
        before = len(self.sandbox.applied)
        done = CliRunner().invoke(app, ["resume", self.run.name, "--runs-dir", str(runs), "--quiet"], env=KEYS)
        applied = [(change.id, dict(change.fields).get("name")) for change in self.sandbox.applied[before:]]
        assert done.exit_code in RESUMED | REFUSED, (bit, done.output)
        wanted = {tuple(row) for row in self.rows.values()}
        assert set(applied) <= wanted, (bit, applied)
        if done.exit_code in REFUSED:
            assert "journal.sqlite3" in " ".join(done.output.split()).replace(" ", ""), (bit, done.output)
            return f"refused ({done.exit_code})"
        with (self.run / "results.csv").open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
        assert [line["_row"] for line in lines] == [str(number) for number in range(2, ROWS + 2)], bit
        for line in lines:
            if line["_outcome"] == "updated":
                given = (line["id"], line["name"])
                assert given == tuple(self.rows[int(line["_row"])]) or given == ("", ""), (bit, line)
        counts = Counter(line["_outcome"] for line in lines)
        summary = json.loads((self.run / "summary.json").read_text("utf-8"))
        assert counts == Counter({name: count for name, count in summary["counts"].items() if count}), bit
        return "set aside" if any("damaged" in line["_error"] for line in lines) else "resumed"


@pytest.fixture(scope="module", params=["repeatable", "once"])
def unfinished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Unfinished]:
    folder = tmp_path_factory.mktemp("flips")
    (folder / "once.yaml").write_text(ONCE, "utf-8")
    source = write(folder / "in.csv", ROWS)
    text = source.read_text("utf-8").replace("New 40", "Much too long a name " * 5)
    source.write_text(text, "utf-8")
    target = str(folder / "once.yaml") if request.param == "once" else "langdock-integration"

    async def stopped(sandbox: Sandbox) -> None:
        with (
            key_refused_after(sandbox, SENT),
            prepare(source, settings_for(sandbox, folder, target=target), environ=KEYS) as job,
        ):
            await execute(job)

    with run_in_thread() as sandbox:
        asyncio.run(stopped(sandbox))
        path = next((folder / "runs").glob("2*")) / "journal.sqlite3"
        with Journal.open(path) as journal:
            journal._connection.execute("INSERT INTO started (key) VALUES (35), (36)")
            journal._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield Unfinished(folder, sandbox)


@pytest.mark.parametrize("table", ["outcome", "meta"])
@pytest.mark.parametrize("command", ["show", "report", "report --recover", "resume", "retry --yes", "runs"])
def test_a_damaged_text_ends_every_command_in_a_sentence_or_a_row_set_aside(
    tmp_path: Path, command: str, table: str
) -> None:
    with run_in_thread() as sandbox:
        source = write(tmp_path / "in.csv", 3, "Much too long a name for it, by far and by all means")
        settings = settings_for(sandbox, tmp_path)
        asyncio.run(run_file(source, settings, environ=KEYS))
        path = next((tmp_path / "runs").glob("2*")) / "journal.sqlite3"
        damage = {
            "outcome": "UPDATE result SET outcome = 'hnvalid' WHERE key = 2",
            "meta": "UPDATE meta SET value = replace(value, 'langdock', 'lanedock') WHERE name = 'target'",
        }
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(damage[table])
        run = [] if command == "runs" else [path.parent.name]
        done = CliRunner().invoke(app, [*command.split(), *run, "--runs-dir", str(tmp_path / "runs")], env=KEYS)
        said = " ".join(done.output.split())
        assert sandbox.requests == []
    if table == "meta" and command == "runs":
        assert (done.exit_code, "can't be read" in said) == (0, True)
    elif table == "meta" and "recover" not in command:
        assert done.exit_code == 2
        assert "The journal is damaged" in said
        assert f"report --recover {path.parent}" in said
    else:
        assert done.exit_code in {0, 1} | ({2} if "retry" in command else set()), (
            done.output
        )  # nothing is to be retried
        assert "Traceback" not in said


@pytest.mark.counted("nothing")
@pytest.mark.slow
def test_whichever_bit_of_a_journal_flips_no_other_value_is_sent_or_reported(unfinished: Unfinished) -> None:
    chance = random.Random(11)  # noqa: S311 - places, no secrets
    became = Counter(unfinished.flipped(chance.randrange(8 * len(unfinished.data))) for _ in range(FLIPS))
    assert became["resumed"] > became["set aside"] > 0, became
