from __future__ import annotations

import io
import random
from typing import TYPE_CHECKING

import pytest
import xlsxwriter

from batchupdate.errors import InputError
from batchupdate.reader import ReadOptions, open_table, source_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


OLE2 = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


def test_a_file_that_changes_while_it_is_opened_is_told(
    make: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def changed(*_args: object) -> None:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    monkeypatch.setattr("batchupdate.reader.csv.open_text", changed)
    with pytest.raises(InputError, match="was changed while it was being read"):
        open_table(make("id\n1\n"))


def test_an_input_has_a_name_for_sentences(make: Callable[..., Path]) -> None:
    assert source_name("-") == "standard input"
    with open_table(make("id\n1\n"), source="the upload") as table:
        assert table.source == "the upload"


def seeds(data: Path) -> list[bytes]:
    rows = "".join(f'{n},"Zürich, {n}",=x\n' for n in range(30))
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for n in range(20):
            sheet.write_row(n, 0, [f"id{n}", n, n / 7, True])
    texts = [f"id,name,note\n{rows}".encode(codec) for codec in ("utf-8", "utf-16", "cp1252", "utf-16-be")]
    return [*texts, out.getvalue(), (data / "changes.xls").read_bytes()]


def damaged(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(0, 8)):
        changed[rng.randrange(len(changed))] = rng.choice([0, 10, 13, 34, 44, 60, 128, 255, rng.randrange(256)])
    if rng.random() < 0.3:
        del changed[rng.randrange(len(changed)) :]
    if rng.random() < 0.1:
        changed += rng.randbytes(50)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_but_a_sentence_comes_out_of_a_damaged_file(data: Path, tmp_path: Path, seed: int) -> None:
    content = seeds(data)[int(seed)]
    rng = random.Random(f"reader {seed}")  # noqa: S311 - damage, no secrets
    old_format = content.startswith(OLE2[:8])
    for number in range(12 if old_format else 60):
        path = tmp_path / f"{number}.{rng.choice(['csv', 'xlsx', 'xls', 'bin', 'bin'])}"
        path.write_bytes(damaged(rng, content))
        error = read_to_the_end(path, ReadOptions(limit=rng.choice([None, 5])))
        assert error is None or (error.hint and error.message.startswith((str(path), "There is")))


def read_to_the_end(path: Path, options: ReadOptions) -> InputError | None:
    try:
        with open_table(path, options) as table:
            for batch in table.batches(7):
                assert all(row.number > table.header_row for row in batch)
    except InputError as error:
        return error
    return None
