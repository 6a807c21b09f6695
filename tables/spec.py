"""The nouns of a published table: paper, run, and the numbers and claims it reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from .layout import Arrangement, Layout, Place, arrange

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from .claim_checks import ClaimCheck
    from .stated import StatedProtocol

# ``reproduce table1`` means this paper's.
DEFAULT_PAPER = "rad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What the paper claims, in our own words, where it does, and what of it can be computed."""

    text: str
    where: str
    checks: tuple[ClaimCheck, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper: folder name, bibliographic data, printed names of its methods, its claims by id.

    ``protocols`` is what it states about its data, ``folder`` where its files lie.
    """

    name: str
    title: str
    short: str
    authors: tuple[str, ...] = ()
    arxiv: str | None = None
    notes: tuple[str, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    protocols: tuple[StatedProtocol, ...] = ()
    folder: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A dataset of a run: registered name, categories, synthetic stand-in, and printed name."""

    name: str
    categories: tuple[str, ...]
    synthetic: str | None = None
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSpec:
    """Some categories of a dataset that the paper averages apart, e.g. its textures."""

    name: str
    dataset: str
    categories: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """What a target runs.

    Attributes
    ----------
    datasets
        Datasets with their categories.
    methods
        Registered method names.
    noise
        Label-noise levels in percent.
    seeds
        Number of repetitions, seeds 0 … seeds-1.
    protocol, evaluation
        Names of the noise protocol and of the evaluation protocol.
    image_size
        Side of the square input in pixels that the paper names; None if it names none.
    paper_seeds
        Trials that the paper's table is the mean of; stays when ``seeds`` is replaced by what a
        user asked for. None where no paper is behind the run.
    hardware
        Device that the paper's times were taken on; times of another are not set against them.
    preset_methods, preset_categories
        Preset → methods, and categories, that it runs instead.
    groups
        Groups of categories that lines of the layout are averages of.
    """

    datasets: tuple[DatasetSpec, ...]
    methods: tuple[str, ...]
    noise: tuple[float, ...]
    seeds: int
    protocol: str
    evaluation: str
    image_size: int | None = None
    paper_seeds: int | None = None
    hardware: str | None = None
    preset_methods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    preset_categories: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: tuple[GroupSpec, ...] = ()

    def methods_for(self, preset: str) -> tuple[str, ...]:
        """Return the methods that a preset runs."""
        return self.preset_methods.get(preset, self.methods)

    def categories_for(self, preset: str) -> tuple[str, ...] | None:
        """Return the categories that a preset is restricted to; None for all."""
        return self.preset_categories.get(preset)

    def categories(self, place: Place) -> tuple[tuple[str, str], ...]:
        """Return dataset and category of everything that a place's number is made from."""
        if place.average_of is None:
            return ((place.dataset or "", place.category or ""),)
        for group in self.groups:
            if group.name == place.average_of:
                return tuple((group.dataset, category) for category in group.categories)
        return tuple(
            (data.name, category)
            for data in self.datasets
            if data.name == place.average_of
            for category in data.categories
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedNumber:
    """One number as printed; ``str(value)`` gives the printed digits back.

    Attributes
    ----------
    method, metric
        Method and quantity that it is a number of.
    block, row, column
        Ids of its block (the method's name where methods have blocks, else maybe empty), row and
        column.
    value
        In the unit of the quantity.
    bold, note
        Whether it is printed bold, and what the paper's file notes on it.
    """

    method: str
    row: str
    column: str
    metric: str
    value: Decimal
    block: str = ""
    bold: bool = False
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Ids of block, row and column, and the quantity."""
        return self.block, self.row, self.column, self.metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Misprint:
    """What stands in a cell of the paper's table and cannot be read as its numbers.

    ``text`` is all that is printed there, ``note`` what the paper's file says of it; the others
    are ids, as of a `ReportedNumber`.
    """

    method: str
    block: str
    row: str
    column: str
    text: str
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        """Ids of block, row and column."""
        return self.block, self.row, self.column


@dataclass(frozen=True, slots=True, kw_only=True)
class Blank:
    """A place where the paper prints a sign, ``text``, instead of a number.

    The others are ids and a quantity, as of a `ReportedNumber`.
    """

    method: str
    block: str
    row: str
    column: str
    metric: str
    text: str
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Ids of block, row and column, and the quantity."""
        return self.block, self.row, self.column, self.metric


class Essential(StrEnum):
    """Kinds of departure from a paper's run; a target says which forbid a comparison."""

    DATA = "data"
    PROTOCOL = "protocol"
    BACKBONE = "backbone"
    IMAGE_SIZE = "image_size"
    EVALUATION = "evaluation"
    SETTINGS = "settings"
    HARDWARE = "hardware"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """Difference in percentage points that counts as agreement, and where the figure is from."""

    points: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Target:
    """A published table: what to run, how it is laid out, and what the paper reports.

    Attributes
    ----------
    name
        ``"<paper>/<target>"``; ``slug`` is the same as a file name.
    reported_method
        The paper's own method; where methods have blocks, the one whose table the paper prints.
        None for a grid with no paper behind it.
    numbers
        Every reported number; ``reported`` gives them as a frame.
    misprints
        Cells of the paper that hold no readable numbers.
    blanks
        Places where the paper prints a sign instead of a number.
    readings
        How open points of the paper were read, a sentence each.
    claims
        What the paper claims about it.
    notes
        What to know about the printed numbers, a sentence each.
    essential
        Departures that forbid a verdict on the printed numbers; all kinds unless it says which.
    """

    name: str
    title: str
    caption: str
    run: RunSpec
    layout: Layout
    paper: Paper | None = None
    reported_method: str | None = None
    numbers: tuple[ReportedNumber, ...] = ()
    misprints: tuple[Misprint, ...] = ()
    blanks: tuple[Blank, ...] = ()
    tolerance: Tolerance | None = None
    readings: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    essential: tuple[Essential, ...] = tuple(Essential)

    @property
    def slug(self) -> str:
        """Name as the stem of a file; as on the command line, the default paper's is left out.

        ``rad/table1`` gives ``table1``, ``saha/table1`` gives ``saha_table1``.
        """
        name = self.name.removeprefix(f"{DEFAULT_PAPER}/")
        keep = [char if char.isascii() and char.isalnum() else "_" for char in name]
        return "".join(keep)[:100] or "_"

    def arranged(
        self, methods: Sequence[str] | None = None, titles: Mapping[str, str] | None = None
    ) -> Arrangement:
        """Write the layout out for these methods (default: the run's) at the run's levels."""
        known = dict(self.paper.methods if self.paper else {}) | dict(titles or {})
        chosen = self.run.methods if methods is None else methods
        return arrange(self.layout, chosen, self.run.noise, known)

    @property
    def reported(self) -> pd.DataFrame:
        """Reported numbers, a row each: method, row, column, metric, value, bold, note."""
        import pandas as pd

        names = ("method", "row", "column", "metric", "value", "bold", "note")
        records: Sequence[tuple] = [tuple(getattr(n, k) for k in names) for n in self.numbers]
        return pd.DataFrame.from_records(records, columns=list(names))
