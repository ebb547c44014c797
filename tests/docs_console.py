"""Runs the `console` blocks of a page of the docs, in order, as somebody who follows the page would.

Each page has a folder of its own and a sandbox of its own. Commands see a terminal of 80 columns without colours, and
questions are answered as the page does. What differs from run to run (ids of runs, times, ports, the folder) counts as
equal, and so does where a line is wrapped. Comments in a page say what a reader does otherwise:

    <!-- sandbox: --limit 20/s -->      a sandbox with these options stands for the API that the page is about
    <!-- file: renames.csv -->          the block below is this file
    <!-- edit: renames.csv: a → b -->   the reader replaces a by b
    <!-- edit: a.xlsx: B2:B9 → * -->    the reader writes into these cells of a workbook (or Sheet!B2:B9); * is what
                                        stood there
    <!-- sheet: a.xlsx: Renames          a workbook with one sheet, and the lines below as its rows
    id,name
    1,Ann -->
    <!-- rows: a.csv: 300: Team -->      a file with new names for so many records of the sandbox
    <!-- server: api.example.com {} -->  this server has the files of the folder www, and else this JSON as its answer
    <!-- prepare: cp -r samples/x . -->  what the reader has, or did before: a command whose output is no matter
    <!-- not run: why -->               the block below is only read

What a page has in /data, /etc and /srv stands in its own folder; `samples` and `docs_files` are there, too. A key that
ends with an ellipsis is the sandbox's.

After a change, `python tests/docs_console.py docs/tutorial.md` writes what the commands print now into the page.
"""

from __future__ import annotations

import csv
import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from openpyxl import Workbook, load_workbook

from batchupdate.sandbox import CONTACTS_KEY, LANGDOCK_KEY, NAIRI_KEY, make_records

if TYPE_CHECKING:
    from collections.abc import Iterator

BIN = str(Path(sys.executable).parent)
COLUMNS, LINES = 80, 40
HOME = "/home/ann"
PORT = "8765"
SAMPLES = Path(__file__).parent.parent / "samples"
FILES = Path(__file__).parent / "docs_files"
_PIECE = re.compile(
    r"<!-- (sandbox|server|file|sheet|edit|rows|prepare|not run):(.*?)\s-->\n|^```(\w*)\n(.*?)^```\n",
    re.DOTALL | re.MULTILINE,
)
_ELSEWHERE = re.compile(r"(?<![\w./-])/(?=(?:data|etc|srv)/)")
_RUN_ID = re.compile(r"\b\d{8}-\d{6}-([\w.-]+?)-[0-9a-f]{4}\b")
_ASKED = r"(?:\[y/N\]|to change):"
_QUESTION = re.compile(rf"{_ASKED}\s*$")


@dataclass
class Command:
    """One command of a page: what is typed, what the page says that it prints, and what it did print."""

    typed: str
    shown: str
    printed: str = ""

    @property
    def answers(self) -> list[str]:
        """What the page's reader answers to questions."""
        return re.findall(rf"{_ASKED} ?(\w*)$", self.shown, re.MULTILINE)


