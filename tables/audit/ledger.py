"""The normal form of an audit: every printed number with the place that it belongs to.

Papers with a folder under ``papers`` and tables that a user drops in come to the same form, so that
no check knows where a number is from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from ...datasets.entries import CATALOG, Counts
from ..formatting import level
from ..quantities import QUANTITIES, Unit
from .numbers import Digits

if TYPE_CHECKING:
    import pandas as pd

# A category, as dataset and name.
Category = tuple[str, str]

# The most that a mean can be in percent.
FULL = "100"


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """One printed number.

    Attributes
    ----------
    table
        ``"<paper>/<target>"``, or the file.
    block, row, column
        Ids in that table, as in its file; ``label`` says the place in words.
    method, metric
        Method and quantity that it is a number of.
    categories
        What it is a number of: one category, or those that an average is over.
    average
        Name of the average (``"all"`` for a whole dataset); empty for a single category.
    noise
        Label-noise level in percent; None where there is none.
    text
        The digits, in percent for fractions.
    bold
        Whether it is printed bold.
    runs
        Trials that it is a mean of; None where the paper does not say.
    step
        Size of the last digit where the text does not show it, as in a bare 100.
    sd
        Standard deviation over the runs, in the unit of the number; None where it is not stated.
    """

    table: str
    row: str
    column: str
    label: str
    method: str
    metric: str
    categories: tuple[Category, ...]
    text: str
    block: str = ""
    average: str = ""
    noise: float | None = None
    bold: bool = False
    runs: int | None = None
    step: Fraction | None = None
    sd: float | None = None

    @property
    def digits(self) -> Digits:
        """Value and step; a bare 100 has the step of its column."""
        digits = Digits.of(self.text)
        return replace(digits, step=self.step) if self.step is not None else digits

    @property
    def value(self) -> Fraction:
        """The value as printed."""
        return Digits.of(self.text).value

    @property
    def percent(self) -> bool:
        """Whether it is a percentage."""
        return QUANTITIES[self.metric].unit is Unit.PERCENT

    @property
    def where(self) -> str:
        """Table and place in words."""
        return f"{self.table}, {self.label}" if self.label else self.table

    @property
    def level(self) -> str:
        """The noise level in words, or nothing."""
        return "" if self.noise is None else f"{level(self.noise)} %"


@dataclass(frozen=True)
class Misread:
    """A printed cell that is no number."""

    table: str
    label: str
    text: str

    @property
    def where(self) -> str:
        """Table and place in words."""
        return f"{self.table}, {self.label}" if self.label else self.table


@dataclass(frozen=True, slots=True)
class NamedRow:
    """A row of a single category, with the name that the paper prints for it.

    Attributes
    ----------
    table
        ``"<paper>/<target>"``.
    name
        As printed.
    category
        What its numbers are taken as.
    beside
        What else the row says about the place of its numbers: rows that differ in it may share a
        name.
    misnamed
        Whether the printed name is known not to be the row's.
    """

    table: str
    name: str
    category: Category
    beside: Hashable = ()
    misnamed: bool = False


@dataclass(frozen=True)
class Ledger:
    """All printed numbers of one audit, with what is known about the datasets.

    Attributes
    ----------
    entries
        The numbers, in reading order.
    tests
        Official counts by category.
    titles
        Printed names of methods.
    misread
        Cells that are no numbers.
    lines
        Table → ids of all rows and of all columns that it may have; of a file, nothing.
    rows
        The rows of single categories by their printed names; of a file, none.
    """

    entries: tuple[Printed, ...]
    tests: Mapping[Category, Counts] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    misread: tuple[Misread, ...] = ()
    lines: Mapping[str, tuple[frozenset[str], frozenset[str]]] = field(default_factory=dict)
    rows: tuple[NamedRow, ...] = ()

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables, each once."""
        return tuple(dict.fromkeys(entry.table for entry in self.entries))

    @property
    def frame(self) -> pd.DataFrame:
        """The numbers as a frame, a row each."""
        import pandas as pd

        names = ("table", "block", "row", "column", "method", "average", "noise", "metric")
        records = [
            {name: getattr(e, name) for name in names}
            | {"categories": len(e.categories), "text": e.text, "bold": e.bold, "runs": e.runs}
            for e in self.entries
        ]
        return pd.DataFrame.from_records(records)

    def title(self, method: str) -> str:
        """Return a method's printed name."""
        return self.titles.get(method, method)


def make_ledger(
    entries: Iterable[Printed],
    tests: Mapping[Category, Counts] | None = None,
    titles: Mapping[str, str] | None = None,
    misread: Iterable[Misread] = (),
) -> Ledger:
    """Make a ledger; a bare ``100`` among decimals takes the step of its column.

    Parameters
    ----------
    entries
        The numbers.
    tests
        Official test sets; by default those of the datasets that the project knows.
    titles
        Printed names of methods.
    misread
        Cells that are no numbers.
    """
    found = list(entries)
    finest: dict[Hashable, Fraction] = {}
    for entry in found:
        key = (entry.table, entry.block, entry.method, entry.metric)
        step = Digits.of(entry.text).step
        finest[key] = min(finest.get(key, step), step)
    settled = [
        replace(e, step=finest[e.table, e.block, e.method, e.metric])
        if e.percent and e.text == FULL
        else e
        for e in found
    ]
    return Ledger(
        tuple(settled),
        official_tests() if tests is None else tests,
        titles or {},
        tuple(misread),
    )


def official_tests() -> dict[Category, Counts]:
    """Return the official counts of the datasets that the project knows."""
    return {
        (info.name, name): counts
        for info in CATALOG.values()
        if not info.synthetic
        for name, counts in info.counts.items()
    }


def told_apart(entries: Sequence[Printed]) -> list[str]:
    """Return the labels of numbers without the parts that all of them share."""
    parts = [entry.label.split(", ") for entry in entries]
    shared = set.intersection(*map(set, parts)) if len(parts) > 1 else set()
    return [", ".join(p for p in own if p not in shared) for own in parts]


def listed(entries: Sequence[Printed], most: int = 8) -> str:
    """Write numbers with what tells them apart: ``"80.0 (IRP), 78.6 (OSR) and 3 more"``."""
    labels = told_apart(entries)
    texts = [
        f"{e.text} ({label})" if label else e.text for e, label in zip(entries, labels, strict=True)
    ]
    return ", ".join(texts[:most]) + (f" and {len(texts) - most} more" if len(texts) > most else "")


def grouped(
    entries: Iterable[Printed], key: Callable[[Printed], Hashable]
) -> dict[Hashable, list[Printed]]:
    """Group numbers, in reading order."""
    found: dict[Hashable, list[Printed]] = defaultdict(list)
    for entry in entries:
        found[key(entry)].append(entry)
    return dict(found)
