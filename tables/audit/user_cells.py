"""Numbers of a user's table before they are a ledger: their unit, and what an average is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from ...datasets.errors import SpecError
from ..tomlcheck import nearest
from .ledger import Category, Printed, official_tests

# What the row of an average is called; a colon and the name of a group may follow.
AVERAGES = ("average", "mean", "avg")
# Groups that need no column of their own.
GROUPS: Mapping[str, frozenset[str]] = {
    "textures": frozenset({"carpet", "grid", "leather", "tile", "wood"}),
    "objects": frozenset(
        {"bottle", "cable", "capsule", "hazelnut", "metal_nut"}
        | {"pill", "screw", "toothbrush", "transistor", "zipper"}
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UserCell:
    """One number with its place, before averages know their categories."""

    entry: Printed
    dataset: str
    category: str
    group: str

    @property
    def average(self) -> bool:
        """Whether it is an average: named so, or of a line without a category."""
        return not self.category or self.category.partition(":")[0] in AVERAGES


def in_percent(cells: Sequence[UserCell]) -> list[UserCell]:
    """Shift fractions by two digits, where no percentage of the file is above 1."""
    shares = [cell.entry for cell in cells if cell.entry.percent]
    if any(entry.value > 1 for entry in shares):
        return list(cells)
    return [replace(c, entry=_shifted(c.entry)) if c.entry.percent else c for c in cells]


def _shifted(entry: Printed) -> Printed:
    sd = entry.sd if entry.sd is None else 100 * entry.sd
    return replace(entry, text=f"{Decimal(entry.text).scaleb(2):f}", sd=sd)


def with_categories(cells: Sequence[UserCell], path: Path) -> Iterable[Printed]:
    """Give averages their categories: those of the same table and dataset, or of a group.

    Raises
    ------
    SpecError
        A group without any category.
    """
    singles: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        if not cell.average:
            own = singles.setdefault((cell.entry.table, cell.dataset), {})
            own[cell.category] = own.get(cell.category) or cell.group
    for cell in cells:
        if not cell.average:
            yield replace(cell.entry, categories=((cell.dataset, cell.category),))
            continue
        own = singles.get((cell.entry.table, cell.dataset), {})
        group = cell.category.partition(":")[2]
        categories = _members(own, group, cell.dataset, path)
        yield replace(cell.entry, categories=categories, average=group or "all")


def _members(own: Mapping[str, str], group: str, dataset: str, path: Path) -> tuple[Category, ...]:
    """Return the categories of an average."""
    names = [n for n in own if not group or own[n] == group or n in GROUPS.get(group, ())]
    if group and not names:
        groups = {*own.values(), *GROUPS} - {""}
        hint = nearest(group, groups)
        raise SpecError(path, None, f"no category of group '{group}': {hint}")
    # A table without categories is one of averages over all that the dataset has.
    names = names or [name for data, name in official_tests() if data == dataset]
    return tuple((dataset, name) for name in names)
