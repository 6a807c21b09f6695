"""A method named as `module:Class` is imported where its user names it, and nowhere else."""

import os
import subprocess
import sys

import pytest
from check_worlds import METHOD, write_paper
from here import plan_here, run_here

from adrepro.harness.api_frames import options_of
from adrepro.harness.commands.running import engine_options
from adrepro.harness.requests import write_request
from adrepro.harness.store import Status, Store
from adrepro.methods.trust import is_loaded, names_code
from conftest import TESTS

# What an attacker writes: it leaves a mark as soon as it is imported.
EVIL = "from pathlib import Path\nPath('canary').touch()\nfrom toys import PixelMean as X\n"


def command(world, *arguments) -> tuple[int, str, bool]:
    """Run the real command in a folder with the module; return code, stderr, the module ran."""
    folder = world.root / "downloaded"
    folder.mkdir(exist_ok=True)
    (folder / "evilmod.py").write_text(EVIL)
    done = subprocess.run(
        [sys.executable, "-m", "adrepro.harness.cli", *map(str, arguments)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr, (folder / "canary").exists()


def test_paper_runs_no_code(world):
    """A target that names a module is refused in one line; named by its user it is imported."""
    papers = write_paper(world.root, bottle="50.0", screw="50.0", average="50.0")
    target = papers / "tiny" / "table1.toml"
    target.write_text(target.read_text().replace(METHOD, "evilmod:X"))
    table = papers / "tiny" / "table1.csv"
    table.write_text(table.read_text().replace(METHOD, "evilmod:X"))
    plan = ("plan", "tiny/table1", "--papers", papers, "--data-root", world.data)
    code, said, ran = command(world, *plan)
    assert (code, ran) == (2, False), said
    assert said.count("\n") == 1
    assert "target tiny/table1 names the method 'evilmod:X'" in said
    assert "--method evilmod:X" in said
    code, said, ran = command(world, *plan, "--method", "evilmod:X")
    assert (code, ran) == (0, True), said


@pytest.fixture
def evil_store(world, monkeypatch):
    """A store from someone who has the module: a request of a cell, and its result."""
    theirs = world.root / "theirs"
    theirs.mkdir()
    (theirs / "evilmod.py").write_text(EVIL)
    monkeypatch.chdir(theirs)
    monkeypatch.syspath_prepend(theirs)
    plan = plan_here(world.data, "evilmod:X")
    store = Store(world.store, create=True)
    return plan, store


def test_request_runs_no_code(world, evil_store):
    """A worker refuses a module that only the request names; allowed by its user it runs."""
    plan, store = evil_store
    write_request(store, plan, keep_maps=False)
    worker = ("worker", "--store", world.store, "--data-root", world.data, "--device", "cpu")
    code, said, ran = command(world, *worker)
    assert (code, ran) == (2, False), said
    assert said.count("\n") == 1
    assert "names the method 'evilmod:X'" in said
    assert "--allow-method evilmod:X" in said
    code, said, ran = command(world, *worker, "--jobs", "1", "--allow-method", "evilmod:X")
    assert (code, ran) == (0, True), said
    assert store.read(plan.cells[0].key).status is Status.DONE


def test_stored_row_runs_no_code(world, evil_store):
    """`report` lays out rows of a module it does not import, unless its user allows it."""
    plan, store = evil_store
    assert run_here(plan, store) == []
    report = ("report", "--store", world.store, "--out", world.out)
    code, said, ran = command(world, *report)
    assert (code, ran) == (0, False), said
    assert "evilmod:X" in (world.out / "index.html").read_text()
    assert command(world, *report, "--allow-method", "evilmod:X")[::2] == (0, True)


def test_run_tells_workers_what_to_allow(world):
    """The arguments of a job's worker name the modules of the command line, and no other method."""
    options = options_of({"methods": ["toys:PixelMean@v", "patchcore"], "data_root": world.data})
    how = engine_options(options, Store(world.store, create=True))
    assert how.worker_arguments[-2:] == ("--allow-method", "toys:PixelMean@v")
    assert how.worker_arguments.count("--allow-method") == 1


def test_run_tells_workers_where_data_lie(world, monkeypatch):
    """A given data root travels; one of the environment does not become one to draw below."""
    store = Store(world.store, create=True)
    given = options_of({"methods": ["patchcore"], "data_root": world.data})
    assert engine_options(given, store).worker_arguments == ("--data-root", str(world.data))
    monkeypatch.setenv("ADREPRO_DATA", str(world.data))
    named = ("--dataset", f"mvtec_ad={world.data / 'mvtec_ad'}")
    assert engine_options(options_of({}), store).worker_arguments == named


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("patchcore", False),
        ("patchcore@small", False),
        ("anomalib:Padim", False),
        ("scores:/some/folder", False),
        ("evilmod:X", True),
        ("evilmod:X@v", True),
        ("package.scores:X", True),
    ],
)
def test_names(name, code, monkeypatch):
    """Names of modules are told from those of installed methods and of files."""
    monkeypatch.delitem(sys.modules, "evilmod", raising=False)
    assert names_code(name) is code
    assert is_loaded(name) is not code
    assert is_loaded("os.path:X")
