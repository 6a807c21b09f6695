"""Faults of disks, names, versions and hostile files, injected for real."""

import csv
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from here import plan_here, run_here
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrepro.datasets.errors import StoreError, UsageError
from adrepro.harness.cell import Cell, Identity
from adrepro.harness.files import sha256, write_signed
from adrepro.harness.frames import frame_csv, store_frame
from adrepro.harness.index import open_index
from adrepro.harness.store import Status, Store
from adrepro.methods.backbones import load_backbone, parse_backbone
from conftest import TESTS, World

OLD_STORE = TESTS / "stores" / "schema-1"


def identity_of(**changes) -> Identity:
    asked = {
        "dataset": "d", "category": "c", "noise": 0.0, "protocol": "fixed-test/1", "seed": 0,
        "method": "m", "settings": "{}", "backbone": "none", "image_size": 32,
        "evaluation": "eval/2",
    }  # fmt: skip
    return Identity(cell=Cell(**(asked | changes)), hashes={"method": "a" * 64})


def publish(store: Store, identity: Identity, **more) -> Path:
    arrays = {"scores": {"test_scores": np.linspace(0, 1, 500, dtype=np.float32)}}
    row = identity.cell.as_dict() | {"image_auroc": 0.5} | more
    store.write_result(identity, row, arrays, {"env": {}, "images": {}}, "log")
    return store.folder(identity.key)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may mount")
