"""What `report.html` costs: time, memory and size, for a run as it might have been.

    report_html.py [ROWS] [--folder DIR]

Its journal is made here, without an API; `--folder` keeps the run.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path

from batchupdate.journal import Journal, Session
from batchupdate.model import Outcome, Result, Traffic
from batchupdate.reporter.report_html import write_report_html
from batchupdate.runs.folder import RunFolder, create
from batchupdate.runs.history import details_of, summarise
from batchupdate.targets.catalogue import find_target
from batchupdate.targets.seen import Seen

BEGAN = datetime(2026, 11, 28, 22, 0, tzinfo=UTC)
PORTION = 5000
HOSTILE = '</script><script>document.title="run"</script><img src=x onerror=alert(1)>'
PEOPLE = ("Sales", "Support", "Finance", "People", "Legal", "Research", "Operations", "Marketing")
TOOLS = ("HubSpot", "Jira", "Zendesk", "Slack", "Confluence", "Salesforce", "GitHub", "Notion", "Intercom")
FAILURES = (
    (0.004, Outcome.FAILED, 404, "404 there is no such record: integration {id} not found"),
    (0.003, Outcome.FAILED, 400, "400 Bad Request: name 'Sales – {tool} {n}' is too long: at most 40 characters"),
    (0.001, Outcome.CONFLICT, 412, "412 somebody else has changed the record since its version was pulled or read"),
    (0.0005, Outcome.FAILED, 502, "502 Bad Gateway"),
    (0.0003, Outcome.UNKNOWN, None, "no answer within 30 s; it may have been applied"),
    (0.001, Outcome.INVALID, None, "column 'Name': name has {long} characters, but at most 40 are allowed"),
)  # fmt: skip


def make_run(runs_dir: Path, rows: int, failing: float = 1.0, hostile: str = HOSTILE) -> RunFolder:
    """A finished run of so many rows, of which about one in a hundred has not succeeded.

    Args:
        runs_dir: where its folder comes to be.
        rows: how many.
        failing: makes failures so much more frequent.
        hostile: a cell of the third row that fails.
    """
    chance, folder = random.Random(7), create(runs_dir, "renames.csv", BEGAN)
    with Journal.create(folder.journal) as journal:
        kept: list[tuple[Result, bool]] = []
        for start in range(2, rows + 2, PORTION):
            entries, results, states = [], [], []
            for n in range(start, min(start + PORTION, rows + 2)):
                record = str(uuid.UUID(int=chance.getrandbits(128), version=4))
                old, name = f"{chance.choice(TOOLS)} {n}", f"{chance.choice(PEOPLE)} – {chance.choice(TOOLS)}"
                result = _result(chance, n, record, failing, rows)
                if n % 5003 == 4:
                    name = hostile
                    result = result._replace(
                        outcome=Outcome.FAILED, http_status=422, error=f"422 Unprocessable Content: {hostile}"
                    )
                fields = {"name": name, "description": "Renamed in November"} if n % 3 else {"name": name}
                if result.outcome is Outcome.INVALID:
                    entries.append((n, [record, name * 3, ""], record, None, None))
                else:
                    entries.append((n, [record, name, fields.get("description", "")], record, f"/{record}", fields))
                    states.append((n, Seen({"name": old}, ("description",) if n % 2 else ()).to_json()))
                results.append((result, True))
            journal.add_rows(entries, [])
            journal.keep_before(states)
            kept += results
        journal.seal(
            {
                "rows": rows,
                "columns": ["Integration ID", "Name", "Description"],
                "width": 3,
                "target": find_target("langdock-integration").model_dump(mode="json", exclude_unset=True),
                "input": {"path": "/data/renames.csv", "sha256": "ab" * 32},
                "rate_per_s": 50.0,
                "rate_auto": True,
                "reports": {"captured": ["updated_at", "etag"]},
                "same": {},
            }
        )
        journal._connection.execute("PRAGMA synchronous = OFF")  # noqa: SLF001 - nothing is lost with it
        _work(journal, kept, _seconds(rows))
    return folder


def _result(chance: random.Random, n: int, record: str, failing: float, rows: int) -> Result:
    at = BEGAN.timestamp() + 0.03 * n
    duration = round(chance.lognormvariate(4.6, 0.45) + (chance.random() < 0.01) * chance.uniform(800, 4000), 1)
    drawn, most = chance.random(), 0.0
    for share, outcome, status, message in FAILURES:
        most += min(share * failing * (1 if rows > 1000 else 10), 0.16)
        if drawn < most:
            error = message.format(id=record, tool=chance.choice(TOOLS), n=n % 97, long=40 + n % 97)
            sent = outcome is not Outcome.INVALID
            return Result(
                n, outcome, status, int(sent), error, "", "", at if sent else None, duration if sent else None
            )
    replied = json.dumps({"updated_at": f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}", "etag": f'"{n:x}"'})
    return Result(n, Outcome.UPDATED, 200, 1, "", f"req-{n}", "", at, duration, replied)


def _seconds(rows: int) -> list[tuple[float, int, int, float, float]]:
    """What each second came to: rows, refusals, pause, and the rate kept; the API allows less for a while."""
    found, done, second, rate, paused = [], 0.0, 0, 4.0, 0.0
    while done < rows:
        second += 1
        allowed = 18.0 if rows * 0.45 < done < rows * 0.6 else 33.0
        refused = int(rate > allowed)
        paused = 0.9 if refused else 0.0
        before, done = int(done), min(rows, done + min(rate, allowed) * (1 - paused))
        found.append((float(second), int(done) - before, 3 * refused, paused, rate))
        rate = 0.9 * allowed if refused else min(rate * 1.1, rate + 0.02 if rate > 0.85 * allowed else 99.0)
    return found


def _work(
    journal: Journal, kept: list[tuple[Result, bool]], seconds: list[tuple[float, int, int, float, float]]
) -> None:
    """Two sessions: the first one was interrupted in the middle."""
    done = 0
    for began, portion, code in ((0.0, seconds[: len(seconds) // 2], 130), (5000.0, seconds[len(seconds) // 2 :], 1)):
        session = journal.begin_session(BEGAN.timestamp() + began + portion[0][0] - 1, repeatable=True)
        traffic = Traffic(allowed_per_s=31.5)
        for at, count, refused, paused, rate in portion:
            results = kept[done : done + count]
            done += count
            sent, throttled = traffic.sent + count + refused, traffic.throttled + refused
            traffic = Traffic(sent, traffic.retried + refused, throttled, traffic.waited_s + paused, 31.5)
            state = Session.at(session, BEGAN.timestamp() + began + at, traffic, rate)
            journal.commit([result.row for result, _ in results], results, state)
        journal.end_session(state, code)


def main() -> None:
    """Measures one page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--failing", type=float, default=1.0)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = make_run(options.folder or Path(scratch), options.rows, options.failing)
        with Journal.open(folder.journal) as journal:
            start = time.perf_counter()
            summary = summarise(folder, journal)
            summed_up = time.perf_counter()
            write_report_html(folder.path / "report.html", summary, details_of(journal))
            ended = time.perf_counter()
            size = (folder.path / "report.html").stat().st_size
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{options.rows:,} rows: summary {summed_up - start:.2f} s, report.html {ended - summed_up:.2f} s, "
            f"{size / 1e6:.2f} MB; peak memory with making the run {peak:.0f} MiB"
        )
        if options.folder:
            print(folder.path)


if __name__ == "__main__":
    sys.exit(main())
