from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from batchupdate.config.yaml_file import MAX_BYTES, MisplacedError, Strict, load, parse, suggestion
from batchupdate.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any, Self


class Leaf(Strict):
    size: int = 0
    tint: str | None = None
    type: str = ""


class Tree(Strict):
    name: str
    height: float = 1.0
    tall: bool = False
    leaf: Leaf = Leaf()
    leaves: dict[str, Leaf] = Field(default={})
    row: tuple[Leaf, ...] = Field(default=(), strict=False)
    maybe: Leaf | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if "bad" in self.leaves:
            raise MisplacedError("there are no bad leaves", "leaves", "bad")
        if self.name == "Tree":
            raise ValueError("call it something else")
        return self


def read(text: str | bytes) -> Tree:
    return parse(text.encode() if isinstance(text, str) else text, Tree, "target", "t.yaml")


def complaint(text: str | bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return caught.value.message


def test_a_good_file_becomes_its_model(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("name: Äpfel\nheight: 2.5\nleaves:\n  a: {size: 3}\nrow:\n  - tint: red\n", encoding="utf-8")
    tree = load(path, Tree, "target")
    assert tree == Tree(name="Äpfel", height=2.5, leaves={"a": Leaf(size=3)}, row=(Leaf(tint="red"),))


def test_a_byte_order_mark_is_skipped() -> None:
    assert read(b"\xef\xbb\xbfname: x").name == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "t.yaml:1: name: this setting is missing; add it."),
        ("height: 1.0\n", "t.yaml:1: name: this setting is missing; add it."),
        ("name: 007\n", "t.yaml:1: name: this must be text; put quotes around it."),
        ("name: x\n\nheight: tall\n", "t.yaml:3: height: this must be a number."),
        ("name: x\nheight: .nan\n", "t.yaml:2: height: this must be a finite number."),
        ("name: x\nheight: .inf\n", "t.yaml:2: height: this must be a finite number."),
        ("name: x\ntall: 1\n", "t.yaml:2: tall: this must be true or false."),
        ("name: x\nleaf:\n  size: big\n", "t.yaml:3: leaf.size: this must be a whole number."),
        ("name: x\nleaf: 5\n", "t.yaml:2: leaf: this must be settings, such as 'name: value'."),
        ("name: x\nleaves: 5\n", "t.yaml:2: leaves: this must be settings, such as 'name: value'."),
        ("name: x\nrow:\n  - size: 1\n  - size: b\n", "t.yaml:4: row.1.size: this must be a whole number."),
        ("name: Tree\n", "t.yaml:1: the file: call it something else."),
        ("name: x\nleaves:\n  ok: {}\n  bad: {}\n", "t.yaml:4: leaves.bad: there are no bad leaves."),
        ("name: x\n7: y\n", "t.yaml:2: 7: Keys should be strings."),
        ("name: x\nhieght: 1.0\n", "t.yaml:2: there is no setting 'hieght'. Did you mean 'height'?"),
        ("name: x\nleaf:\n  siz: 1\n", "t.yaml:3: there is no setting 'leaf.siz'. Did you mean 'size'?"),
        ("name: x\nleaf:\n  zzz: 1\n", "t.yaml:3: there is no setting 'leaf.zzz'. Known settings: size, tint, type."),
        (
            "name: x\nleaves:\n  type:\n    siz: 1\n",
            "t.yaml:4: there is no setting 'leaves.type.siz'. Did you mean 'size'?",
        ),
        ("name: x\nrow:\n  - tnt: 1\n", "t.yaml:3: there is no setting 'row.0.tnt'. Did you mean 'tint'?"),
        ("name: x\nmaybe: {tnt: a}\n", "t.yaml:2: there is no setting 'maybe.tnt'. Did you mean 'tint'?"),
    ],
)
def test_a_mistake_is_told_with_file_line_name_and_way_out(text: str, said: str) -> None:
    assert complaint(text) == said


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    assert complaint("hight: 1.0\nleaf: {size: b}\nname: 5\n").splitlines() == [
        "t.yaml:1: there is no setting 'hight'. Did you mean 'height'?",
        "t.yaml:2: leaf.size: this must be a whole number.",
        "t.yaml:3: name: this must be text; put quotes around it.",
    ]


