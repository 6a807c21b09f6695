"""The index of a store is fast, says what the cells say, and is never believed over them."""

import io
import os
import random
import shutil
import time

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from adrepro.datasets.errors import StoreError
from adrepro.harness import index as indexes
from adrepro.harness.cell import Cell, Identity
from adrepro.harness.files import write_atomic
from adrepro.harness.frames import COLUMNS, frame_csv, settle, store_frame, to_frame
from adrepro.harness.index import NAME, open_index
from adrepro.harness.store import Failure, Status, Store

ROW = {"image_auroc": 0.75, "n_train": 8, "fit_shared": True, "exclusive": False, "stacked": 1}


def identity_of(seed: int, method: str = "toy") -> Identity:
    cell = Cell(
        dataset="mvtec_ad", category="bottle", noise=10.0, protocol="fixed-test/1", seed=seed,
        method=method, settings="{}", backbone="none", image_size=32, evaluation="eval/2",
    )  # fmt: skip
    return Identity(cell=cell, hashes={"method": "b" * 64})


def publish(store: Store, identity: Identity, **row) -> None:
    store.write_result(identity, identity.cell.as_dict() | ROW | row, {}, {"env": {}}, "log")


def publish_scored(store: Store) -> None:
    """Publish a seventh cell, with a file of scores; none of its files is young."""
    scores = {"scores": {"test_scores": np.arange(4.0)}}
    identity = identity_of(6)
    store.write_result(identity, identity.cell.as_dict() | ROW, scores, {"env": {}}, "log")
    time.sleep(0.02)


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Four done cells, a failed and a damaged one, none of them young."""
    made = Store(tmp_path / "store", create=True)
    for seed in range(4):
        publish(made, identity_of(seed), image_auroc=seed / 3, warnings=["a", "b"][:seed])
    failure = Failure(kind="RuntimeError", message="no", phase="fit")
    made.write_failure(identity_of(4), failure)
    publish(made, identity_of(5))
    (made.folder(identity_of(5).key) / "log.txt").write_text("gol")
    monkeypatch.setattr(indexes, "SETTLED_NS", 0)
    time.sleep(0.02)  # longer than the clock's grain
    return made


def check(store: Store, read: int) -> None:
    """Hold the index against a full read, and count what it had to read."""
    opened = open_index(store)
    assert opened.read == read
    assert_frame_equal(opened.frame(), store_frame(store))
    records = {key: store.read(key).status for key in store}
    assert opened.statuses() == records


def test_second_look_reads_nothing_and_says_the_same(store):
    """After the first indexing no cell is read again; the frame is that of a full read."""
    check(store, read=6)
    check(store, read=0)
    assert set(open_index(store).statuses().values()) == {
        Status.DONE, Status.FAILED, Status.DAMAGED,
    }  # fmt: skip


def test_new_changed_and_deleted_cells_are_noticed(store):
    """An edit, a cut, a deletion and a new cell are each read again, and nothing else is."""
    check(store, read=6)
    folders = [store.folder(identity_of(seed).key) for seed in range(6)]
    result = folders[0] / "result.json"
    result.write_bytes(result.read_bytes().replace(b"0.0", b"0.1"))
    check(store, read=1)
    (folders[1] / "env.json").unlink()
    check(store, read=1)
    os.truncate(folders[2] / "result.json", 1)
    check(store, read=1)
    shutil.rmtree(folders[3])
    check(store, read=0)
    publish(store, identity_of(4))  # the failed one
    publish(store, identity_of(9))
    check(store, read=2)
    assert len(open_index(store).frame()) == 6


def test_edit_that_hides_its_time_is_noticed(store):
    """A file changed in place with its old size and time of change set back is read again."""
    check(store, read=6)
    path = store.folder(identity_of(0).key) / "result.json"
    before = path.stat()
    path.write_bytes(path.read_bytes().replace(b"0.0", b"0.1"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    check(store, read=1)
    assert open_index(store).statuses()[identity_of(0).key] is Status.DAMAGED


@pytest.mark.parametrize("name", ["result.json", "scores.npz"])
def test_edit_in_place_of_a_watched_file_is_noticed(store, name):
    """A result or a file of scores that is overwritten in place, size unchanged, is read again."""
    publish_scored(store)
    check(store, read=7)
    path = store.folder(identity_of(6).key) / name
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    check(store, read=1)
    assert open_index(store).statuses()[identity_of(6).key] is Status.DAMAGED


@pytest.mark.parametrize("name", ["env.json", "log.txt", "scores.npz", "result.json"])
def test_any_file_that_is_replaced_added_or_removed_is_noticed(store, name):
    """Whatever the store itself can do to a file of a cell, watched or not, is seen at once."""
    publish_scored(store)
    check(store, read=7)
    folder = store.folder(identity_of(6).key)
    whole = (folder / name).read_bytes()
    write_atomic(folder / name, whole[:-1] + b"?")
    check(store, read=1)
    (folder / name).unlink()
    check(store, read=1)
    write_atomic(folder / name, whole)
    check(store, read=1)
    write_atomic(folder / "maps.npz", b"more")
    check(store, read=1)


def test_edit_in_place_of_another_file_is_found_by_a_full_read(store):
    """A log that is overwritten in place is not looked at: --full finds it, and it stays found."""
    check(store, read=6)
    key = identity_of(0).key
    (store.folder(key) / "log.txt").write_text("gol")
    assert open_index(store).statuses()[key] is Status.DONE
    assert open_index(store, full=True).statuses()[key] is Status.DAMAGED
    assert open_index(store).statuses()[key] is Status.DAMAGED
    check(store, read=0)


def test_some_columns_are_those_of_all(store):
    """Asked for some columns, the index has them alone, and they say what they say among all."""
    whole = open_index(store).table
    for _ in range(2):  # after reading the cells, and after reading the index
        some = open_index(store, columns=("status", "key", "label"))
        assert some.table.equals(whole.select(["status", "key", "label"]))
        assert some.statuses() == open_index(store).statuses()
        (store.root / NAME).unlink(missing_ok=True)


def test_young_cells_are_not_remembered(store, monkeypatch):
    """What was written within the clock's grain is read again: it may change without a trace."""
    monkeypatch.setattr(indexes, "SETTLED_NS", 10**12)
    check(store, read=6)
    check(store, read=6)


