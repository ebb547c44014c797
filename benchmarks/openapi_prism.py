"""Whether requests of targets that `targets from-openapi` makes are accepted by Prism, which judges by the document.

    npm install --global @stoplight/prism-cli@5
    python benchmarks/openapi_prism.py FOLDER [--all] [--each N] [--seed N] [--details FILE] [--only WORD]

FOLDER has OpenAPI documents of your own choice, in JSON or YAML. Nothing is fetched, and everything talks to 127.0.0.1.
All update operations of each document are made targets as a user would make them, without an edit (*declared*). Then
`prism mock --errors` is started, and N operations (25, picked by the seed; 0 for none) are *tried*: a real run sends
rows to each, one with the required fields, and one more for each optional field. What stands in the cells is what the
target itself says of its fields (type, pattern, values, lengths, example, rules), and not what the document says behind
its back.

An operation is *accepted* if Prism finds nothing wrong with any of its requests: with path, parameters,
authentication, media type and body. Prism's own trouble in making up a reply is not counted. *Judged* are those of the
accepted ones whose document says enough for Prism to refuse a body of nonsense as well. One that can't be declared
counts as tried and not accepted. Uploads of files are no updates from a sheet, and are counted apart.

Prism serves a copy of each document that is cut down to what is tried; see `openapi_judge.cut_down`. Where the API
wants OAuth 2, whose token would come from the network, a bearer token stands in its place.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import random
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from openapi_judge import judge_of
from openapi_rows import rows_for, variables_for

import batchupdate
from batchupdate.errors import BatchUpdateError
from batchupdate.targets.openapi import draft_target, load_document, operations_of, preferred, servers_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openapi_judge import Judge

    from batchupdate.targets.openapi import Document, Draft, Operation


@dataclass
class Verdict:
    """What became of one operation: `accepted`, `refused`, `unclear`, `undeclarable` or `crash`, and why."""

    document: str
    operation: str
    result: str
    why: str = ""
    requests: int = 0
    judged: bool = False


def main() -> None:
    """Prints a table with a line for each document, and what was refused and why, by kind."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("folder", type=Path)
    options.add_argument("--all", action="store_true", help="every operation, and not a sample")
    options.add_argument("--each", type=int, default=25, help="operations of a document; 0 for none")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", default="", help="documents whose names have this word")
    options.add_argument("--details", type=Path, help="a file for one line of JSON for each operation")
    given = options.parse_args()
    print("| document | OpenAPI | updates | of files | declared | tried | accepted | judged | requests | % |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    every: list[Verdict] = []
    sums = [0] * 7
    for path in sorted(given.folder.iterdir()):
        if given.only not in path.name:
            continue
        try:
            document = load_document(path)
            found = operations_of(document)
            usable = [one for one in found if one.body is not None]
            drafts, failed = drafts_of(document, usable)
            picked = usable if given.all else sample(usable, given.each, given.seed)
            verdicts = asyncio.run(of_document(document, picked, drafts))
        except (BatchUpdateError, TimeoutError) as error:
            print(f"| {path.name} | {error} |")
            continue
        every += [*failed, *verdicts]
        counts = [len(found), len(found) - len(usable), len(drafts), len(picked), *summed(verdicts)]
        sums = [a + b for a, b in zip(sums, counts, strict=True)]
        version = document.root.get("openapi") or document.root.get("swagger")
        print(line(path.name, version, counts), flush=True)
        if given.details:
            with given.details.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(one)) + "\n" for one in [*failed, *verdicts])
    print(line("all", "", sums))
    for verdict in every:
        if verdict.result != "accepted":
            print(f"{verdict.result:12} {verdict.document} {verdict.operation}: {verdict.why[:400]}")


def drafts_of(document: Document, operations: Sequence[Operation]) -> tuple[dict[str, Draft], list[Verdict]]:
    """The targets of all operations, by their names, and what became of the others."""
    drafts: dict[str, Draft] = {}
    failed: list[Verdict] = []
    for one in operations:
        try:
            drafts[one.name] = draft_target(document, one)
        except BatchUpdateError as error:
            failed.append(Verdict(document.path.name, one.name, "undeclarable", str(error)))
        except Exception:  # noqa: BLE001 - it is what this looks for
            failed.append(Verdict(document.path.name, one.name, "crash", traceback.format_exc()[-600:]))
    return drafts, failed


def sample(operations: Sequence[Operation], count: int, seed: int) -> list[Operation]:
    """Some of the operations, the same ones each time."""
    if len(operations) <= count:
        return list(operations)
    chosen = sorted(random.Random(seed).sample(range(len(operations)), count))
    return [operations[at] for at in chosen]


def summed(verdicts: Sequence[Verdict]) -> list[int]:
    """Accepted, judged, requests."""
    accepted = sum(one.result == "accepted" for one in verdicts)
    return [accepted, sum(one.judged for one in verdicts), sum(one.requests for one in verdicts)]


