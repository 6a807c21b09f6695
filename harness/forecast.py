"""How long cells will take, judged by cells like them that have finished."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .cell import Cell
from .store import Status

if TYPE_CHECKING:
    import pandas as pd

# Method, settings, backbone and image size say most of what a cell costs; dataset and category,
# which say how many images there are, most of the rest.
Kind = tuple[str, str, str, int, str, str]
KIND = ("method", "settings", "backbone", "image_size", "dataset", "category")
SHARED = 4  # of a kind's parts, those without dataset and category
# The columns of the tidy frame that a forecast looks at.
LEARNED_FROM = (
    *("status", *KIND, "device", "wall_s", "fit_s", "fit_shared", "features_s"),
    *("score_ms_per_image", "n_test_good", "n_test_anomalous"),
)


def kind_of(cell: Cell) -> Kind:
    """Return what a cell's cost depends on."""
    named = (cell.method, cell.settings, cell.backbone, cell.image_size)
    return (*named, cell.dataset, cell.category)


@dataclass(slots=True)
class Mean:
    """A mean that grows."""

    total: float = 0.0
    count: int = 0

    def add(self, total: float, count: int) -> None:
        """Take more values by their sum."""
        self.total += total
        self.count += count

    @property
    def value(self) -> float:
        """Return the mean so far."""
        return self.total / self.count


class Forecast:
    """The time that cells still need.

    Parameters
    ----------
    left
        Cells to run.
    jobs
        Processes side by side; may be set anew.
    """

    def __init__(self, left: Iterable[Cell], jobs: int) -> None:
        self._left = Counter(map(kind_of, left))
        self.jobs = max(1, jobs)
        self._exact: dict[Kind, Mean] = defaultdict(Mean)
        self._alike: dict[tuple[object, ...], Mean] = defaultdict(Mean)
        self._all = Mean()

    def add(self, kind: Kind, seconds: float) -> None:
        """Learn from a finished cell; one of a method that is not left teaches nothing."""
        if not any(kind[:SHARED] == other[:SHARED] for other in self._left):
            return
        self._learn(kind, seconds, 1)

    def _learn(self, kind: Kind, seconds: float, count: int) -> None:
        for mean in (self._exact[kind], self._alike[kind[:SHARED]], self._all):
            mean.add(seconds, count)

    def end(self, cell: Cell) -> None:
        """Note that a cell is not left any more."""
        self._left[kind_of(cell)] -= 1

    @property
    def learned(self) -> int:
        """Return from how many cells."""
        return self._all.count

    @property
    def unknown(self) -> list[str]:
        """Return the methods with cells left of which none has been seen to finish."""
        kinds = [kind for kind, count in self._left.items() if count > 0]
        return sorted({kind[0] for kind in kinds if kind[:SHARED] not in self._alike})

    def seconds(self) -> float | None:
        """Return the seconds that are left; None where nothing has been seen to finish.

        A cell counts with the mean of its method on its category, else of its method, else of all
        that has been seen. All processes are taken to be busy until the end.
        """
        if not self._all.count:
            return None
        total = sum(count * self._one(kind) for kind, count in self._left.items() if count > 0)
        return total / min(self.jobs, max(1, sum(c for c in self._left.values() if c > 0)))

    def _one(self, kind: Kind) -> float:
        if kind in self._exact:
            return self._exact[kind].value
        return self._alike.get(kind[:SHARED], self._all).value

    def learn(self, frame: pd.DataFrame) -> str:
        """Learn from finished cells of a store.

        Parameters
        ----------
        frame
            As `frames.store_frame` returns it, with `LEARNED_FROM` at least.

        Returns
        -------
        str
            The kind of device that all the cells learned from ran on, ``"cpu"`` or ``"cuda"``: the
            one that most of them did; empty where there are none.
        """
        done: Any = frame.loc[frame["status"] == Status.DONE.value, list(LEARNED_FROM)]
        left = {kind[:SHARED] for kind in self._left}
        kinds, numbers = _kinds_of(done)
        wanted = np.array([kind[:SHARED] in left for kind in kinds], dtype=bool)
        mine = wanted[numbers]
        done, numbers = done[mine], numbers[mine]
        if done.empty:
            return ""
        devices = done["device"].str.partition(":")[0]
        most = str(devices.mode().iloc[0])
        seconds = _seconds_of(done)
        known = np.asarray(devices == most, dtype=bool) & ~np.isnan(seconds)
        numbers, seconds = numbers[known], seconds[known]
        totals = np.bincount(numbers, weights=seconds, minlength=len(kinds))
        counts = np.bincount(numbers, minlength=len(kinds))
        for number in np.flatnonzero(counts):
            self._learn(kinds[number], float(totals[number]), int(counts[number]))
        return most


def _kinds_of(cells: Any) -> tuple[list[Kind], np.ndarray]:
    """Return the kinds of cells, each once, and the place in that list of each cell's."""
    groups = cells.groupby(list(KIND), sort=False, dropna=False).ngroup().to_numpy()
    once = cells[list(KIND)].drop_duplicates()
    return list(once.itertuples(index=False, name=None)), groups


def _seconds_of(cells: Any) -> np.ndarray:
    """Return what each cell took; of one that did not measure it, the sum of its parts."""
    parts = cells["fit_s"].where(~cells["fit_shared"].fillna(False).astype(bool), 0.0)
    tested = cells["n_test_good"] + cells["n_test_anomalous"]
    parts = parts + cells["features_s"] + cells["score_ms_per_image"] * tested / 1000
    return cells["wall_s"].fillna(parts).to_numpy(dtype=float)
