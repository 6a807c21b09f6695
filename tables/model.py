"""The model of a rendered table: achieved and reported numbers, laid out as the paper does.

`assemble.build_model` fills it; renderers in `reports` only choose glyphs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from .aggregate import Outcome, Run, Status
from .formatting import level, level_title
from .spec import ReportedNumber, RowSpec, Target


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
        reach its level; never filled where a level is no true fraction.
    """

    n_train: Fraction | None = None
    n_train_noisy: Fraction | None = None
    noise_effective: Fraction | None = None
    missed: tuple[tuple[str, str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One metric of one place: what was achieved and, where comparable, what was reported.

    ``difference`` is achieved minus reported in percentage points, of the digits shown.
    """

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
class BlockRow:
    """A row of a method's table: its specification and per column the entries of the pattern."""

    spec: RowSpec
    cells: tuple[tuple[Entry, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A method's table.

    Attributes
    ----------
    method, title, info
        Name, printed name, and what is known about it (None if nothing was handed in).
    rows
        From top to bottom.
    facts
        Column of the frame → its distinct values over the method's runs, as texts.
    seeds
        Number of seeds planned.
    has_counterpart
        Whether the paper reports numbers of this method at all.
    departures
        Why reported numbers are not set against these; empty if they may be.
    """

    method: str
    title: str
    info: MethodInfo | None
    rows: tuple[BlockRow, ...]
    facts: Mapping[str, tuple[str, ...]]
    seeds: int
    has_counterpart: bool
    departures: tuple[str, ...]

    @property
    def comparable(self) -> bool:
        """Whether reported numbers stand beside the achieved ones."""
        return self.has_counterpart and not self.departures


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedRow:
    """A row of the paper's own table; per column the printed numbers, None where there is none."""

    spec: RowSpec
    cells: tuple[tuple[ReportedNumber | None, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedBlock:
    """The paper's table as printed, and the numbers of other methods that it states."""

    method: str
    title: str
    rows: tuple[ReportedRow, ...]
    stated: tuple[ReportedNumber, ...] = ()


@dataclass(frozen=True, kw_only=True)
class TableModel:
    """Everything a renderer needs.

    Attributes
    ----------
    target
        The published table or the generic grid.
    columns
        Noise levels in percent.
    blocks
        A table per method.
    reported
        The paper's table; None where the data are synthetic or no paper is behind the target.
    beside
        Ids of the curve rows whose reported numbers may be drawn beside the achieved ones.
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
    columns: tuple[float, ...]
    blocks: tuple[Block, ...]
    reported: ReportedBlock | None
    synthetic: bool
    runs: tuple[Run, ...]
    beside: tuple[str, ...] = ()
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
        return level_title(p for block in self.blocks for p in block.facts["protocol"])

    def column_label(self, column: float) -> str:
        """Return the printed head of a column."""
        return self.target.layout.column_label.format(level(column))

    def method_title(self, name: str) -> str:
        """Return a method's printed name: the run's, else the paper's, else the name itself."""
        for block in self.blocks:
            if block.method == name:
                return block.title
        paper = self.target.paper
        return paper.methods.get(name, name) if paper else name


def reason(error: str) -> str:
    """Return the first line of an error text, with the home folder written as ``~``."""
    line = next((part.strip() for part in error.splitlines() if part.strip()), "")
    home = str(Path.home())
    return (line.replace(home, "~") if len(home) > 1 else line) or "no reason recorded"
