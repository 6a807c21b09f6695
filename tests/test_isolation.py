"""What a method does to its process, and what it tells, stays where it belongs."""

import os
import random
import sys
import warnings

import numpy as np
import pytest
import torch
from here import plan_here, run_here

from adrepro.harness.board import Board
from adrepro.harness.engines.base import Event
from adrepro.harness.frames import store_frame
from adrepro.harness.isolation import own_state
from adrepro.harness.redact import HIDDEN, redacted
from adrepro.harness.repeats import identical_seeds
from adrepro.harness.store import Store
from conftest import TESTS


def state() -> dict:
    return {
        "folder": os.getcwd(), "environment": dict(os.environ), "path": list(sys.path),
        "python": random.getstate(), "numpy": np.random.get_state()[1].tobytes(),
        "torch": torch.get_rng_state().numpy().tobytes(), "type": torch.get_default_dtype(),
        "threads": torch.get_num_threads(), "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(), "errors": np.geterr(),
        "warnings": list(warnings.filters),
    }  # fmt: skip


def test_a_method_leaves_the_process_as_it_was(world):
    """A cell whose method changes folder, environment, generators and torch leaves no trace."""
    store = Store(world.store, create=True)
    before = state()
    assert run_here(plan_here(world.data, "toys:Vandal"), store) == []
    after = state()
    assert [name for name in before if before[name] != after[name]] == []


def test_state_is_put_back_after_an_error():
    """An exception inside puts the process back as well."""

    def fail():
        with own_state():
            os.environ["X_VANDAL"] = "1"
            torch.set_default_dtype(torch.float64)
            raise KeyError

    before = state()
    with pytest.raises(KeyError):
        fail()
    assert state() == before


def test_next_cell_is_not_affected(world, tmp_path):
    """A cell of a method that uses the global generators is the same after a vandal as alone."""
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    plan = plan_here(world.data, "toys:Draws")
    scores = []
    for name, first in (("alone", ()), ("after", ("toys:Vandal",))):
        store = Store(tmp_path / name, create=True)
        for method in first:
            run_here(plan_here(world.data, method), store)
        assert run_here(plan, store) == []
        scores.append(store.load_arrays(plan.cells[0].key, "scores")["test_scores"])
    np.testing.assert_array_equal(*scores)


SECRET = "hf_0123456789abcdefghij"


@pytest.fixture
def planted(monkeypatch, tmp_path):
    """A token, an index with a password and a home folder in the environment."""
    home = tmp_path / "home" / "someone"
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ADREPRO_TEST_TOKEN", SECRET)
    monkeypatch.setenv("PIP_INDEX_URL", f"https://user:{'s3cret-' * 2}@pypi.example/simple")
    return home


@pytest.mark.parametrize("power", ["2", "3"])
def test_no_secret_reaches_store_or_report(world, planted, power):
    """Neither a log, a failure, env.json nor any report holds a secret or the home folder."""
    plan = plan_here(world.data, "toys:Tells", overrides={"toys:Tells.power": power})
    store = Store(world.store, create=True)
    failures = run_here(plan, store)
    assert len(failures) == (power == "3")
    arguments = ("-m", "toys:Tells", "-d", "mvtec_ad", "-c", "bottle", "--seeds", "1")
    arguments += ("--set", f"toys:Tells.power={power}", "--device", "cpu")
    if power == "2":  # nothing left to run: only the reports are written
        assert world.reproduce("run", *arguments, *world.places) == 0
    assert world.reproduce("export", "--store", world.store) == 0
    written = [p for p in (*world.store.rglob("*"), *world.out.rglob("*")) if p.is_file()]
    assert len(written) > 2
    everything = b"".join(path.read_bytes() for path in written) + world.stdout.encode()
    for word in (SECRET, "s3cret", str(planted)):
        assert word.encode() not in everything, word
    kept = b"".join(p.read_bytes() for p in store.folder(plan.cells[0].key).iterdir())
    assert b"~/models/net.pth" in kept
    assert f"https://{HIDDEN}@host/simple".encode() in kept


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pip from https://u:p@host/x", f"pip from https://{HIDDEN}@host/x"),
        ("git+ssh://tok3n@github.com/a", f"git+ssh://{HIDDEN}@github.com/a"),
        ("Authorization: Bearer abcdefghijklmnopqrstu", f"Authorization: Bearer {HIDDEN}"),
        ("AUROC 0.98 at user@host", "AUROC 0.98 at user@host"),
        ("a token of length 3", "a token of length 3"),
        ("https://host/path?x=1", "https://host/path?x=1"),
    ],
)
def test_redaction(text, expected):
    """Credentials go, everything else stays."""
    assert redacted(text) == expected


def test_home_is_replaced_as_a_whole_name_only(monkeypatch):
    """/home/ann becomes ~, /home/anna does not; a home of "/" changes nothing."""
    monkeypatch.setenv("HOME", "/home/ann")
    assert redacted("/home/ann/x /home/anna '/home/ann'") == "~/x /home/anna '~'"
    monkeypatch.setenv("HOME", "/")
    assert redacted("/etc/x") == "/etc/x"


def test_identical_seeds_are_named(world):
    """Three seeds of one result are warned of, by place; two, or three that differ, are not."""
    store = Store(world.store, create=True)
    run_here(plan_here(world.data, seeds=3, overrides={}), store)  # all 8 images at every seed
    frame = store_frame(store)
    (line,) = identical_seeds(frame)
    assert line.startswith("toys:PixelMean: all seeds gave exactly the same result at mvtec_ad/bot")
    assert identical_seeds(frame[frame["seed"] < 2]) == []
    other = frame.assign(threshold=frame["threshold"] + (frame["seed"] == 2) * 1e-9)
    assert identical_seeds(other) == []
    assert str(TESTS) not in line


@pytest.mark.parametrize("name", ["GPG_PASSPHRASE", "MYSQL_PWD", "SSH_KEY", "WANDB_API_KEY"])
def test_names_of_secrets(monkeypatch, name):
    """Values of variables named like secrets go; the shell's own folders are none."""
    monkeypatch.setenv(name, "open-sesame")
    monkeypatch.setenv("PWD", "/some/folder")
    assert redacted("it is open-sesame in /some/folder") == f"it is {HIDDEN} in /some/folder"


def test_no_secret_in_warnings_and_boards(world, planted):
    """What a cell is warned of and what a method says while it runs are redacted when written."""
    plan = plan_here(world.data)
    store = Store(world.store, create=True)
    told = f"ran out of memory with {SECRET} in {planted}/models"
    task = plan.cells[0].task(store.root, "cpu", keep_maps=False, exclusive=True)
    row = {"image_auroc": 1.0, "warnings": [told], "method": "toys:PixelMean"}
    store.write_result(task.identity, row, {}, {}, "")
    stored = store.read(task.identity.key).row
    assert stored == row | {"warnings": [f"ran out of memory with {HIDDEN} in ~/models"]}
    board = Board(store, plan.cells, plan.cells, title="t", engine="local")
    with board:
        board(Event(kind="start", task=task))
        board(Event(kind="progress", task=task, text=told))
    (path,) = (store.root / "live").glob("*.json")
    assert SECRET not in path.read_text()
    assert HIDDEN in path.read_text()
