"""The contract check of those native methods whose own tests do not run it."""

from pathlib import Path

import pytest

from adrepro.methods.check import check_method
from adrepro.methods.registry import BUILTIN

HERE = ("comet", "cs-flow", "irp", "mld-ir", "osr", "padim", "rad", "rd4ad")


@pytest.mark.parametrize("name", HERE)
def test_contract(name):
    """The contract's own tests pass."""
    results = check_method(name)
    assert [result for result in results if not result.passed] == []
    assert len(results) > 3


def test_no_native_method_is_left_out():
    """Every other native method is named in a test file that runs the contract check."""
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py")]
    checking = [text for text in texts if "check_method(" in text and "HERE = (" not in text]
    for name in set(BUILTIN) - set(HERE):
        assert any(f'"{name}"' in text for text in checking), name