def test_flipped_bit_without_a_trace_is_found_by_a_full_read(store, monkeypatch):
    """Where times and sizes tell nothing, --full still finds what the index cannot see."""
    monkeypatch.setattr(indexes, "_stamp", lambda *_args, **_options: 0)
    check(store, read=6)
    path = store.folder(identity_of(0).key) / "log.txt"
    path.write_bytes(b"loG")
    key = identity_of(0).key
    assert open_index(store).statuses()[key] is Status.DONE
    assert open_index(store, full=True).statuses()[key] is Status.DAMAGED
    assert open_index(store).statuses()[key] is Status.DAMAGED


def test_damaged_index_is_made_anew(store):
    """Cut anywhere, any bit flipped, garbage, or of other code: the cells are read again."""
    check(store, read=6)
    path = store.root / NAME
    whole = path.read_bytes()
    rng = random.Random(0)
    broken = [whole[: rng.randrange(len(whole))] for _ in range(20)] + [b"", b"x" * 100]
    for _ in range(40):
        flipped = bytearray(whole)
        flipped[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        broken.append(bytes(flipped))
    for data in broken:
        path.write_bytes(data)
        assert open_index(store).read == 6
    check(store, read=0)
    assert path.read_bytes() == whole


def test_index_of_other_code_is_made_anew(store, monkeypatch):
    """An index that another version of the code made is not believed."""
    check(store, read=6)
    monkeypatch.setattr(indexes, "_made_by", lambda: b"?" * 32)
    check(store, read=6)


def test_copied_index_is_not_believed(store, tmp_path):
    """A store that was copied with its times is read once; a moved one keeps its index."""
    check(store, read=6)
    copied = Store(shutil.copytree(store.root, tmp_path / "copy"))
    time.sleep(0.02)
    check(copied, read=6)
    check(Store(store.root.rename(tmp_path / "moved")), read=0)


def test_store_that_cannot_be_written_works_without(store, monkeypatch):
    """Where no index can be kept, every look reads the cells and says the same."""

    def refuse(path, data):
        raise StoreError("cannot write")

    monkeypatch.setattr(indexes.files, "write_atomic", refuse)
    check(store, read=6)
    check(store, read=6)
    assert not (store.root / NAME).exists()


def test_row_that_is_no_row_is_named(store):
    """A checksummed result whose count is a word stops with the file and the column."""
    publish(store, identity_of(7), n_train="many")
    with pytest.raises(StoreError, match=r"result\.json: n_train is 'many', expected int64"):
        open_index(store)


def test_empty_store(tmp_path):
    """A store without cells has an empty frame with all columns."""
    check(Store(tmp_path / "store", create=True), read=0)


def test_settled_frames_do_not_depend_on_how_they_were_made():
    """Missing values as None, as NaN or not there at all give one frame; twice changes nothing."""
    bare = {"key": "a", "status": "failed", "error": None}
    spelled = dict.fromkeys(COLUMNS) | bare
    nan = dict.fromkeys(COLUMNS, float("nan")) | bare | {"warnings": None}
    frames = [to_frame([row, {"key": "b", "n_train": 3}]) for row in (bare, spelled, nan)]
    for other in frames[1:]:
        assert_frame_equal(frames[0], other)
    assert_frame_equal(settle(frames[0].copy()), frames[0])


def test_csv_reads_back(store):
    """The CSV of `export` holds every value, also texts with commas, quotes and line ends."""
    publish(store, identity_of(8), settings='{"a":"x, \\"y\\"\n"}', image_ap=1 / 3)
    frame = store_frame(store)
    again = pd.read_csv(io.BytesIO(frame_csv(frame)))
    assert tuple(again.columns) == COLUMNS
    assert_frame_equal(
        again[["image_auroc", "image_ap", "n_train"]], frame[["image_auroc", "image_ap", "n_train"]]
    )
    assert list(again["settings"].dropna()) == list(frame["settings"].dropna())


def test_commands_use_the_index_and_the_run_does_not(world, monkeypatch):
    """status, export and plan see what the index says; a run reads the cells themselves."""
    one = ("-c", "bottle", "--seeds", "1")
    monkeypatch.setattr(indexes, "_stamp", lambda *_args, **_options: 0)
    assert world.run(*one) == 0
    plan = ("plan", "-m", "toys:PixelMean", "-d", "mvtec_ad", *world.places, *one)
    assert world.reproduce(*plan) == 0
    assert "1 in the store, 0 to run" in world.stdout
    (key,) = Store(world.store)
    (Store(world.store).folder(key) / "scores.npz").write_bytes(b"rot")
    assert world.reproduce("status", "--store", world.store) == 0
    assert "done" in world.stdout
    assert world.reproduce("status", "--store", world.store, "--full") == 0
    assert "scores.npz does not match its checksum" in world.stdout
    assert world.reproduce("export", "--store", world.store) == 0
    assert "damaged" in world.stdout
    assert world.run(*one) == 0
    assert "1 cell: 0 in the store, 1 to run" in world.stderr


def test_only_what_is_asked_for_is_looked_at(store):
    """Asked for some keys: these are the truth, new and gone cells too; others are believed."""
    open_index(store)
    keys = [identity_of(number).key for number in range(6)]
    for key in keys[:2]:
        (store.folder(key) / "result.json").write_bytes(b"{}")
    shutil.rmtree(store.folder(keys[5]))
    publish(store, identity_of(7))
    seen = open_index(store, asked={keys[0]})
    states = seen.statuses()
    assert states[keys[0]] is Status.DAMAGED
    assert states[keys[1]] is Status.DONE, "not asked for: as it was"
    assert keys[5] not in states
    assert states[identity_of(7).key] is Status.DONE
    assert seen.read == 2
    assert open_index(store).statuses()[keys[1]] is Status.DAMAGED, "a belief is never kept"
