"""What a paper's text claims in numbers, in a form that can be computed: ``[[claims.checks]]``.

A check names printed numbers by address and says what the text makes of them; ``audit.claims``
computes it. The form is described in ``papers/README.md``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from .quantities import QUANTITIES
from .tomlcheck import Key, Lines, nearest

# Instead of ids in an address: every line, or every line of a single category.
EVERY, CATEGORIES = "*", "categories"

_NUMBER = re.compile(r"-?[0-9]{1,6}(\.[0-9]{1,4})?")
_ADDRESS = re.compile(r"([^:/\s]+):(?:([^:/\s]+)/)?([^:/\s]+)/([^:/\s]+)/([^:/\s]+)")


class Kind(StrEnum):
    """What is computed from the numbers that a check names."""

    VALUE = "value"  # a
    DIFFERENCE = "difference"  # a − b
    RATIO = "ratio"  # a / b
    INCREASE = "increase"  # 100 · (a / b − 1)
    REST = "rest"  # 100 − a
    BEST = "best"  # the first against all others
    RANK = "rank"  # place of a among all single categories, 1 for the best
    SUPERADDITIVE = "superadditive"  # whole, without a, without b, without both


# How many addresses a kind takes: the least and the most.
_OPERANDS: Mapping[Kind, tuple[int, int]] = {
    Kind.VALUE: (1, 1),
    Kind.DIFFERENCE: (2, 2),
    Kind.RATIO: (2, 2),
    Kind.INCREASE: (2, 2),
    Kind.REST: (1, 1),
    Kind.BEST: (2, 20),
    Kind.RANK: (1, 1),
    Kind.SUPERADDITIVE: (4, 4),
}
_COMPARED = ("printed", "above", "below", "between", "steady")
_WITHOUT = (Kind.BEST, Kind.SUPERADDITIVE)

CLAIM_CHECK = {
    "kind": Key(kind="text", choices=tuple(Kind)),
    "of": Key(kind="texts"),
    "printed": Key(kind="text", required=False),
    "above": Key(kind="text", required=False),
    "below": Key(kind="text", required=False),
    "between": Key(kind="texts", required=False),
    "steady": Key(kind="boolean", required=False),
    "about": Key(kind="boolean", required=False),
    "written": Key(kind="text", required=False, choices=("percent", "points")),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Printed numbers: ``target:row/column/metric`` or ``target:block/row/column/metric``.

    Rows and columns are ids, several parted by commas, `EVERY` or `CATEGORIES`.
    """

    target: str
    block: str | None
    rows: str
    columns: str
    metric: str

    def __str__(self) -> str:
        """Return the address as written."""
        block = "" if self.block is None else f"{self.block}/"
        return f"{self.target}:{block}{self.rows}/{self.columns}/{self.metric}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimCheck:
    """One computable statement.

    Attributes
    ----------
    kind, of
        What is computed, from which numbers; no numbers where the paper prints none to hold the
        claim against.
    printed
        The digits that the text gives for it.
    above, below, between
        Bounds that the text gives instead; the bound itself is allowed.
    steady
        Whether the text calls it the same everywhere.
    about
        Whether the text rounds generously ("about", "approximately").
    written
        ``"percent"`` where the text writes a difference of percentages with a percent sign.
    """

    kind: Kind
    of: tuple[Address, ...]
    printed: str | None = None
    above: Decimal | None = None
    below: Decimal | None = None
    between: tuple[Decimal, Decimal] | None = None
    steady: bool = False
    about: bool = False
    written: str = "points"


def read_checks(
    items: Sequence[Mapping[str, Any]], at: Lines, *where: str | int
) -> tuple[ClaimCheck, ...]:
    """Read the checks of a claim.

    Raises
    ------
    SpecError
        A wrong number of addresses, a malformed address, no or several comparisons, or digits that
        are no number; file:line.
    """
    return tuple(_check(item, at, (*where, index)) for index, item in enumerate(items))


def _check(item: Mapping[str, Any], at: Lines, where: tuple[str | int, ...]) -> ClaimCheck:
    kind = Kind(item["kind"])
    of = tuple(_address(text, at, where) for text in item["of"])
    least, most = _OPERANDS[kind]
    if of and not least <= len(of) <= most:
        wanted = f"{least}" if least == most else f"{least} to {most}"
        raise at.error(f"'of' has {len(of)} numbers, expected {wanted} for '{kind}'", *where, "of")
    given = [name for name in _COMPARED if item.get(name)]
    wanted = 0 if kind in _WITHOUT else 1
    if len(given) != wanted:
        names = " or ".join(_COMPARED)
        expected = f"one of {names}" if wanted else f"none for '{kind}'"
        raise at.error(f"{len(given)} comparisons, expected {expected}", *where)
    between = tuple(_number(text, "between", at, where) for text in item.get("between", ()))
    if between and (len(between) != 2 or between[0] > between[1]):
        raise at.error("'between' expects two numbers, the smaller first", *where, "between")
    bounds = {
        name: _number(item[name], name, at, where)
        for name in ("printed", "above", "below")
        if name in item
    }
    return ClaimCheck(
        kind=kind,
        of=of,
        printed=item.get("printed"),
        above=bounds.get("above"),
        below=bounds.get("below"),
        between=(between[0], between[1]) if between else None,
        steady=item.get("steady", False),
        about=item.get("about", False),
        written=item.get("written", "points"),
    )


def _number(text: str, name: str, at: Lines, where: tuple[str | int, ...]) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise at.error(f"'{name}' is '{text}', expected digits as printed", *where, name)
    return Decimal(text)


def _address(text: str, at: Lines, where: tuple[str | int, ...]) -> Address:
    found = _ADDRESS.fullmatch(text)
    if not found:
        message = f"'{text}' is no address, expected target:row/column/metric"
        raise at.error(message, *where, "of")
    target, block, rows, columns, metric = found.groups()
    if metric not in QUANTITIES:
        raise at.error(f"unknown metric '{metric}': {nearest(metric, QUANTITIES)}", *where, "of")
    return Address(target=target, block=block, rows=rows, columns=columns, metric=metric)
