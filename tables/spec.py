"""The nouns of a published table: paper, run, layout and the numbers it reports."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# Metrics that a table may show, with their titles; all are fractions in [0, 1] in result frames.
METRICS: Mapping[str, str] = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "aupro": "AUPRO",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "f1_max": "F1-max",
}


# ``reproduce table1`` means this paper's.
DEFAULT_PAPER = "rad"


class BoldRule(Enum):
    """Which achieved entries are set in bold."""

    NONE = "none"
    BEST_METHOD = "best-method"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """A paper: folder name, bibliographic data and the names its methods are printed with."""

    name: str
    title: str
    short: str
    authors: tuple[str, ...] = ()
    arxiv: str | None = None
    notes: tuple[str, ...] = ()
    methods: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec:
    """A dataset of a run: registered name, categories, and the synthetic one that stands in."""

    name: str
    categories: tuple[str, ...]
    synthetic: str | None = None


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
    """

    datasets: tuple[DatasetSpec, ...]
    methods: tuple[str, ...]
    noise: tuple[float, ...]
    seeds: int
    protocol: str
    evaluation: str
    image_size: int | None = None
    paper_seeds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpec:
    """A row: one category of a dataset, or (``average_of``) the mean over a dataset's rows."""

    id: str
    label: str
    dataset: str | None = None
    category: str | None = None
    average_of: str | None = None
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the paper lays the table out.

    Attributes
    ----------
    label
        LaTeX label; the method's name is appended to it.
    rows
        From top to bottom; a rule is drawn where ``group`` changes.
    row_header, column_header, column_label
        Head of the label column, head over the columns, and a column's head with ``{}`` for the
        noise level.
    cell, cell_header
        Pattern of a cell, e.g. ``"{image_auroc}/{pixel_auroc}"``, and the head that explains it.
    bold
        Rule for bold achieved entries.
    curve
        Rows that the noise-robustness curve draws.
    """

    label: str
    rows: tuple[RowSpec, ...]
    row_header: str
    column_header: str
    column_label: str
    cell: str
    cell_header: str
    bold: BoldRule
    curve: tuple[str, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Metrics of the cell pattern, in its order."""
        return tuple(part.name for part in parse_pattern(self.cell) if isinstance(part, MetricRef))

    def members(self, row: RowSpec) -> tuple[RowSpec, ...]:
        """Rows that an average row is the mean of, or the row itself."""
        if row.average_of is None:
            return (row,)
        return tuple(other for other in self.rows if other.dataset == row.average_of)


@dataclass(frozen=True, slots=True)
class MetricRef:
    """The place of one metric in a cell pattern."""

    name: str


def parse_pattern(pattern: str) -> tuple[str | MetricRef, ...]:
    """Split a cell pattern into literal texts and metric references.

    Raises
    ------
    ValueError
        No or unknown metric, the same metric twice, a format specification or unbalanced braces.
    """
    parts: list[str | MetricRef] = []
    for literal, name, spec, conversion in string.Formatter().parse(pattern):
        if literal:
            parts.append(literal)
        if name is None:
            continue
        if spec or conversion or name not in METRICS:
            raise ValueError(f"'{{{name}}}' in the pattern: expected one of {', '.join(METRICS)}")
        parts.append(MetricRef(name))
    names = [part.name for part in parts if isinstance(part, MetricRef)]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"pattern '{pattern}': expected each metric once, and at least one")
    return tuple(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedNumber:
    """One number as printed; ``str(value)`` gives the printed digits back, in percent."""

    method: str
    row: str
    column: float
    metric: str
    value: Decimal
    bold: bool = False
    note: str = ""


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
        Method whose numbers the paper's table shows; None for a grid with no paper behind it.
    numbers
        Every reported number; ``reported`` gives them as a frame.
    readings
        How open points of the paper were read, a sentence each.
    """

    name: str
    title: str
    caption: str
    run: RunSpec
    layout: Layout
    paper: Paper | None = None
    reported_method: str | None = None
    numbers: tuple[ReportedNumber, ...] = ()
    tolerance: Tolerance | None = None
    readings: tuple[str, ...] = ()

    @property
    def slug(self) -> str:
        """Name as the stem of a file; as on the command line, the default paper's is left out.

        ``rad/table1`` gives ``table1``, ``saha/table1`` gives ``saha_table1``.
        """
        name = self.name.removeprefix(f"{DEFAULT_PAPER}/")
        keep = [char if char.isascii() and char.isalnum() else "_" for char in name]
        return "".join(keep)[:100] or "_"

    @property
    def reported(self) -> pd.DataFrame:
        """Reported numbers, a row each: method, row, column, metric, value, bold, note."""
        import pandas as pd

        names = ("method", "row", "column", "metric", "value", "bold", "note")
        records: Sequence[tuple] = [tuple(getattr(n, k) for k in names) for n in self.numbers]
        return pd.DataFrame.from_records(records, columns=list(names))
