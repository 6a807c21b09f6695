"""What commands print: JSON alone, plain text, few columns, and only what a run is about."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys

import pytest

from adrepro.harness.cell import Cell, Identity
from adrepro.harness.store import Failure, Store
from conftest import World, write_mvtec

SMALL = ("--noise", "0", "--seeds", "2", "-c", "bottle", "-d", "mvtec_ad", "-m", "toys:PixelMean")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with data and two seeds of one category of table 1."""
    from adrepro.harness.cli import invoke

    root = tmp_path_factory.mktemp("terminal")
    write_mvtec(root / "data/mvtec_ad")
    places = ["--data-root", root / "data", "--store", root / "store", "--out", root / "out"]
    arguments = ("table1", *SMALL, *places, "--device", "cpu", "-j", "1", "--quiet")
    assert invoke([str(a) for a in arguments]) == 0
    return root


@pytest.fixture
def small(ran, tmp_path, capsys):
    """The command line on a copy of that folder."""
    for name in ("data", "store"):
        shutil.copytree(ran / name, tmp_path / name)
    return World(tmp_path, capsys)


def fail_once(store, *, method):
    """Record a failure of every finished cell under another hash of the method's source."""
    keys = [key for key in store if store.read(key).row]
    for key in keys:
        document = store.read(key).document
        hashes = document["hashes"] | {"method": method * 64}
        identity = Identity(cell=Cell(**document["cell"]), hashes=hashes)
        store.write_failure(identity, Failure(kind="Error", message="broken", phase="fit"))
    return len(keys)


def test_a_run_as_json_is_one_document(small):
    """Counts, files that exist and the table's numbers; nothing else on standard output."""
    assert small.reproduce("table1", *SMALL, *small.places, "--device", "cpu", "--json") == 0
    document = json.loads(small.stdout)
    assert document["counts"] == {"done": 2, "failed": 0, "pending": 0}
    assert document["exit_code"] == 0
    (table,) = document["tables"]
    assert all(os.path.isfile(path) for path in table["files"])
    assert any(path.endswith("table1.html") for path in table["files"])
    numbers = {(n["row"], n["metric"]): n for n in table["numbers"]}
    own = numbers["bottle", "image_auroc"]
    frame = [Store(small.store).read(key).row["image_auroc"] for key in Store(small.store)]
    assert own["mean"] == pytest.approx(sum(frame) / 2)
    assert own["shown"] == f"{100 * own['mean']:.1f}"
    assert numbers["zipper", "image_auroc"]["mark"] == "not_run"
    assert numbers["zipper", "image_auroc"]["shown"] == "–"


def test_a_plan_as_json_is_one_document(small):
    """What the data give and what is to run, for `plan` and for --dry-run alike."""
    assert small.reproduce("plan", "table1", *SMALL, *small.places, "--seeds", "3", "--json") == 0
    document = json.loads(small.stdout)
    assert (document["cells"], document["stored"], document["to_run"]) == (3, 2, 1)
    (place,) = document["protocols"][0]["places"]
    assert (place["category"], place["noise"], place["n_train"]) == ("bottle", 0, 8)
    asked = ("table1", *SMALL, *small.places, "--seeds", "3", "--dry-run", "--json")
    assert small.reproduce(*asked) == 0
    assert json.loads(small.stdout) == document


def test_only_what_was_asked_for_is_printed(small):
    """One category of sixteen at one level: its row alone, what is left out, and where it is."""
    assert small.reproduce("table1", *SMALL, *small.places, "--device", "cpu") == 0
    assert re.search(r"^ *Bottle +\d", small.stdout, re.M)
    assert "Zipper" not in small.stdout
    text = " ".join(small.stdout.split())
    assert re.search(r"1\d of 1\d rows have nothing in this run and are left out here", text)
    assert "the whole table:" in text
    assert "Zipper" in (small.out / "table1.md").read_text()


def test_status_does_not_count_failures_that_are_over(small):
    """A cell that failed under an earlier source and finished since is finished, and only that."""
    assert fail_once(Store(small.store), method="0") == 2
    assert small.reproduce("status", "--store", small.store) == 0
    assert re.search(r"done +2", small.stdout)
    assert "failed " not in small.stdout.partition("2 earlier")[0]
    assert "2 earlier failures are not counted" in small.stdout
    assert small.reproduce("status", "--store", small.store, "--json") == 0
    document = json.loads(small.stdout)
    assert [(row["status"], row["cells"]) for row in document["counts"]] == [("done", 2)]
    assert document["troubled"] == []
    assert document["superseded"] == 2


