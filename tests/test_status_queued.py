"""`reproduce status` says which cells wait in a store for workers."""

import json

import pytest
from here import plan_here, run_here

from adrepro.harness.requests import write_request
from adrepro.harness.store import Failure, Store


def told(world, *target):
    """Return what `status` prints, and what it tells programs of queued cells."""
    places = (*target, "--store", world.store)
    assert world.reproduce("status", *places, "--json") == 0, world.stderr
    queued = json.loads(world.stdout)["queued"]
    assert world.reproduce("status", *places) == 0, world.stderr
    return world.stdout.splitlines(), queued


@pytest.fixture
def store(world):
    world.store = world.root / "a store"
    return Store(world.store, create=True)


def test_queued_cells_are_counted_until_they_have_ended(world, store):
    """Of all requests each cell once, with what to type; those done or failed wait no more."""
    plan = plan_here(world.data, seeds=3)
    command = f"reproduce worker --store '{world.store}'"
    for maps in (False, True):
        write_request(store, plan, keep_maps=maps)
    line = f"3 cells are queued for workers: {command}"
    assert told(world) == ([line], {"cells": 3, "command": command}), "and no empty table"
    assert run_here(plan_here(world.data, seeds=1), store) == []
    failure = Failure(kind="crash", message="x", phase="run")
    store.write_failure(plan.distinct[1].identity, failure)
    said, queued = told(world)
    assert f"1 cell is queued for workers: {command}" in said
    assert any(one.startswith("method") for one in said)
    assert queued == {"cells": 1, "command": command}
    run_here(plan, store)
    said, queued = told(world)
    assert not [one for one in said if "queued" in one]
    assert queued == {"cells": 0, "command": ""}


def test_of_what_is_asked_for_only_its_own_cells_are_queued(world, store):
    """With --method and --dataset, cells of other requests are not counted."""
    write_request(store, plan_here(world.data, "toys:ImageOnly"), keep_maps=False)
    asked = ("-m", "toys:PixelMean", "-d", "mvtec_ad", "-c", "bottle", "--noise", "0")
    asked += ("--seeds", "2", "--data-root", world.data)
    assert told(world, *asked)[1] == {"cells": 0, "command": ""}
    write_request(store, plan_here(world.data, seeds=1), keep_maps=False)
    said, queued = told(world, *asked)
    assert queued["cells"] == 1
    assert said[-1].startswith("1 cell is queued for workers: reproduce worker")
    assert told(world)[1]["cells"] == 2


def test_request_that_cannot_be_read_is_told(world, store):
    """One that was cut: a note says what to do, the other requests are counted."""
    whole = write_request(store, plan_here(world.data, seeds=2), keep_maps=False)
    cut = write_request(store, plan_here(world.data, "toys:ImageOnly"), keep_maps=False)
    path = store.root / "requests" / f"{cut}.json"
    path.write_bytes(path.read_bytes()[:-9])
    assert cut != whole
    assert told(world)[1]["cells"] == 2
    (note,) = world.stderr.splitlines()
    assert note.startswith(f"note: {path}: ")
    assert "remove it and queue the run again" in note