def line(name: str, version: object, counts: Sequence[int]) -> str:
    """A line of the table."""
    tried, accepted = counts[3:5]
    share = f"{100 * accepted / tried:.1f}" if tried else "–"
    return f"| {name} | {version} | {' | '.join(f'{one:,}' for one in counts)} | {share} |"


async def of_document(
    document: Document, operations: Sequence[Operation], drafts: Mapping[str, Draft]
) -> list[Verdict]:
    """What becomes of those of a document's operations of which there is a target.

    Raises:
        TimeoutError: Prism does not serve the document.
    """
    declared = [one for one in operations if one.name in drafts]
    if not declared:
        return []
    async with judge_of(document, declared) as (judge, address):
        verdicts = []
        for one in declared:
            judge.prefix = prefix_of(document, one)
            verdicts.append(await of_target(document, one, drafts[one.name], judge, address))
        return verdicts


async def of_target(document: Document, operation: Operation, draft: Draft, judge: Judge, address: str) -> Verdict:
    """What becomes of the requests of one target."""
    made = Verdict(document.path.name, operation.name, "accepted")
    try:
        for rows in rows_for(draft.target):
            judge.said.clear()
            sent = await run(draft, rows, address)
            made.requests += len(judge.said)
            made.result, made.why = of_rows(rows, sent, judge.said)
            if made.result != "accepted":
                return made
    except BatchUpdateError as error:
        made.result, made.why = "refused", str(error)
    except Exception:  # noqa: BLE001 - as above
        made.result, made.why = "crash", traceback.format_exc()[-600:]
    else:
        made.judged = await judge.refuses_nonsense()
    return made


def of_rows(
    rows: Sequence[dict[str, str]], sent: Sequence[tuple[str, str]], said: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """What became of the rows of one run, whose outcomes are in `sent`; Prism `said` something of each request."""
    for result in ("refused", "unclear"):
        if found := [at for at, one in enumerate(said) if one[0] == result]:
            example = json.dumps(rows[found[0]]) if len(rows) == len(said) else ""
            return result, f"{said[found[0]][1]} ({len(found)} of {len(said)}: {example})"
    if unsent := [problem for outcome, problem in sent if outcome == "invalid"]:
        return "refused", f"its own row is invalid: {unsent[0]}"
    if others := [one for one in sent if one[0] != "updated"]:
        return "unclear", f"a row ended as {others[0]}"
    return "accepted", ""


def prefix_of(document: Document, operation: Operation) -> str:
    """The path of a server that the document gives without a host; Prism serves paths alone."""
    servers = servers_of(document, operation)
    url = servers[preferred(servers)][0].rstrip("/")
    return url if url.startswith("/") and not url.startswith("//") else ""


async def run(draft: Draft, rows: Sequence[dict[str, str]], address: str) -> list[tuple[str, str]]:
    """Runs rows; gives each one's outcome and its error."""
    text, target = draft.yaml, draft.target
    environ = dict.fromkeys(environment_of(target.auth.model_dump(exclude_unset=True)), "secret-of-nobody")
    if target.auth.scheme == "oauth2":
        declaration = yaml.safe_load(text) | {"auth": {"scheme": "bearer", "env": "TOKEN"}}
        text, environ = json.dumps(declaration), {"TOKEN": "secret-of-nobody"}
    with tempfile.TemporaryDirectory() as folder:
        file, source = write(Path(folder), text, rows)
        settings = batchupdate.Settings.model_validate(
            {
                "target": str(file), "base_url": address, "rate": "unlimited", "concurrency": 1, "max_attempts": 1,
                "variables": variables_for(target), "runs_dir": Path(folder, "runs"), "max_failures": "100%",
                "timeout": 600,
            }
        )  # fmt: skip
        summary = await batchupdate.run_file(source, settings, environ=environ)
        results = summary.results()
    return [(str(one), str(why)) for one, why in zip(results["_outcome"], results["_error"], strict=True)]


def write(folder: Path, target: str, rows: Sequence[dict[str, str]]) -> tuple[Path, Path]:
    """A file with the target, and a sheet with the rows."""
    file, source = folder / "target.yaml", folder / "rows.csv"
    file.write_text(target, "utf-8")
    with source.open("w", newline="", encoding="utf-8") as sheet:
        writer = csv.DictWriter(sheet, list(dict.fromkeys(name for row in rows for name in row)))
        writer.writeheader()
        writer.writerows(rows)
    return file, source


def environment_of(auth: object) -> Iterator[str]:
    """The environment variables of a target's authentication."""
    if isinstance(auth, dict):
        for name, value in auth.items():
            if name == "env" and isinstance(value, str):
                yield value
            yield from environment_of(value)
    elif isinstance(auth, list | tuple):
        for one in auth:
            yield from environment_of(one)


if __name__ == "__main__":
    main()
