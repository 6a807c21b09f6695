"""The store believes nothing that is not whole."""

import json
import random
import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adrepro.datasets.errors import StoreError
from adrepro.harness.cell import Cell, Identity, canonical_json
from adrepro.harness.frames import COLUMNS, store_frame
from adrepro.harness.store import Failure, Status, Store

CELL = Cell(
    dataset="mvtec_ad", category="bottle", noise=10.0, protocol="fixed-test/1", seed=0,
    method="toy", settings="{}", backbone="none", image_size=32, evaluation="eval/1",
)  # fmt: skip
IDENTITY = Identity(cell=CELL, hashes={"images": "a" * 64, "method": "b" * 64, "weights": ""})
FILES = ("result.json", "scores.npz", "env.json", "log.txt")


def publish(store, identity=IDENTITY):
    arrays = {"scores": {"test_scores": np.linspace(0, 1, 9, dtype=np.float32)}}
    row = {"image_auroc": 0.9, "method": "toy", "fit_s": 0.1}
    store.write_result(identity, row, arrays, {"env": {"python": "3"}}, "log")
    return store.folder(identity.key)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


def test_published_cell_reads_back(store):
    """What was written is what is read."""
    publish(store)
    record = store.read(IDENTITY.key)
    assert record.status is Status.DONE
    assert record.row["image_auroc"] == 0.9
    assert record.document["cell"] == CELL.as_dict()
    expected = np.linspace(0, 1, 9, dtype=np.float32)
    np.testing.assert_array_equal(
        store.load_arrays(IDENTITY.key, "scores")["test_scores"], expected
    )


def test_same_result_same_bytes(tmp_path):
    """Two stores that hold the same cell hold the same bytes."""
    a, b = (publish(Store(tmp_path / name, create=True)) for name in "ab")
    for name in FILES:
        assert (a / name).read_bytes() == (b / name).read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_every_truncation_is_noticed(store, name):
    """A file cut short at any byte is never believed."""
    path = publish(store) / name
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.read(IDENTITY.key).status is Status.DAMAGED, length
    path.write_bytes(whole)
    assert store.read(IDENTITY.key).status is Status.DONE


def test_every_flipped_bit_is_noticed(store):
    """One flipped bit in any file is always detected, and the file is named."""
    folder = publish(store)
    rng = random.Random(0)
    for _ in range(500):
        path = folder / rng.choice(FILES)
        whole = path.read_bytes()
        damaged = bytearray(whole)
        damaged[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(damaged))
        record = store.read(IDENTITY.key)
        assert record.status is Status.DAMAGED
        assert path.name in record.reason
        path.write_bytes(whole)


def test_missing_sibling_is_noticed(store):
    """A result whose sibling is gone is damaged, not done."""
    (publish(store) / "scores.npz").unlink()
    assert store.read(IDENTITY.key).status is Status.DAMAGED


def test_failure_never_hides_a_result(store):
    """A failure beside a valid result leaves the cell done; a result clears the failure."""
    failure = Failure(kind="RuntimeError", message="no", phase="fit")
    store.write_failure(IDENTITY, failure)
    assert store.read(IDENTITY.key).status is Status.FAILED
    assert store.read(IDENTITY.key).reason == "RuntimeError in fit: no"
    publish(store)
    assert store.read(IDENTITY.key).status is Status.DONE
    assert not (store.folder(IDENTITY.key) / "failure.json").exists()
    store.write_failure(IDENTITY, failure)
    assert store.read(IDENTITY.key).status is Status.DONE


def test_result_of_another_cell_is_refused(store):
    """A result copied into another cell's folder is not believed."""
    folder = publish(store)
    other = Identity(cell=CELL, hashes={"images": "c" * 64})
    store.folder(other.key).mkdir(parents=True)
    for name in FILES:
        (store.folder(other.key) / name).write_bytes((folder / name).read_bytes())
    assert "another cell" in store.read(other.key).reason


def test_interrupted_write_leaves_nothing_but_a_temporary(store):
    """A crash before the last rename leaves the cell pending; the sweep removes the leftovers."""
    folder = store.folder(IDENTITY.key)
    folder.mkdir(parents=True)
    (folder / ".result.json.0123.tmp").write_bytes(b"half")
    assert store.read(IDENTITY.key).status is Status.PENDING
    assert store.sweep() == 0, "another run may be writing it"
    assert store.sweep(older_than_s=-1) == 1
    assert not list(folder.iterdir())


def test_folder_with_other_files_is_refused(tmp_path):
    """A folder that is not a store is never written into."""
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(StoreError, match="other files"):
        Store(tmp_path, create=True)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_newer_store_is_refused(store):
    """A store of a later schema is left alone, with the advice to upgrade."""
    (store.root / "store.json").write_text(json.dumps({"adrepro_store": 99}))
    with pytest.raises(StoreError, match="upgrade"):
        Store(store.root)


@pytest.mark.parametrize("schema", ["2", None, [], 1.5, True])
def test_mark_that_names_no_schema_is_damage(store, schema):
    """One line that names the file, whatever is in it."""
    (store.root / "store.json").write_text(json.dumps({"adrepro_store": schema}))
    with pytest.raises(StoreError, match=r"store\.json is damaged"):
        Store(store.root)


def test_full_device_leaves_the_old_state(store):
    """A device that is full while a result is written keeps the cell as it was."""
    import resource
    import signal

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, before[1]))
    try:
        with pytest.raises(StoreError, match="cannot write"):
            publish(store)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert store.read(IDENTITY.key).status is Status.PENDING
    publish(store)
    assert store.read(IDENTITY.key).status is Status.DONE


def test_frame_has_the_same_columns_always(store):
    """An empty store, a failure and a result all give the documented columns."""
    assert tuple(store_frame(store).columns) == COLUMNS
    publish(store)
    other = Identity(cell=CELL, hashes={"images": "d" * 64})
    store.write_failure(other, Failure(kind="crash", message="gone", phase="run"))
    frame = store_frame(store)
    assert tuple(frame.columns) == COLUMNS
    assert sorted(frame["status"]) == ["done", "failed"]
    assert frame.set_index("status").loc["failed", "error"] == "crash in run: gone"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@settings(
    max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(row=st.dictionaries(st.text(), json_values, max_size=5), log=st.text())
def test_any_row_survives_the_store(store, row, log):
    """Whatever JSON can say comes back unchanged, in any script."""
    shutil.rmtree(store.folder(IDENTITY.key), ignore_errors=True)  # of the example before
    store.write_result(IDENTITY, row, {}, {}, log)
    record = store.read(IDENTITY.key)
    assert record.status is Status.DONE
    assert canonical_json(record.row) == canonical_json(row)


def test_key_depends_on_content_and_nothing_else():
    """Any field of the cell and any hash changes the key; the order of keys does not."""
    keys = {IDENTITY.key}
    changes = {
        "dataset": "x", "category": "x", "noise": 20.0, "protocol": "x", "seed": 1, "method": "x",
        "settings": "x", "backbone": "x", "image_size": 64, "evaluation": "x",
    }  # fmt: skip
    for name, value in changes.items():
        cell = Cell(**{**CELL.as_dict(), name: value})
        keys.add(Identity(cell=cell, hashes=IDENTITY.hashes).key)
    for name in IDENTITY.hashes:
        keys.add(Identity(cell=CELL, hashes={**IDENTITY.hashes, name: "0"}).key)
    assert len(keys) == 1 + len(changes) + len(IDENTITY.hashes)
    backwards = dict(reversed(list(IDENTITY.hashes.items())))
    assert Identity(cell=CELL, hashes=backwards).key == IDENTITY.key
