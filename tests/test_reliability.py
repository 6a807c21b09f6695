"""The table of faults and promises names tests that exist, for every fault."""

import ast
import re

import pytest

from conftest import TESTS

TABLE = (TESTS.parent / "docs" / "reliability.md").read_text(encoding="utf-8")
ROWS = {
    match[1]: match[0]
    for match in re.finditer(r"^\| (R\d\d) \|.*$", TABLE, flags=re.MULTILINE)
}  # fmt: skip


def named_in(name: str) -> dict[str, bool]:
    """Return the tests of a file, and whether each is slow."""
    tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {
        f.name: "pytest.mark.slow" in map(ast.unparse, f.decorator_list)
        for f in functions
        if f.name.startswith("test_")
    }


def test_every_fault_has_its_row():
    """R01 to R52, each once, each with a fault, a promise and a test."""
    assert list(ROWS) == [f"R{number:02}" for number in range(1, 53)]
    for row in ROWS.values():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, row
        assert all(cells), row


@pytest.mark.parametrize("fault", ROWS)
def test_every_test_exists(fault):
    """What a row names is a test of the suite; one that is slow is marked so in the row."""
    named = re.findall(r"`(\w+\.py)::(\w+)`( \(\*slow\*\))?", ROWS[fault])
    assert named, fault
    for file, test, slow in named:
        assert named_in(file).get(test) is bool(slow), f"{file}::{test}"
    assert not all(slow for _, _, slow in named), "a fault needs a test in the normal suite"
