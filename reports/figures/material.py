"""What figures are drawn from: a table's model and, for single cells, what is stored of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from ...tables.model import TableModel
from ...tables.runs import Run, Status
from ...tables.statistics.places import AVERAGE, Place
from ...tables.statistics.summary import Statistics, has_statistics, summarise_runs
from ..curves import panels
from ..evidence import Evidence, EvidenceSource
from ..statistics_section import asked_of

DEFAULT_METRIC = "image_auroc"


@dataclass(frozen=True, kw_only=True)
class Material:
    """What figures are drawn from.

    Attributes
    ----------
    model
        The table.
    evidence
        Gives what is stored about a cell; None where there is no store.
    cells
        The runs that figures of single cells show, all of one place: dataset, category, level and
        seed, a run per method.
    """

    model: TableModel
    evidence: EvidenceSource | None = None
    cells: tuple[Run, ...] = ()

    @property
    def metric(self) -> str:
        """The quantity of figures that show one: the table's first mean of fractions."""
        known = (name for name in self.model.metrics if has_statistics(name))
        return next(known, DEFAULT_METRIC)

    @cached_property
    def statistics(self) -> Statistics | None:
        """Statistics of that quantity; None without results."""
        runs = [run for run in self.model.runs if run.status is Status.DONE]
        if not runs:
            return None
        return summarise_runs(self.model.runs, self.metric, asked=asked_of(self.model))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the datasets with runs, in the target's order."""
        used = {run.dataset for run in self.model.runs}
        return tuple(data.name for data in self.model.target.run.datasets if data.name in used)

    def dataset_title(self, name: str) -> str:
        """Return a dataset's printed name."""
        labels = {data.name: data.label for data in self.model.target.run.datasets}
        return labels.get(name) or name

    def category_title(self, dataset: str, category: str) -> str:
        """Return a category's printed name; that of its dataset where this has no other."""
        if dataset.rpartition("_")[2] == category:  # (synthetic_)ksdd2: named after its only one
            return self.dataset_title(dataset)
        for own, name, label in self.model.categories:
            if (own, name) == (dataset, category):
                return label
        return category

    def found(self) -> Iterator[tuple[Run, Evidence]]:
        """Yield the chosen runs that the store has evidence of, in the order of methods."""
        order = {method.name: index for index, method in enumerate(self.model.methods)}
        cells = sorted(self.cells, key=lambda run: order.get(run.method, len(order)))
        for run in cells if self.evidence else ():
            assert self.evidence is not None
            if run.key and (evidence := self.evidence(run.key)) is not None:
                yield run, evidence

    @property
    def place(self) -> str:
        """Name of the place that the chosen cells share."""
        if not self.cells:
            return ""
        run = self.cells[0]
        names = (self.dataset_title(run.dataset), self.category_title(run.dataset, run.category))
        where = ", ".join(dict.fromkeys(names))
        return f"{where}, {run.noise:g} % label noise, seed {run.seed}"


def averages(places: Iterable[Place], dataset: str) -> list[Place]:
    """Return a dataset's averages; those of a dataset of one category are its category's places."""
    own = [place for place in places if place.dataset == dataset]
    found = [place for place in own if place.category == AVERAGE]
    return found or (own if len({place.category for place in own}) == 1 else [])


def default_cells(model: TableModel) -> tuple[Run, ...]:
    """Choose a place for figures of single cells: first category, highest level, first seed."""
    done = [run for run in model.runs if run.status is Status.DONE]
    if not done:
        return ()
    first = next((name for name in model.categories if any(_in(run, name) for run in done)), None)
    own = [run for run in done if first is None or _in(run, first)]
    level = max(run.noise for run in own)
    seed = min(run.seed for run in own if run.noise == level)
    return tuple(run for run in own if (run.noise, run.seed) == (level, seed))


def _in(run: Run, category: tuple[str, str, str]) -> bool:
    return (run.dataset, run.category) == category[:2]


def no_levels(model: TableModel) -> str:
    """Say why nothing can be drawn over noise levels; empty where it can."""
    if not model.blocks:
        return "there is no table"
    return "" if panels(model) or len({run.noise for run in model.runs}) > 1 else "one noise level"
