"""The table of problem codes has every code that the code can produce, and no other.

What the source says is read here. What is made at run time is checked in `conftest.py`, in every test of the suite.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from batchupdate.model import Problem
from batchupdate.validator.problem_codes import PROBLEM_CODES

PACKAGE = Path(__file__).parent.parent.parent / "batchupdate"
TABLE = PACKAGE / "validator" / "problem_codes.py"
PLACE = {
    "Problem": 0,
    "CellProblem": 2,
    "RefusedError": 0,
    "Suspicion": 0,
    "ValuelessCell": 3,
    "ValueWithoutText": 1,
}
"""Where what carries a code takes it."""


def _texts(expression: ast.expr) -> set[str]:
    return {
        node.value for node in ast.walk(expression) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


@cache
def _trees() -> dict[str, ast.Module]:
    return {str(path): ast.parse(path.read_text("utf-8")) for path in PACKAGE.rglob("*.py") if path != TABLE}


def _name(expression: ast.expr) -> str:
    return expression.id if isinstance(expression, ast.Name) else getattr(expression, "attr", "")


def _written_codes() -> dict[str, str]:
    """Codes that stand as texts where something that carries a code is made, with where."""
    found = {}
    for path, tree in _trees().items():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            place = PLACE.get(_name(call.func))
            if place is None or len(call.args) <= place:
                continue
            code = call.args[place]
            if isinstance(code, ast.Constant):
                found[str(code.value)] = f"{path}:{call.lineno}"
            elif isinstance(code, ast.Name) and code.id.isupper():
                found |= dict.fromkeys(_constants()[code.id], f"{path}:{call.lineno}")
    return found


@cache
def _constants() -> dict[str, set[str]]:
    """The texts of the constants at the top of modules, by their names."""
    found: dict[str, set[str]] = {}
    for tree in _trees().values():
        for one in tree.body:
            if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name):
                if isinstance(one.value, ast.Constant) and isinstance(one.value.value, str):
                    found.setdefault(one.targets[0].id, set()).add(one.value.value)
            elif isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Tuple):
                pair = zip(one.targets[0].elts, getattr(one.value, "elts", ()), strict=False)
                for name, value in pair:
                    found.setdefault(_name(name), set()).update(_texts(value))
    return found


def test_every_code_that_is_written_where_a_problem_is_made_is_in_the_table() -> None:
    codes = _written_codes()
    assert len(codes) > 40
    assert {code: where for code, where in codes.items() if code not in PROBLEM_CODES} == {}


def test_the_table_has_no_code_that_nothing_produces() -> None:
    written = {text for tree in _trees().values() for text in _texts(tree)}  # type: ignore[arg-type]
    assert sorted(set(PROBLEM_CODES) - written) == []


def test_no_test_can_make_a_problem_with_a_code_that_is_not_in_the_table() -> None:
    with pytest.raises(AssertionError, match="no_such_code"):
        Problem("no_such_code", 2, "name", "", "")


@pytest.mark.parametrize("code", PROBLEM_CODES)
def test_a_code_is_explained_in_whole_sentences(code: str) -> None:
    for sentence in PROBLEM_CODES[code]:
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert len(sentence) < 120
