"""Where printed numbers stand: the place of each, and the runs behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from statistics import mean

from ..layout import Line, Place
from ..runs import Run
from ..spec import ReportedNumber, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which printed numbers are judged; None means all.

    Attributes
    ----------
    methods, noise
        Names, and levels in percent.
    places
        Dataset and category; a dataset's average is in scope when all its categories are.
    """

    methods: tuple[str, ...] | None = None
    noise: tuple[float, ...] | None = None
    places: frozenset[tuple[str, str]] | None = None

    def holds(self, method: str, noise: float | None, members: Iterable[tuple[str, str]]) -> bool:
        """Say whether a number is to be judged."""
        return (
            (self.methods is None or method in self.methods)
            and (self.noise is None or noise in self.noise)
            and (self.places is None or set(members) <= self.places)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Printed:
    """A printed number with its place and the runs behind it, a list per category."""

    number: ReportedNumber
    place: Place
    where: str
    members: tuple[tuple[Run, ...], ...]

    @property
    def runs(self) -> tuple[Run, ...]:
        """All runs behind it."""
        return tuple(run for runs in self.members for run in runs)

    @property
    def average(self) -> bool:
        """Whether it is over all categories of a dataset."""
        return self.place.average_of is not None


def printed_numbers(
    target: Target, runs: Sequence[Run], scope: Scope | None = None
) -> tuple[Printed, ...]:
    """Find place and runs of every printed number in scope, in the order of the target's file."""
    scope = scope or Scope()
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        found.setdefault((run.method, run.dataset, run.category, run.noise), []).append(run)
    names = tuple(dict.fromkeys([*target.run.methods, *(n.method for n in target.numbers)]))
    grid = target.arranged(names)
    blocks, rows, columns = (_by_id(x) for x in (grid.blocks, grid.rows, grid.columns))
    out = []
    for number in target.numbers:
        lines = (blocks.get(number.block), rows.get(number.row), columns.get(number.column))
        if None in lines:
            continue  # a level that was not asked for has no column
        block, row, column = (line for line in lines if line is not None)
        place = replace(grid.place(block, row, column), method=number.method)
        members = target.run.categories(place)
        if scope.holds(number.method, place.noise, members):
            behind = tuple(
                tuple(found.get((number.method, *member, place.noise), ())) for member in members
            )
            where = ", ".join(line.label for line in (row, column) if line.label)
            out.append(Printed(number=number, place=place, where=where, members=behind))
    return tuple(out)


def _by_id(lines: Iterable[Line]) -> dict[str, Line]:
    return {line.id: line for line in lines}


def seed_values(one: Printed) -> dict[int, Fraction]:
    """Return seed → value; over an average the mean over categories of seeds that all have."""
    by_seed: dict[int, list[Fraction]] = {}
    for run in one.runs:
        value = run.metrics[one.number.metric]
        if value is not None:
            by_seed.setdefault(run.seed, []).append(value)
    return {seed: mean(v) for seed, v in by_seed.items() if len(v) == len(one.members)}