def test_status_counts_a_cell_that_failed_twice_once(small):
    """Two failures of one cell under two sources are one failed cell."""
    store = Store(small.store)
    done = [key for key in store if store.read(key).row]
    fail_once(store, method="0")
    fail_once(store, method="1")
    for key in done:
        shutil.rmtree(store.folder(key))
    assert small.reproduce("status", "--store", small.store, "--json") == 0
    document = json.loads(small.stdout)
    assert [(row["status"], row["cells"]) for row in document["counts"]] == [("failed", 2)]
    assert len(document["troubled"]) == 2


def test_status_of_a_target_counts_what_is_still_to_run(small):
    """With a target and its options, cells without a result are pending."""
    asked = ("status", "table1", *SMALL, *small.places, "--noise", "0,10", "--seeds", "3")
    assert small.reproduce(*asked, "--json") == 0
    counts = {row["status"]: row["cells"] for row in json.loads(small.stdout)["counts"]}
    assert counts == {"done": 2, "pending": 4}
    assert small.reproduce(*asked) == 0
    assert re.search(r"pending +4", small.stdout)
    assert small.reproduce(*asked, "--quiet") == 0
    assert small.stdout == ""


@pytest.mark.parametrize("width", ["80", "40"])
@pytest.mark.parametrize("command", ["run", "plan", "status", "targets", "check"])
def test_tables_fit_the_terminal(small, monkeypatch, command, width):
    """No line of a table is wider than 80 columns, nor than 40, and no number is cut."""
    monkeypatch.setenv("COLUMNS", width)
    arguments = {
        "run": ("table1", *SMALL, *small.places, "--device", "cpu"),
        "plan": ("plan", "table1", *SMALL, *small.places),
        "status": ("status", "--store", small.store),
        "targets": ("targets",),
        "check": ("check", "table1", *SMALL, "--store", small.store),
    }[command]
    assert small.reproduce(*arguments) == 0
    # Sentences and paths are left to the terminal to break; tables are laid out.
    wide = [line for line in small.stdout.splitlines() if len(line) > int(width)]
    assert [line for line in wide if re.search(r"\S {2,}\S", line)] == []
    assert "…" not in small.stdout.replace("…: planned", "")


def on_terminal(*arguments, **variables):
    """Run the real command on a pseudo-terminal; return all that it wrote there."""
    lead, follow = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | variables
    for name in set(environment) & {"NO_COLOR", "FORCE_COLOR"} - set(variables):
        del environment[name]
    process = subprocess.Popen(
        [sys.executable, "-m", "adrepro.harness.cli", *map(str, arguments)],
        stdin=follow, stdout=follow, stderr=follow, env=environment,
    )  # fmt: skip
    os.close(follow)
    text = b""
    while True:
        try:
            part = os.read(lead, 4096)
        except OSError:
            break
        if not part:
            break
        text += part
    os.close(lead)
    assert process.wait() == 0, text
    return text.decode().replace("\r\n", "\n")


def test_no_color_means_no_control_character(small):
    """On a terminal NO_COLOR gives plain text from the first note to the last line."""
    asked = ("table1", *SMALL, *small.places, "--device", "cpu", "-j", "1", "--seeds", "3")
    tests = os.pathsep.join(p for p in sys.path if p.endswith("tests"))
    plain = on_terminal(*asked, NO_COLOR="1", PYTHONPATH=tests)
    assert CONTROL.findall(plain) == []
    assert "3 cells: 2 in the store, 1 to run" in plain
    assert "3 of 3 cells" in plain
    coloured = on_terminal(*asked, PYTHONPATH=tests)
    assert "\x1b[" in coloured


def test_without_a_terminal_there_is_no_control_character(small):
    """A pipe gets plain text, on both streams."""
    assert small.reproduce("table1", *SMALL, *small.places, "--device", "cpu") == 0
    assert CONTROL.findall(small.stdout + small.stderr) == []


def test_quiet_prints_nothing_but_json(small):
    """--quiet silences notes and tables; --json beside it still gives its document."""
    asked = ("table1", *SMALL, *small.places, "--device", "cpu", "--quiet")
    assert small.reproduce(*asked) == 0
    assert (small.stdout, small.stderr) == ("", "")
    check = ("check", "table1", *SMALL, "--store", small.store, "--quiet")
    assert small.reproduce(*check) == 0
    assert small.stdout == ""
    for command in (asked, check):
        assert small.reproduce(*command, "--json") == 0
        assert "schema" in json.loads(small.stdout)
        assert small.stderr == ""


def test_cells_begun_and_not_stored_are_not_counted(world):
    """What a killed run had in flight left empty folders: `status` shows no row without a name."""
    Store(world.store, create=True)
    (world.store / "cells" / "ab" / ("ab" * 32)).mkdir(parents=True)
    assert world.reproduce("status", "--json", "--store", world.store) == 0
    assert json.loads(world.stdout)["counts"] == []