@dataclass
class Reader:
    """Somebody who follows a page, in a folder of their own."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    port: str = ""
    api: str = ""
    exit_code: int = 0
    rests: ExitStack = field(default_factory=ExitStack)
    not_run: list[Command] = field(default_factory=list)

    def follow(self, page: str) -> list[Command]:
        """Does everything that the page says, and returns its commands with what they printed."""
        commands: list[Command] = []
        for given in SAMPLES, FILES:
            (self.folder / given.name).symlink_to(given)
        name, is_run = "", True
        for comment, text, language, block in _PIECE.findall(page):
            if comment == "file":
                name = text.strip()
            elif comment == "not run":
                assert text.strip(), "why not?"
                is_run = False
            elif comment:
                self._prepare(comment, text.strip())
            elif name:
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / name).write_text(block, "utf-8")
                name = ""
            elif language == "console":
                if is_run:
                    commands += map(self.run, commands_of(block))
                else:
                    self.not_run += commands_of(block)
                is_run = True
        return commands

    def _prepare(self, comment: str, text: str) -> None:
        """Does what a comment says."""
        if comment == "prepare":
            done = self.run(Command(text, ""))
            assert self.exit_code == 0, f"{done.typed}\n{done.printed}"
        elif comment == "edit":
            self._edit(*(part.strip() for part in text.split(": ", 1)))
        elif comment == "sheet":
            _write_sheet(self.folder, *text.split("\n", 1))
        elif comment == "rows":
            _write_rows(self.folder, *text.split(": "))
        elif comment == "sandbox":
            self._stands_for_the_api(text)
        else:
            self._answers(*text.split(" ", 1))

    def run(self, command: Command) -> Command:
        """Runs a command; what it prints is in it then, as a page shows it."""
        typed = command.typed.replace(f":{PORT}", f":{self.port}") if self.port else command.typed
        typed = _RUN_ID.sub(self._newest, typed)
        typed = _ELSEWHERE.sub(f"{self.folder}/", typed)
        if self.api:
            words = re.split(r"('[^']*'|\"[^\"]*\")", typed)
            here = [word.replace(f"https://{self.api}/", f"http://127.0.0.1:{self.port}/") for word in words[::2]]
            words[::2] = here
            typed = "".join(words)
        if assigned := re.fullmatch(r"export (\w+)=(\S+)", typed):
            if not assigned[2].endswith("…"):
                self.environ[assigned[1]] = assigned[2]
        elif typed.startswith("batchupdate sandbox"):
            command.printed, self.port = self.rests.enter_context(_sandbox(typed, self._environ(), self.folder))
        elif typed.endswith(" &"):
            self.rests.enter_context(_background(typed.removesuffix(" &"), self._environ(), self.folder))
        else:
            typed = typed.replace("$?", str(self.exit_code))
            command.printed, self.exit_code = _in_terminal(typed, self._environ(), self.folder, command.answers)
        command.printed = self.plain(command.printed)
        return command

    def _newest(self, run_id: re.Match[str]) -> str:
        """This machine's run of the name that a page's run has."""
        return max(path.name for path in self.folder.glob(f"batchupdate-runs/*-{run_id[1]}-????"))

    def _environ(self) -> dict[str, str]:
        kept = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}  # hides uvloop; empty, it says nothing
        common = {"PATH": f"{BIN}:/usr/bin:/bin", "HOME": str(self.folder), "LANG": "C.UTF-8", "TERM": "dumb"}
        return {**kept, **common, **self.environ}

    def _stands_for_the_api(self, options: str) -> None:
        api, _, options = options.partition(" ")
        _, port = self.rests.enter_context(_sandbox(f"batchupdate sandbox {options}", self._environ(), self.folder))
        self.api = api
        self.port = port
        self.environ |= {"BATCHUPDATE_BASE_URL": f"http://127.0.0.1:{port}"}
        self.environ |= {"LANGDOCK_API_KEY": LANGDOCK_KEY, "NAIRI_API_KEY": NAIRI_KEY}
        self.environ |= {"CONTACTS_API_KEY": CONTACTS_KEY}

    def _answers(self, api: str, reply: str) -> None:
        """A server of another API: it has the files of `www`, and takes every change."""
        self.api = api
        self.port = self.rests.enter_context(_server(self.folder / "www", reply))
        self.environ |= {"BATCHUPDATE_BASE_URL": f"http://127.0.0.1:{self.port}"}

    def _edit(self, name: str, change: str) -> None:
        path = self.folder / name
        before, after = (part.strip() for part in change.split("→"))
        if path.suffix == ".xlsx":
            book = load_workbook(path)
            sheet, _, before = before.rpartition("!")
            cells = (book[sheet] if sheet else book.worksheets[0])[before]
            for cell in (one for row in cells for one in row) if isinstance(cells, tuple) else [cells]:
                cell.value = after.replace("*", str(cell.value))
            book.save(path)
        else:
            text = path.read_text("utf-8")
            assert before in text, f"{name} has no {before!r}"
            path.write_text(text.replace(before, after, 1), "utf-8")

    def plain(self, text: str) -> str:
        """What a page shows of an output: without what is only true of this machine."""
        for folder in {str(self.folder.resolve()), str(self.folder)}:
            text = re.sub(re.escape(folder) + r"(?=/(?:data|etc|srv)/)", "", text)
        text = (
            text.replace(str(self.folder.resolve()), HOME)
            .replace(str(self.folder), HOME)
            .replace(str(SAMPLES), "samples")
        )
        if self.api:
            text = text.replace(f"http://127.0.0.1:{self.port}", f"https://{self.api}")
            text = text.replace("127.0.0.1", self.api)
        text = re.sub(r"\[y/N\]:(?=\w)", "[y/N]: ", text)
        return text.replace(f":{self.port}", f":{PORT}") if self.port else text


def commands_of(block: str) -> list[Command]:
    """The commands of one block, each with the output below it."""
    found: list[Command] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append(Command(line[2:], ""))
        elif found and found[-1].typed.endswith("\\"):
            found[-1].typed = f"{found[-1].typed[:-1].rstrip()} {line.strip()}"
        elif found:
            found[-1].shown += f"{line}\n"
    return found


def comparable(text: str) -> str:
    """An output with its words alone, and one text for all that differs from run to run."""
    for pattern, same in (
        (_RUN_ID.pattern, r"RUN-\1"),
        (r"\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d+)?Z?", "TIME"),
        (r"\b[\d.]+ (s|ms|min|KB)\b", r"N \1"),
        (r"\bsandbox-\d+", "sandbox-N"),
        (r"valid until [\d-]+", "valid until DAY"),
        (r",\d+\.\d$", ",N"),
        (r"─+", "─"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"saw \d+ requests", "saw N requests"),
        (r"\[y/N\]: ?", "[y/N]: "),
    ):
        text = re.sub(pattern, same, text, flags=re.MULTILINE)
    text = " ".join(text.lstrip("\ufeff").split())
    for pattern, same in (
        (r"\d+ of \d+ rows, [\d.]+ rows/s .*? unsuccessful(, N s left)? ?", ""),  # progress, on a slow machine
        (r"The API accepted \S+ requests/s without complaint; --rate could be higher\. ", ""),  # likewise
        (r"\d+ requests in N s, \d+ of them repeats, asked to slow down .*?, N s spent", "throttled, N s spent"),
    ):
        text = re.sub(pattern, same, text)
    return text


def differs(command: Command) -> str:
    """What is not as the page has it; empty if all is. `…` in the page stands for anything."""
    printed, shown = comparable(command.printed), comparable(command.shown)
    if re.fullmatch(re.escape(shown).replace("…", ".*"), printed):
        return ""
    return f"$ {command.typed}\n--- the page\n{shown}\n--- printed\n{printed}\n"


def _in_terminal(typed: str, environ: dict[str, str], folder: Path, answers: list[str]) -> tuple[str, int]:
    """What a command prints on a terminal, and its exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        ["/bin/sh", "-c", typed], cwd=folder, env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    printed, waiting, seen = b"", list(answers), 0
    try:
        while piece := os.read(ours, 65536):
            printed += piece
            if _QUESTION.search(printed[seen:].decode(errors="replace")):
                seen = len(printed)
                assert waiting, f"{typed} asks what the page does not answer: {printed.decode()}"
                os.write(ours, f"{waiting.pop(0)}\n".encode())
    except OSError:  # the terminal of a process that has ended
        pass
    finally:
        os.close(ours)
        code = process.wait(60)
    return printed.decode().replace("\r\n", "\n"), code