def test_full_disk(tmp_path):
    """A disk that fills up: one line, the old cells stay, and it goes on once there is space."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", disk], capture_output=True, check=False
    ).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    try:
        store = Store(disk / "store", create=True)
        publish(store, identity_of(seed=0))
        (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 4096))
        with pytest.raises(StoreError, match=r"cannot write .*: No space left on device"):
            publish(store, identity_of(seed=1))
        assert store.read(identity_of(seed=0).key).status is Status.DONE
        assert store.read(identity_of(seed=1).key).status is Status.PENDING
        assert len(open_index(store).frame()) == 1, "an index that finds no room is no error"
        (disk / "ballast").unlink()
        publish(store, identity_of(seed=1))
        assert store.read(identity_of(seed=1).key).status is Status.DONE
    finally:
        subprocess.run(["umount", disk], check=True)


def test_store_behind_a_link(world, tmp_path):
    """A store that is reached through a link, or by another path, is the same store."""
    plan = plan_here(world.data)
    store = Store(world.store, create=True)
    assert run_here(plan, store) == []
    (tmp_path / "link").symlink_to(world.store, target_is_directory=True)
    (tmp_path / "x").mkdir()
    for other in (Store(tmp_path / "link"), Store(tmp_path / "x" / ".." / "link")):
        assert plan.pending(other) == []
        assert open_index(other).statuses() == {plan.cells[0].key: Status.DONE}


names = st.one_of(
    st.text(min_size=1, max_size=300),
    st.sampled_from(
        ["../../etc/passwd", "/abs", "a\nb", "'\"`$(x)", "x" * 255, "con", "é🙂", "\0"]
    ),
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(dataset=names, category=names, method=names)
def test_strange_names_stay_inside(tmp_path, dataset, category, method):
    """Any name is stored inside the store, under a plain file name, and comes back as it was."""
    store = Store(tmp_path / "store", create=True)
    identity = identity_of(dataset=dataset, category=category, method=method)
    folder = publish(store, identity)
    assert folder.resolve().is_relative_to(store.root.resolve())
    assert folder.name.isalnum()
    record = store.read(identity.key)
    assert record.status is Status.DONE
    assert record.row["category"] == category
    assert {p.name for p in tmp_path.iterdir()} == {"store"}
    shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a b", 'it\'s "x"', "ünï🙂", "<script>", "=cmd()", "x\ny"])
def test_strange_categories_run(world, name):
    """A category with quotes, line ends, markup or emoji runs, is stored, indexed and exported."""
    (world.data / "mvtec_ad/bottle").rename(world.data / "mvtec_ad" / name)
    plan = plan_here(world.data, categories=(name,))
    store = Store(world.store, create=True)
    assert run_here(plan, store) == []
    frame = open_index(store).frame()
    assert list(frame["category"]) == list(store_frame(store)["category"]) == [name]
    assert name.replace('"', '""').encode() in frame_csv(frame)


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)


@given(st.lists(st.tuples(TEXTS, st.sampled_from("=+-@\t\r\n|%a"), st.floats(-9, 9)), min_size=1))
def test_exported_texts_are_no_formulas(drawn):
    """An apostrophe stands before every text like a formula; all else is as it was, also -1."""
    texts = [*(f"{start}{text}" for text, start, _ in drawn), "", "=1+1", "'=1"]
    numbers = [*(number for _, _, number in drawn), -1.5, 2.0, 3.0]
    kind = pd.StringDtype(na_value=float("nan"))
    frame = pd.DataFrame({"error": pd.Series(texts, dtype=kind), "threshold": numbers})
    # Line ends inside fields are kept by the reader only where none is translated.
    rows = list(csv.reader(io.StringIO(frame_csv(frame).decode(), newline="")))
    assert rows[0] == ["error", "threshold"]
    starts = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
    assert [row[0] for row in rows[1:]] == [f"'{t}" if t.startswith(starts) else t for t in texts]
    assert [float(row[1]) for row in rows[1:]] == numbers
    assert rows[-3][1] == "-1.5"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_exported_failures_are_no_formulas(tmp_path, capsys, start):
    """`export` writes a category and a reason like formulas as texts; the store keeps them."""
    store, text = Store(tmp_path / "store", create=True), f"{start}HYPERLINK(1)"
    identity = identity_of(category=text)
    publish(store, identity, threshold=-2.5)
    world = World(tmp_path, capsys)
    assert world.reproduce("export", "--store", store.root, "-o", tmp_path / "cells.csv") == 0
    with open(tmp_path / "cells.csv", newline="", encoding="utf-8") as file:
        (row,) = csv.DictReader(file)
    assert row["category"] == f"'{text}"
    assert row["threshold"] == "-2.5"
    (record,) = map(store.read, store)
    assert record.row["category"] == text


def test_store_of_the_first_schema_reads():
    """What the first version wrote is read as it was: a done cell, a failed one, their numbers."""
    store = Store(OLD_STORE)
    records = {record.status: record for record in map(store.read, store)}
    assert set(records) == {Status.DONE, Status.FAILED}
    done = records[Status.DONE]
    assert done.row["image_auroc"] == 1.0
    assert Identity(
        cell=Cell(**done.document["cell"]), hashes=done.document["hashes"]
    ).key == done.key, "the rule for keys has changed without a new schema"  # fmt: skip
    assert store.load_arrays(done.key, "scores")["test_scores"].dtype == np.float32
    assert "the lamp is broken" in records[Status.FAILED].reason


def test_store_of_a_later_schema_is_left_alone(tmp_path, world):
    """A newer store is refused with the advice to upgrade, by every command, and not touched."""
    root = shutil.copytree(OLD_STORE, tmp_path / "newer")
    (root / "store.json").write_text(json.dumps({"adrepro_store": 2}))
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}
    for command in ("status", "export"):
        assert world.reproduce(command, "--store", root) == 2
        assert "made by a newer adrepro (schema 2): upgrade" in world.stderr
    world.store = root
    assert world.run("--seeds", "1") == 2
    assert "upgrade" in world.stderr
    after = {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in root.rglob("*") if p.is_file()}
    assert before == after


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "sang"))


def _safetensors(length: int, header: bytes) -> bytes:
    return length.to_bytes(8, "little") + header


@pytest.mark.parametrize("case", ["torch", "pickle", "header bomb", "header of another", "npz"])
def test_hostile_weights_run_nothing(tmp_path, case):
    """Weights that carry code or lie about their size are refused in one line; no code runs."""
    canary = tmp_path / "canary"
    suffix = ".safetensors" if case.startswith("header") else ".pth"
    path = tmp_path / f"weights{suffix}"
    if case == "torch":
        torch.save({"state_dict": Canary(canary)}, path)
    elif case == "pickle":
        path.write_bytes(pickle.dumps(Canary(canary)))
    elif case == "header bomb":
        path.write_bytes(_safetensors(2**62, b"{}"))
    elif case == "header of another":
        body = {"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
        text = json.dumps(body).encode()
        path.write_bytes(_safetensors(len(text), text))
    else:
        with path.open("wb") as handle:
            np.savez(handle, x=np.array([Canary(canary)], dtype=object))
    with pytest.raises(UsageError) as caught:
        load_backbone(parse_backbone("efficientnet_lite0", str(path)), "cpu")
    assert "\n" not in str(caught.value)
    assert str(path.name) in str(caught.value)
    assert not canary.exists()


def test_hostile_scores_run_nothing(tmp_path):
    """A cell whose scores hold a pickled object, checksums and all, is not unpickled."""
    store, identity, canary = Store(tmp_path / "s", create=True), identity_of(), tmp_path / "canary"
    folder = publish(store, identity)
    buffer = io.BytesIO()
    np.savez(buffer, test_scores=np.array([Canary(canary)], dtype=object))
    (folder / "scores.npz").write_bytes(buffer.getvalue())
    body = {
        "key": identity.key, "document": identity.document(), "row": {},
        "files": {"scores.npz": sha256(buffer.getvalue())},
    }  # fmt: skip
    write_signed(folder / "result.json", body)
    assert store.read(identity.key).status is Status.DONE
    with pytest.raises(StoreError, match=r"scores\.npz: .*allow_pickle"):
        store.load_arrays(identity.key, "scores")
    assert not canary.exists()


def run_command(*arguments, **environment):
    line = [sys.executable, "-m", "adrepro.harness.cli", *map(str, arguments)]
    return subprocess.run(line, env=os.environ | environment, capture_output=True, check=False)


@pytest.mark.parametrize(
    "environment",
    [
        {"COLUMNS": "20", "NO_COLOR": "1"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
    ],
)
def test_poor_terminals(tmp_path, environment):
    """Twenty columns without colour, and a terminal that knows ASCII only: it works."""
    root = shutil.copytree(OLD_STORE, tmp_path / "store")
    done = run_command("status", "--store", root, **environment)
    assert done.returncode == 0, done.stderr
    assert b"\x1b[" not in done.stdout
    assert b"the lamp is broken" in done.stdout
    assert b"Traceback" not in done.stderr


def test_reader_that_stops(tmp_path):
    """`reproduce export | head -1` ends quietly."""
    root = shutil.copytree(OLD_STORE, tmp_path / "store")
    for seed in range(10):  # more than a pipe takes
        publish(Store(root), identity_of(seed=seed, settings="x" * 20_000))
    line = f"{sys.executable} -m adrepro.harness.cli export --store '{root}' | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, check=False, text=True)
    assert done.stdout.startswith("paper_target,dataset,")
    assert done.stderr == ""
