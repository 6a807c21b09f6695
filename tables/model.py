"""The model of a rendered table: achieved and reported numbers, laid out as the paper does.

`assemble.build_model` fills it; renderers in `reports` only choose glyphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from .formatting import level_title
from .layout import Line, Place
from .outcome import Outcome
from .printed import ReportedBlock
from .runs import Run, Status
from .spec import ReportedNumber, Target
from .standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodInfo:
    """What a table says about a method, whoever wrote it.

    Attributes
    ----------
    name, title, paper
        Registered name, printed name, short citation.
    paper_backbone
        Backbone of the method's paper, named as in the result frame; None if it uses none.
    paper_image_size
        Side of the square input in pixels, the method's paper's.
    departures
        Where the implementation departs from its paper, a sentence each.
    overrides
        Settings of this run that are not the paper's, e.g. ``"epochs 30 instead of 240"``.
    """

    name: str
    title: str
    paper: str = ""
    paper_backbone: str | None = None
    paper_image_size: int | None = None
    departures: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What the models behind one cell of a table were trained on.

    Attributes
    ----------
    n_train, n_train_noisy, noise_effective
        Training images, mislabelled ones among them, and their share in percent; means over seeds
        (for an average also over categories), None where the frame does not say.
    missed
        Dataset, category, nominal and reached level in percent where a seed that is done did not
        reach its level, and whether no whole number of its training images comes nearer; never
        filled where a level is no true fraction.
    """

    n_train: Fraction | None = None
    n_train_noisy: Fraction | None = None
    noise_effective: Fraction | None = None
    missed: tuple[tuple[str, str, str, str, bool], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One quantity of one place: what was achieved and, where comparable, what was reported.

    ``difference`` is achieved minus reported in the unit of the quantity (percentage points for
    percent), of the digits shown.
    """

    method: str
    metric: str
    outcome: Outcome
    best: bool = False
    reported: ReportedNumber | None = None
    difference: Decimal | None = None
    training: Training = Training()

    @property
    def off_level(self) -> bool:
        """Whether a number stands here that was made at another level than its column says."""
        return self.outcome.estimate is not None and bool(self.training.missed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A cell of a table: its place and an entry for each quantity of its pattern."""

    place: Place
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockRow:
    """A row of a block: its specification and a cell per column."""

    spec: Line
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One table: that of a method where methods have blocks, else of several methods.

    Attributes
    ----------
    spec
        Its line; the id is the method's name where methods have blocks.
    rows
        From top to bottom.
    method
        Name of the method whose block it is; None where rows or columns name methods.
    """

    spec: Line
    rows: tuple[BlockRow, ...]
    method: str | None = None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All entries, in reading order."""
        return tuple(e for row in self.rows for cell in row.cells for e in cell.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodRuns:
    """What is known about a method's runs in a table.

    Attributes
    ----------
    name, title, info
        Name, printed name, and what is known about it (None if nothing was handed in).
    facts
        Column of the frame → its distinct values over the method's runs, as texts.
    seeds
        Number of seeds planned.
    has_counterpart
        Whether the paper reports numbers of this method at all.
    departures
        Why reported numbers are not set against these; empty if they may be.
    """

    name: str
    title: str
    info: MethodInfo | None
    facts: Mapping[str, tuple[str, ...]]
    seeds: int
    has_counterpart: bool
    departures: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether reported numbers stand beside the achieved ones."""
        return self.has_counterpart and not self.departures


@dataclass(frozen=True, kw_only=True)
class TableModel:
    """Everything a renderer needs.

    Attributes
    ----------
    target
        The published table or the generic grid.
    columns
        Columns of every block.
    blocks
        The tables.
    methods
        Methods with results, in order.
    reported
        The paper's tables; empty where the data are synthetic or no paper is behind the target.
    curve
        Rows that the noise curve draws, a panel each; empty where blocks are the panels.
    beside
        Ids of the curve rows, or blocks, whose reported numbers may be drawn beside the achieved.
    standings
        Which method wins where, per dataset and level.
    few_seeds
        Sentence on fewer seeds than the paper's trials, also in ``notes``; else empty.
    synthetic
        Whether the results were made on the embedded synthetic data.
    runs
        All runs inside the table.
    notes
        What a reader must know, a sentence each.
    """

    target: Target
    columns: tuple[Line, ...]
    blocks: tuple[Block, ...]
    methods: tuple[MethodRuns, ...]
    reported: tuple[ReportedBlock, ...]
    synthetic: bool
    runs: tuple[Run, ...]
    curve: tuple[Line, ...] = ()
    beside: tuple[str, ...] = ()
    standings: tuple[Standing, ...] = ()
    few_seeds: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def failures(self) -> tuple[Run, ...]:
        """Runs that failed, in the frame's order."""
        return tuple(run for run in self.runs if run.status is Status.FAILED)

    def count(self, status: Status) -> int:
        """Count the runs with a status."""
        return sum(run.status is status for run in self.runs)

    @property
    def level_title(self) -> str:
        """What the levels of this run are, by its noise protocol: the title of their axis."""
        return level_title(p for method in self.methods for p in method.facts["protocol"])

    @property
    def levels(self) -> tuple[float, ...]:
        """Noise levels of the table, in the order of the run."""
        used = {run.noise for run in self.runs}
        return tuple(noise for noise in self.target.run.noise if noise in used)

    @property
    def over_noise(self) -> bool:
        """Whether the columns are noise levels."""
        return bool(self.columns) and all(line.at.noise is not None for line in self.columns)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Quantities of the table, each once."""
        cells = (cell for block in self.blocks for row in block.rows for cell in row.cells)
        return tuple(dict.fromkeys(name for cell in cells for name in cell.place.metrics))

    @property
    def categories(self) -> tuple[tuple[str, str, str], ...]:
        """Dataset, category and printed name of every category with a run."""
        lines = (row.spec for block in self.blocks for row in block.rows)
        labels = {(line.at.dataset, line.at.category): line.label for line in lines}
        places = dict.fromkeys(
            (data.name, category)
            for data in self.target.run.datasets
            for category in data.categories
        )
        used = {(run.dataset, run.category) for run in self.runs}
        return tuple((*p, labels.get(p, p[1])) for p in places if p in used)

    def method(self, name: str) -> MethodRuns:
        """Return a method with results."""
        return next(method for method in self.methods if method.name == name)

    def method_title(self, name: str) -> str:
        """Return a method's printed name: the run's, else the paper's, else the name itself."""
        for method in self.methods:
            if method.name == name:
                return method.title
        paper = self.target.paper
        return paper.methods.get(name, name) if paper else name


def reason(error: str) -> str:
    """Return the first line of an error text, with the home folder written as ``~``."""
    line = next((part.strip() for part in error.splitlines() if part.strip()), "")
    home = str(Path.home())
    return (line.replace(home, "~") if len(home) > 1 else line) or "no reason recorded"