@contextmanager
def _sandbox(typed: str, environ: dict[str, str], folder: Path) -> Iterator[tuple[str, str]]:
    """A sandbox on a free port: what it prints, and its port."""
    with _background(f"{typed} --port 0", environ, folder) as process:
        assert process.stdout is not None
        printed = ""
        while "/_sandbox/applied" not in printed:
            line = process.stdout.readline()
            assert line, f"{typed} has ended: {printed}"
            printed += line
        yield printed, re.findall(r"127\.0\.0\.1:(\d+)", printed)[0]


@contextmanager
def _background(typed: str, environ: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    latest = folder / "batchupdate-runs" / "latest"
    before = latest.resolve()
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {typed}"],
        cwd=folder,
        env={**environ, "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        if " run " in typed:
            until = time.monotonic() + 30
            while latest.resolve() == before or not (latest / ".progress.json").exists():
                assert time.monotonic() < until, f"{typed} does not begin"
                assert process.poll() is None, f"{typed} has ended: {process.communicate()[0]}"
                time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def _server(folder: Path, reply: str) -> Iterator[str]:
    """A server on a free port, which is yielded: the files of a folder, and one reply to all other requests."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if Path(self.translate_path(self.path)).is_file():
                super().do_GET()
            else:
                self.do_PUT()

        def do_PUT(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply.encode())))
            self.end_headers()
            self.wfile.write(reply.encode())

        do_PATCH = do_POST = do_PUT  # noqa: N815 - so http.server calls them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield str(server.server_port)
        finally:
            server.shutdown()
            thread.join()


def _write_sheet(folder: Path, title: str, rows: str) -> None:
    name, title = title.split(": ")
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = title
    for row in csv.reader(rows.splitlines()):
        sheet.append(row)
    book.save(folder / name)


def _write_rows(folder: Path, name: str, count: str, called: str) -> None:
    records = make_records(langdock=int(count)).langdock[: int(count)]
    lines = [f"{record.id},{called} {number}\n" for number, record in enumerate(records, 1)]
    (folder / name).write_text("".join(["Integration ID,Name\n", *lines]), "utf-8")


def rewritten(page: str, commands: list[Command]) -> str:
    """The page with what its commands have printed, where that is not what it shows."""
    ids = {match[1]: match[0] for match in reversed(list(_RUN_ID.finditer(page)))}
    done = 0
    for command in commands:
        typed = f"$ {command.typed}\n"
        at = page.find(typed, done)
        assert at >= 0, f"can't find: {command.typed}"
        done = at + len(typed)
        if not differs(command):
            continue
        printed = command.printed.lstrip("\ufeff")
        printed = _RUN_ID.sub(lambda match: ids.setdefault(match[1], match[0]), printed)
        lines = [line.rstrip() for line in printed.splitlines()]
        text = re.sub(r"\n{2,}", "\n\n", "\n".join(lines)).strip("\n")
        page = page[:done] + (f"{text}\n" if text else "") + page[done + len(command.shown) :]
    return page


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            reader = Reader(Path(name), rests=stack)
            page = Path(argument).read_text("utf-8")
            Path(argument).write_text(rewritten(page, reader.follow(page)), "utf-8")
