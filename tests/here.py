"""Run cells in this process, without workers: for tests of what a cell does, not of who runs it."""

from pathlib import Path

from adrepro.harness.grid import Grid
from adrepro.harness.plan import Plan, make_plan
from adrepro.harness.run_cell import run_cell
from adrepro.harness.store import Store
from adrepro.methods.features import FeatureProvider


def plan_here(data: Path, method: str = "toys:PixelMean", **changes) -> Plan:
    """Plan a small grid on the tiny dataset."""
    asked = {
        "target": "run", "datasets": ("mvtec_ad",), "categories": ("bottle",),
        "methods": tuple(method.split(",")), "noise": (0.0,), "seeds": 1,
    }  # fmt: skip
    return make_plan(Grid(**(asked | changes)), data_root=data, cache=None, workers=1)


def run_here(plan: Plan, store: Store, *, maps: bool = False) -> list:
    """Run what the store lacks of a plan, one cell after the other; return the failures."""
    failures = []
    for planned in plan.pending(store):
        features = FeatureProvider(planned.method.spec, "cpu", store.features)
        task = planned.task(store.root, "cpu", keep_maps=maps, exclusive=True)
        failures.append(run_cell(task, features, lambda _fraction, _text: None))
    return [failure for failure in failures if failure is not None]
