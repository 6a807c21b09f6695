"""Readers that stop, `| head`: the command ends with 0, quietly."""

import shutil
import subprocess
import sys
import time

import pytest
from test_faults import OLD_STORE
from test_watch import board_of

from adrepro.harness.board import read_boards
from conftest import TESTS

COMMAND = f"PYTHONPATH='{TESTS}' {sys.executable} -m adrepro.harness.cli"


def codes(line: str) -> tuple[int, str]:
    """Return the exit code of a pipe's first command, and what it said on standard error."""
    line += '; exit "${PIPESTATUS[0]}"'
    done = subprocess.run(["bash", "-c", line], capture_output=True, check=False, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["status", "export"])
@pytest.mark.parametrize("reader", ["true", "head -1"])
def test_table_whose_reader_stops(tmp_path, command, reader):
    """A command that prints a table ends quietly with 0 when nobody reads on."""
    root = shutil.copytree(OLD_STORE, tmp_path / "store")
    assert codes(f"{COMMAND} {command} --store '{root}' | {reader}") == (0, "")


def test_watch_whose_reader_stops(world):
    """`status --watch | head -3` ends with 0 while the run that it watches goes on."""
    store, board, _ = board_of(world)
    with board:
        began = time.monotonic()
        line = f"{COMMAND} status --watch --every 0.1 --store '{store.root}' | head -3"
        assert codes(line) == (0, "")
        assert time.monotonic() - began < 60
        assert read_boards(store)[0]["live"]


def test_notes_that_nobody_reads_stop_nothing(tmp_path):
    """A console of notes whose reader has gone falls silent; what is done goes on."""
    line = (
        "from adrepro.harness.console import make_console; import sys, time; time.sleep(0.5); "
        "notes = make_console(stderr=True); notes.print('a'); notes.print('b'); "
        f"open('{tmp_path}/end', 'w').write('reached'); print('c', file=sys.stderr); sys.exit(7)"
    )
    assert codes(f'{sys.executable} -c "{line}" 2>&1 >/dev/null | true') == (7, "")
    assert (tmp_path / "end").read_text() == "reached"
