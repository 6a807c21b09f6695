"""Tasks of a tiny table for tests that call an engine by itself."""

import time
from dataclasses import replace

from adrepro.harness.engines.base import EngineOptions
from adrepro.harness.grid import Grid
from adrepro.harness.plan import make_plan
from adrepro.harness.store import Store

WAIT_S = 180


def plan_of(world, *methods, seeds=2, categories=("bottle",), overrides=None):
    """Return the plan of a small grid on the tiny dataset."""
    grid = Grid(
        target="run", methods=methods, datasets=("mvtec_ad",), noise=(0.0,), seeds=seeds,
        protocols=("fixed-test",), categories=categories, overrides=overrides or {},
    )  # fmt: skip
    return make_plan(grid, data_root=world.data, cache=None, workers=1)


def tasks_of(world, *methods, **grid):
    """Return a store and the tasks of a small grid."""
    store = Store(world.store, create=True)
    made = plan_of(world, *methods, **grid)
    tasks = [c.task(store.root, "cpu", keep_maps=False, exclusive=False) for c in made.distinct]
    return store, tasks


def options_of(store, **given):
    """Return options for one process on the CPU."""
    return replace(EngineOptions(cache=store.features.absolute()), **given)


class Heard(list):
    """A listener that keeps all events."""

    def __call__(self, event):
        """Take an event."""
        self.append(event)

    def ends(self):
        """Return label → how the cell ended; each cell exactly once."""
        ended = [event for event in self if event.kind in {"done", "failed"}]
        assert len({event.task.identity.key for event in ended}) == len(ended)
        return {e.task.label: e.kind for e in ended}

    def by_seed(self):
        """Return how the cells of one method and category ended, by seed."""
        self.ends()
        ended = [event for event in self if event.kind in {"done", "failed"}]
        return {event.task.identity.cell.seed: event.kind for event in ended}


def score_bytes(store):
    """Return key → bytes of the stored scores."""
    return {key: (store.folder(key) / "scores.npz").read_bytes() for key in store}


def wait_until(holds):
    """Wait for something that another process brings about."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
