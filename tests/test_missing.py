"""Tunings and cells of one run: what holds for both together."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from adrepro.harness.engines.base import EngineOptions, Event, TooManyFailures
from adrepro.harness.engines.limits import FailureLimit
from adrepro.harness.missing import run_missing
from adrepro.harness.store import Store


@dataclass(frozen=True)
class Tuning:
    """A tuning that cells wait for, as far as limits look at it."""

    identities: tuple[int, ...]
    exclusive: bool = False
    label: str = "tuning x"

    @property
    def planned(self):
        """Return what names it."""
        return SimpleNamespace(key="0" * 64)


@pytest.mark.parametrize(("most", "stops"), [(5, False), (4, True), (3, True)])
def test_tunings_and_cells_have_one_limit(tmp_path, most, stops):
    """--max-failures counts on after the tunings: 2 cells lost to one, then 2 more."""
    store = Store(tmp_path / "store", create=True)

    def engine(tasks, options, listen):
        limit = FailureLimit(options)
        failing = tasks or [SimpleNamespace(identities=(1,), label="cell") for _ in range(2)]
        for task in failing:
            event = Event(kind="failed", task=task, text="x")
            listen(event)
            limit.take(event)

    def run():
        options = EngineOptions(cache=tmp_path, max_failures=most)
        run_missing(
            [], [Tuning((1, 2))], store, engine=engine, options=options, keep_maps=False,
            listen=heard.append,
        )  # fmt: skip

    heard = []
    if stops:
        with pytest.raises(TooManyFailures, match=f"stopped after {most} cells failed"):
            run()
    else:
        run()
    assert sum(len(event.task.identities) for event in heard) == min(most, 4)
