"""Somebody else: a process of its own that changes random records of an API at random moments.

    python tests/second_writer.py '{"url": "http://127.0.0.1:8765/contacts", "ids": ["c1", "c2"], "ledger": "w.jsonl"}'

It says `ready`, and ends after `count` changes, after `seconds`, or as soon as its standard input is closed. What it
has changed stands in its ledger, a JSON object a line: `at` (Unix time), `id`, `field`, `value`, and the record's new
`version` where the API says it. Records, fields, values and pauses follow from `seed`, and no two values are the same.
It knows nothing of versions and never looks before it writes: it is the one whose changes must survive.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import threading
import time
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MARK = "X-Second-Writer"
"""The header by which its requests can be told from others."""

_OURS = {"count": 1000, "seconds": 300.0, "pause": 0.02, "seed": 1, "headers": {}, "wrap": "", "fields": ["name"]}


def change_records(options: dict[str, Any]) -> None:
    """Changes records until that is enough."""
    options = {**_OURS, **options}
    rng = random.Random(f"second writer {options['seed']}")  # noqa: S311 - to be repeated, no secret
    place = urlsplit(options["url"])
    if place.hostname != "127.0.0.1":
        raise SystemExit("The second writer changes records of this machine alone.")
    connection = http.client.HTTPConnection(place.netloc, timeout=120)
    until = time.monotonic() + options["seconds"]
    told_to_end = threading.Event()
    threading.Thread(target=lambda: (os.read(0, 1), told_to_end.set()), daemon=True).start()
    with Path(options["ledger"]).open("w", encoding="utf-8") as ledger:
        print("ready", flush=True)
        for number in range(options["count"]):
            if told_to_end.wait(rng.uniform(0, 2 * options["pause"])) or time.monotonic() > until:
                return
            one, name = rng.choice(options["ids"]), rng.choice(options["fields"])
            text = f"W{options['seed']}-{number}"
            value: Any = [text] if name == "labels" else text
            sent: Any = {options["wrap"]: {name: value}} if options["wrap"] else {name: value}
            headers = {"Content-Type": "application/json", MARK: "1", **options["headers"]}
            connection.request("PATCH", f"{place.path}/{quote(one, safe='')}", json.dumps(sent), headers)
            reply = connection.getresponse()
            reply.read()
            if reply.status < 300:
                written = {"at": time.time(), "id": one, "field": name, "value": value}
                ledger.write(json.dumps({**written, "version": reply.headers.get("ETag", "")}) + "\n")
                ledger.flush()


@asynccontextmanager
async def second_writer(**options: Any) -> AsyncIterator[None]:
    """Lets somebody else work until the block ends."""
    import asyncio  # noqa: PLC0415 - the process itself need not wait until it is loaded

    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, __file__, json.dumps(options), stdin=pipe, stdout=pipe
    )
    assert process.stdin
    assert process.stdout
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield
    finally:
        process.stdin.close()
        assert await process.wait() == 0


if __name__ == "__main__":
    change_records(json.loads(sys.argv[1]))
