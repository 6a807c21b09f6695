"""A store whose mark is lost is known by its results, and nothing else is taken for a store."""

import subprocess
from dataclasses import replace

import pytest
from test_store import CELL, IDENTITY, publish

from adrepro.datasets.errors import StoreError
from adrepro.harness import cell as cell_module
from adrepro.harness.cell import Identity
from adrepro.harness.store import Failure, Status, Store
from adrepro.harness.storefolder import is_store

MARK = b'{"adrepro_store":1}'
SPOILT = (None, *(MARK[:length] for length in range(len(MARK))), b"\0" * len(MARK), b"[" * 10**5)


def spoil(store, content):
    """Write something else than the mark, or take it away; return all files as they are then."""
    mark = store.root / "store.json"
    assert mark.read_bytes() == MARK
    mark.unlink() if content is None else mark.write_bytes(content)
    return files_of(store)


def files_of(store):
    return {p: p.read_bytes() for p in store.root.rglob("*") if p.is_file()}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


@pytest.mark.parametrize("failed", [False, True], ids=["done", "failed"])
def test_lost_mark_is_written_anew_by_a_run_alone(store, failed):
    """Whatever happened to the mark: a reader says what to do and writes nothing, a run does it.

    One cell that can be read is enough, behind any that cannot.
    """
    damaged = publish(store, Identity(cell=replace(CELL, seed=1), hashes={})) / "result.json"
    damaged.write_bytes(b"")
    if failed:
        store.write_failure(IDENTITY, Failure(kind="crash", message="x", phase="run"))
    else:
        publish(store)
    whole = files_of(store)
    for content in SPOILT:
        left = spoil(store, content)
        assert is_store(store.root)
        with pytest.raises(StoreError, match="results lie beside it: any `reproduce run`") as told:
            Store(store.root)
        assert "\n" not in str(told.value)
        assert files_of(store) == left
        opened = Store(store.root, create=True)
        assert opened.note.startswith(f"{store.root}/store.json was ")
        assert files_of(store) == whole
        assert not Store(store.root, create=True).note


def test_lost_mark_can_be_typed(tmp_path):
    """What a reader is told to type gives the store back, also below a folder with quotes."""
    store = Store(tmp_path / "it's a $HOME", create=True)
    publish(store)
    spoil(store, b"")
    with pytest.raises(StoreError, match=r"store\.json is empty") as told:
        Store(store.root)
    subprocess.run(str(told.value).partition("or type: ")[2], shell=True, check=True)
    assert Store(store.root).read(IDENTITY.key).status is Status.DONE


@pytest.mark.parametrize("content", SPOILT[:3])
def test_lost_mark_of_a_newer_store_is_not_guessed(store, content, monkeypatch):
    """Results of a later schema: refused, by whoever opens the store, and left alone."""
    monkeypatch.setattr(cell_module, "SCHEMA", 2)
    publish(store)
    monkeypatch.undo()
    left = spoil(store, content)
    for create in (False, True):
        with pytest.raises(StoreError, match=r"newer adrepro \(schema 2\): upgrade"):
            Store(store.root, create=create)
    assert files_of(store) == left


@pytest.mark.parametrize("content", SPOILT[:3])
@pytest.mark.parametrize("made", ["nothing", "foreign", "damaged"])
def test_folder_without_mark_or_results_is_no_store(store, content, made):
    """Where no result can be read, nothing is written: it may be anybody's folder."""
    folder = store.root / "cells" / "ab" / ("ab" + "0" * 62)
    if made == "foreign":
        folder.mkdir(parents=True)
        (folder / "result.json").write_text('{"document": {"schema": 1}}')
    elif made == "damaged":
        path = publish(store) / "result.json"
        path.write_bytes(path.read_bytes()[:-1])
    elif content is None:
        (store.root / "notes.txt").write_text("x")
    left = spoil(store, content)
    assert is_store(store.root) is (content is not None), "what is wrong with a mark is told"
    with pytest.raises(StoreError, match="give --store the folder of a run"):
        Store(store.root)
    with pytest.raises(StoreError, match="give --store a new or an empty folder"):
        Store(store.root, create=True)
    assert files_of(store) == left


@pytest.mark.parametrize("content", SPOILT[:2], ids=["gone", "empty"])
def test_run_goes_on_where_the_mark_is_lost(world, content):
    """`status` says in one line what to do; the same run does it and repeats no cell."""
    run = ("-c", "bottle", "--seeds", "1", "--jobs", "1")
    assert world.run(*run) == 0
    store = Store(world.store)
    results = {path: data for path, data in files_of(store).items() if path.name == "result.json"}
    spoil(store, content)
    assert world.reproduce("status", "--store", world.store) == 2
    (line,) = world.stderr.splitlines()
    assert line.startswith(f"error: {world.store}/store.json is ")
    assert f"--store {world.store} writes it anew" in line
    assert world.run(*run) == 0
    assert "written anew" in world.stderr
    assert results.items() <= files_of(store).items()
    assert world.reproduce("status", "--store", world.store) == 0
