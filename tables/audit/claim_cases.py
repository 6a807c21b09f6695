"""The numbers that a claim is about, found by address, and what is computed from them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from ...datasets.errors import UsageError
from ..claim_checks import CATEGORIES, EVERY, Address, ClaimCheck, Kind
from ..quantities import QUANTITIES
from ..tomlcheck import nearest
from .ledger import Ledger, Printed
from .numbers import Interval, Reading

# What wildcards of an address stand for at one match; empty without wildcards.
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One computation: its numbers, its result on the printed digits, and its interval."""

    entries: tuple[Printed, ...]
    value: Fraction
    spans: tuple[Interval, Interval]

    def entry(self, kind: Kind) -> Printed:
        """Return the number that names the case."""
        return self.entries[-1] if kind in (Kind.RATIO, Kind.INCREASE) else self.entries[0]


def cases_of(check: ClaimCheck, ledger: Ledger, paper: str) -> list[Case] | None:
    """Return every computation of a check, or None where a number that it needs is not printed.

    What the wildcards of one address stand for, those of the others stand for too; an address
    without any joins every computation.

    Raises
    ------
    UsageError
        An address names a table, row or column that is not there, or means several blocks.
    """
    found = [match(address, ledger, paper) for address in check.of]
    if not found or any(not matches for matches in found):
        return None
    keys = dict.fromkeys(key for matches in found for key in matches if key)
    rows = [key for key in keys if all(key in m or () in m for m in found)] or [()]
    if any(key not in m and () not in m for key in rows for m in found):
        return None
    taken = [tuple(m.get(key) or m[()] for m in found) for key in rows]
    if check.kind is Kind.RANK:
        return [_rank(entries[0], ledger) for entries in taken]
    return [_case(check.kind, entries) for entries in taken]


def match(address: Address, ledger: Ledger, paper: str) -> dict[_Key, Printed]:
    """Return the numbers of an address by what its wildcards stand for."""
    table = f"{paper}/{address.target}"
    inside = [e for e in ledger.entries if e.table == table]
    if not inside:
        known = [name.partition("/")[2] for name in ledger.tables]
        raise _unknown(address, "table", address.target, known)
    _known_lines(address, ledger.lines.get(table))
    found: dict[_Key, Printed] = {}
    for entry in inside:
        same = entry.metric == address.metric and address.block in (None, entry.block)
        row, column = _takes(address.rows, entry, "row"), _takes(address.columns, entry, "column")
        if not same or row is None or column is None:
            continue
        if (*row, *column) in found:
            blocks = ", ".join(dict.fromkeys(e.block for e in inside))
            message = f"claim about '{address}': several blocks have it, name one of {blocks}"
            raise UsageError(message)
        found[(*row, *column)] = entry
    return found


def _known_lines(address: Address, lines: tuple[frozenset[str], frozenset[str]] | None) -> None:
    """Refuse a row or a column that the table does not have."""
    if lines is None:
        return
    parts = (("row", address.rows, lines[0]), ("column", address.columns, lines[1]))
    for kind, asked, known in parts:
        for name in asked.split(","):
            if name not in (EVERY, CATEGORIES) and name not in known:
                raise _unknown(address, kind, name, known)


def _takes(asked: str, entry: Printed, axis: str) -> _Key | None:
    """Return the part of the key that a line adds; None where it is not asked for."""
    name = getattr(entry, axis)
    if asked == name:
        return ()
    if asked == EVERY or (asked == CATEGORIES and not entry.average):
        return (name,)
    return (name,) if name in asked.split(",") else None


def _unknown(address: Address, kind: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(f"claim about '{address}': no {kind} '{name}', {nearest(name, set(known))}")


def _case(kind: Kind, entries: tuple[Printed, ...]) -> Case:
    if kind in (Kind.RATIO, Kind.INCREASE) and entries[1].digits.either.low <= 0:
        raise UsageError(
            f"claim about {entries[1].where}: a ratio to {entries[1].text}, maybe zero"
        )
    compute = _COMPUTED[kind]
    exact = [Interval(e.value, e.value) for e in entries]
    spans = [compute([e.digits.interval(r) for e in entries]) for r in Reading]
    return Case(entries, compute(exact).low, (spans[0], spans[1]))


def peers(entry: Printed, ledger: Ledger) -> list[Printed]:
    """Return a category's number and those of the others: same table, method, level and metric."""

    def place(e: Printed) -> Hashable:
        return e.table, e.block, e.method, e.noise, e.metric, e.average, e.categories[0][0]

    return [e for e in ledger.entries if place(e) == place(entry)]


def _rank(entry: Printed, ledger: Ledger) -> Case:
    """Return the place of a category's number among all categories, 1 for the best.

    Equal digits leave the order open: the places from the best to the worst that it may have.
    """
    if entry.average:
        raise UsageError(f"claim about {entry.where}: an average has no rank among categories")
    sign = -1 if QUANTITIES[entry.metric].lower_is_better else 1
    others = [e for e in peers(entry, ledger) if e is not entry]
    value = 1 + sum(sign * e.value > sign * entry.value for e in others)
    spans = []
    for reading in Reading:
        own = entry.digits.interval(reading)
        ahead = [e.digits.interval(reading).minus(own) for e in others]
        low = sum((s.low if sign > 0 else -s.high) > 0 for s in ahead)
        high = sum((s.high if sign > 0 else -s.low) > 0 for s in ahead)
        spans.append(Interval(Fraction(1 + low), Fraction(1 + high)))
    return Case((entry,), Fraction(value), (spans[0], spans[1]))


_COMPUTED: Mapping[Kind, Callable[[Sequence[Interval]], Interval]] = {
    Kind.VALUE: lambda x: x[0],
    Kind.DIFFERENCE: lambda x: x[0].minus(x[1]),
    Kind.RATIO: lambda x: x[0].over(x[1]),
    Kind.INCREASE: lambda x: x[0].over(x[1]).scaled(100, -100),
    Kind.REST: lambda x: x[0].scaled(-1, 100),
    # How far the winner is ahead of the strongest rival.
    Kind.BEST: lambda x: Interval(
        min(x[0].minus(rival).low for rival in x[1:]),
        min(x[0].minus(rival).high for rival in x[1:]),
    ),
    # (whole − both) − (whole − a) − (whole − b)
    Kind.SUPERADDITIVE: lambda x: Interval(
        x[1].low + x[2].low - x[0].high - x[3].high, x[1].high + x[2].high - x[0].low - x[3].low
    ),
}
