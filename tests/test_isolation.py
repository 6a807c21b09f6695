"""What a method does to its process, and what it tells, stays where it belongs."""

import gc
import locale
import logging
import multiprocessing
import os
import random
import re
import signal
import sys
import warnings

import numpy as np
import pytest
import torch
import toys_vandal
from here import plan_here, run_here
from PIL import Image

from adrepro.harness.board import Board
from adrepro.harness.engines.base import Event
from adrepro.harness.isolation import own_state, put_back, state_now
from adrepro.harness.knobs import knobs
from adrepro.harness.redact import HIDDEN, redacted
from adrepro.harness.run_cell import run_cell
from adrepro.harness.store import Store
from adrepro.harness.worker import run_batch
from adrepro.methods.features import FeatureProvider


def state() -> dict:
    """Return what `knobs` do, asked for here in another way where there is one."""
    own = {knob.name: repr(knob.read()) for knob in knobs()}
    return own | {
        "folder": os.getcwd(), "environment": dict(os.environ), "path": list(sys.path),
        "python": random.getstate(), "numpy": np.random.get_state()[1].tobytes(),
        "torch": torch.get_rng_state().numpy().tobytes(), "type": torch.ones(1).dtype,
        "device": torch.ones(1).device, "small": (torch.full((1,), 1e-40) * 1).item(),
        "threads": torch.get_num_threads(), "gradients": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(), "errors": np.geterr(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "warnings": list(warnings.filters), "onednn": torch.backends.mkldnn.enabled,
        "layer": torch.nn.Identity()(torch.ones(1)).item(), "cores": os.sched_getaffinity(0),
        "product": (torch.ones(2, 2) @ torch.ones(2, 2)).dtype, "locale": locale.localeconv(),
        "collects": gc.isenabled(), "streams": sys.stdout,
        "alarm": signal.getitimer(signal.ITIMER_REAL), "pixels": Image.MAX_IMAGE_PIXELS,
        "SIGTERM": signal.getsignal(signal.SIGTERM), "log": logging.root.isEnabledFor(50),
    }  # fmt: skip


@pytest.fixture(autouse=True)
def _clean_up():
    """Put the process back after a test, should what is tested not do it."""
    before = state_now()
    yield
    put_back(before)


def test_vandal_reaches_every_knob():
    """What the next tests see put back had been changed: all but a few of many of one kind."""
    before = {knob.name: repr(knob.read()) for knob in knobs()}
    with own_state():
        toys_vandal.vandalise_python()
        toys_vandal.vandalise_numbers()
        after = {knob.name: repr(knob.read()) for knob in knobs()}
    left = {name for name in before if before[name] == after[name]}
    alike = re.compile(r".*RLIMIT_|.*_hook|.* sdp$|autocast .* on cuda|cuda.matmul")
    assert {name for name in left if not alike.match(name)} <= {"opt_einsum.enabled"}
    assert len(before) - len(left) > 55


@pytest.mark.parametrize("method", ["Vandal", "VandalAtScore", "VandalBeforeFeatures"])
def test_a_method_leaves_the_process_as_it_was(world, method):
    """A cell whose method changes all of its process, and may fail then, leaves no trace."""
    store = Store(world.store, create=True)
    plan = plan_here(world.data, f"toys_vandal:{method}")
    before = state()
    failures = run_here(plan, store)
    assert [f.message for f in failures] == ["enough"] * (method != "Vandal")
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


def scores_after(world, root, *vandals: str) -> bytes:
    """Return the score file of `Network`, run in this process after other cells."""
    random.seed(5)
    np.random.seed(5)
    torch.manual_seed(5)
    store = Store(root, create=True)
    plan = plan_here(world.data, "toys_vandal:Network")
    features = FeatureProvider(plan.cells[0].method.spec, "cpu", store.features)
    for name in (*vandals, "Network"):
        (planned,) = plan_here(world.data, f"toys_vandal:{name}").cells
        task = planned.task(store.root, "cpu", keep_maps=False, exclusive=True)
        failure = run_cell(task, features, lambda _fraction, _text: None)
        assert (failure is None) == (name in {"Vandal", "Network", "TrainsShared"}), failure
    return (store.folder(plan.cells[0].key) / "scores.npz").read_bytes()


@pytest.mark.usefixtures("one_thread")
def test_next_cell_is_not_affected(world, tmp_path):
    """After vandals, the cell that follows gives the bytes of a run where there was none.

    It takes features that one of them had computed, from the network that another had trained.
    """
    alone = scores_after(world, tmp_path / "alone")
    for vandals in (
        ("Vandal",), ("VandalAtScore",), ("VandalBeforeFeatures",), ("TrainsShared",),
        ("TrainsShared", "VandalBeforeFeatures", "VandalAtScore", "Vandal"),
    ):  # fmt: skip
        assert scores_after(world, tmp_path / "-".join(vandals), *vandals) == alone, vandals


def test_features_of_a_changed_network_are_refused(world):
    """A method that trains the shared network and then wants its features fails, and says why."""
    method = "toys_vandal:TrainsShared"
    plan = plan_here(world.data, method, overrides={f"{method}.power": "3"})
    store = Store(world.store, create=True)
    (failure,) = run_here(plan, store)
    assert failure.kind == "ContractError"
    assert "has changed context.features.backbone" in failure.message
    assert "\n" not in failure.message


def test_cells_of_one_worker_are_kept_apart(world, tmp_path):
    """In a worker process, too, a cell after a vandal's has the bytes it has without."""
    found = []
    for name, methods in (("alone", ()), ("after", ("Vandal", "VandalAtScore"))):
        store = Store(tmp_path / name, create=True)
        asked = ",".join(f"toys_vandal:{m}" for m in (*methods, "Sums"))
        plan = plan_here(world.data, asked)
        tasks = [c.task(store.root, "cpu", keep_maps=False, exclusive=True) for c in plan.cells]
        work = multiprocessing.get_context("fork").Process(
            target=run_batch, args=(tasks, 1, store.features, lambda *_event: None)
        )
        work.start()
        work.join()
        assert work.exitcode == 0
        found.append((store.folder(plan.cells[-1].key) / "scores.npz").read_bytes())
    assert found[0] == found[1]


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