def test_no_value_of_the_file_stands_in_the_complaint() -> None:
    assert "s3cret-key" not in complaint("name: x\nheight: s3cret-key\nleaf: s3cret-key\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\nname: y\n", "t.yaml:2: this is not valid YAML: 'name' occurs twice here; keep one of them."),
        ("name: x\nleaf:\n  size: 1\n  size: 2\n", "t.yaml:4: this is not valid YAML: 'size' occurs twice here"),
        (
            "name: &n x\ntall: *n\n",
            "t.yaml:2: this is not valid YAML: aliases (*name) are not supported; write the value out",
        ),
        ("name: x\nleaf: {<<: {size: 1}}\n", "t.yaml:2: this is not valid YAML: could not determine a constructor"),
        ("name: x\non: true\n", "t.yaml:2: this is not valid YAML: 'on' means true in YAML; put quotes around it."),
        ("name: x\n[a]: 1\n", "t.yaml:2: this is not valid YAML: a key must be a plain word."),
        ("name: x\n{a: b}: 1\n", "t.yaml:2: this is not valid YAML: a key must be a plain word."),
        ("name: x\n? !!set {a}\n: 1\n", "t.yaml:2: this is not valid YAML: a key must be a plain word."),
        ("name: 2026-13-45\n", "t.yaml:1: this is not valid YAML: '2026-13-45' can't be read; if it is text, put quo"),
        ("name: !!int ''\n", "t.yaml:1: this is not valid YAML: '' can't be read"),
        ("name: !!bool x\n", "t.yaml:1: this is not valid YAML: 'x' can't be read"),
        ("name: !!timestamp x\n", "t.yaml:1: this is not valid YAML: 'x' can't be read"),
        ('name: "\\ud800"\n', "t.yaml:1: this is not valid YAML: '\\ud800' can't be read"),
        ("name: !!python/object:os.system x\n", "t.yaml:1: this is not valid YAML: could not determine a constructor"),
        (
            "name: x\nleaf: [\n",
            "t.yaml:3: this is not valid YAML: while parsing a flow node, expected the node content",
        ),
        ("name: x\n---\nname: y\n", "t.yaml:2: this is not valid YAML: expected a single document in the stream, but"),
        ("name: x\n\theight: 1\n", "t.yaml:2: this is not valid YAML:"),
        ("name: x\nleaf: \x07\n", "t.yaml:2: this line contains a control character, which YAML does not allow."),
    ],
)
def test_broken_or_treacherous_yaml_is_refused_with_its_line(text: str, said: str) -> None:
    assert said in complaint(text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"- a\n- b\n", "The target t.yaml must contain one setting per line, such as 'name: value'."),
        (b"just text", "The target t.yaml must contain one setting"),
        (b"null", "The target t.yaml must contain one setting"),
        (b"name: \xff\xfe", "The target t.yaml is not UTF-8 text (byte 7)."),
        ("name: x".encode("utf-16"), "The target t.yaml is not UTF-8 text (byte 1)."),
        (b"name: " + b"x" * MAX_BYTES, f"The target t.yaml is larger than {MAX_BYTES:,} bytes."),
        (b"name: " + b"[" * 1500, "The target t.yaml is nested too deeply."),
    ],
)
def test_what_is_no_settings_file_at_all_is_refused(raw: bytes, said: str) -> None:
    assert said in complaint(raw)


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"The config file .*gone\.yaml can't be read: No such file"):
        load(tmp_path / "gone.yaml", Tree, "config file")
    with pytest.raises(ConfigError, match="can't be read"):
        load(tmp_path, Tree, "config file")
    with pytest.raises(ConfigError, match="this is not a path"):
        load(tmp_path / "a\0b", Tree, "config file")


def test_of_a_huge_file_no_more_is_read_than_needed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Huge(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= MAX_BYTES + 1
            return b"x" * size

    monkeypatch.setattr(type(tmp_path), "open", lambda _path, _mode: Huge())
    with pytest.raises(ConfigError, match="is larger than"):
        load(tmp_path, Tree, "config file")


@given(st.binary(max_size=60) | st.text("nameleafs:x[]{}&*!?-|>'\"# \n\t0179.", max_size=60).map(str.encode))
def test_no_bytes_crash_the_reading(raw: bytes) -> None:
    try:
        read(raw)
    except ConfigError as error:
        assert error.message.startswith(("t.yaml:", "The target t.yaml"))  # noqa: PT017 - either way is fine


@pytest.mark.parametrize("loc", [("nowhere", "x"), ("name", "x"), ("leaf", "size", "x")])
def test_where_nothing_is_known_nothing_is_suggested(loc: tuple[Any, ...]) -> None:
    assert suggestion(Tree, loc) == ""
