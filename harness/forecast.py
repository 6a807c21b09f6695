"""How long cells will take, judged by cells like them that have finished."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .cell import Cell
from .store import Status

if TYPE_CHECKING:
    import pyarrow as pa

# Method, settings, backbone and image size say most of what a cell costs; dataset and category,
# which say how many images there are, most of the rest.
Kind = tuple[str, str, str, int, str, str]
KIND = ("method", "settings", "backbone", "image_size", "dataset", "category")
SHARED = 4  # of a kind's parts, those without dataset and category
# What says how long a cell took, as `_seconds` takes it.
MEASURED = (
    *("wall_s", "fit_s", "fit_shared", "features_s", "score_ms_per_image"),
    *("n_test_good", "n_test_anomalous"),
)
# The columns of the tidy frame that a forecast looks at.
LEARNED_FROM = ("status", *KIND, "device", *MEASURED)


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

    def learn(self, cells: pa.Table) -> str:
        """Learn from finished cells of a store.

        Parameters
        ----------
        cells
            `LEARNED_FROM` at least, of the index of a store.

        Returns
        -------
        str
            The kind of device that all the cells learned from ran on, ``"cpu"`` or ``"cuda"``: the
            one that most of them did; empty where there are none.
        """
        left = {kind[:SHARED] for kind in self._left}
        mine = [group for group in _groups(cells) if group.kind[:SHARED] in left]
        counts: Counter[str] = Counter()
        for group in mine:
            counts[group.device] += group.cells
        if not counts:
            return ""
        most = min(counts, key=lambda device: (-counts[device], device))
        for group in mine:
            if group.device == most and group.timed.count:
                self._learn(group.kind, group.timed.total, group.timed.count)
        return most


@dataclass(slots=True)
class _Group:
    """The finished cells of one kind on one kind of device, and the times that are known."""

    kind: Kind
    device: str
    cells: int = 0
    timed: Mean = field(default_factory=Mean)


def _groups(cells: pa.Table) -> list[_Group]:
    """Put the finished cells of a store together by what their cost depends on."""
    names = ("status", "device", *KIND, *MEASURED)
    found: dict[tuple[str, ...], _Group] = {}
    # Plain lists: pyarrow's own grouping loads pandas, which takes longer than 100,000 rows do.
    for status, device, *values in zip(*(cells[n].to_pylist() for n in names), strict=True):
        if status == Status.DONE.value:
            kind: Any = tuple(values[: len(KIND)])
            group = found.get((device, *kind))
            if group is None:
                group = _Group(kind, (device or "").partition(":")[0])
                found[device, *kind] = group
            group.cells += 1
            seconds = _seconds(*values[len(KIND) :])
            if seconds is not None:
                group.timed.add(seconds, 1)
    return list(found.values())


def _seconds(
    whole: float | None,
    fit: float | None,
    fit_shared: bool | None,
    features: float | None,
    per_image_ms: float | None,
    good: int | None,
    anomalous: int | None,
) -> float | None:
    """Return what a cell took; of one that did not measure it, the sum of its parts."""
    if whole is not None:
        return whole
    if fit is None or features is None or per_image_ms is None or good is None or anomalous is None:
        return None
    return (0.0 if fit_shared else fit) + features + per_image_ms * (good + anomalous) / 1000
