"""The only place that turns a number into digits, so that every output shows the same ones.

Binary floats do not hold most decimal ties, and libraries round ties differently. Here a float
means the shortest decimal that reads back as it (``repr``), sums and means are exact fractions,
and a tie is rounded away from zero, as on paper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import SupportsFloat

from .quantities import Unit

Number = SupportsFloat | Fraction | Decimal


class Mark(Enum):
    """Why a place in a table has no number; a mark for each reason, never the same.

    Attributes
    ----------
    symbol, ascii
        The mark, and the mark for terminals that cannot show it.
    meaning
        For legends.
    """

    NOT_RUN = ("–", "-", "not part of this run")
    PENDING = ("…", "...", "planned, no result yet")
    FAILED = ("✗", "x", "failed; the reason is listed")
    SKIPPED = ("skipped", "skipped", "left out on purpose; the reason is listed")
    UNDEFINED = ("n/a", "n/a", "undefined for this method or test set")
    INCOMPLETE = ("k of n", "k of n", "average withheld, only k of n categories are complete")
    SHARED = (
        "shared",
        "shared",
        "every run shared the device with others or was fitted together with them: "
        "time it alone with --jobs 1 --stack off",
    )
    NOTHING_REMOVED = ("∅", "0/0", "nothing was removed, so that no share of it is right")
    NOT_REPORTED = ("·", ".", "the paper reports no number")

    def __init__(self, symbol: str, ascii_symbol: str, meaning: str) -> None:
        self.symbol, self.ascii, self.meaning = symbol, ascii_symbol, meaning


def exact(value: Number) -> Fraction:
    """Return the number that ``repr`` shows, exactly.

    Raises
    ------
    ValueError
        Not finite.
    """
    if isinstance(value, Fraction):
        return value
    if isinstance(value, Decimal | int):
        return Fraction(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} has no digits: expected a finite number")
    return Fraction(Decimal(repr(number)))


def tenths(value: Number) -> Decimal:
    """Round to one digit after the point, ties away from zero; never a negative zero."""
    return _round(exact(value), 1)


def _round(number: Fraction, places: int) -> Decimal:
    scaled = number * 10**places
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return Decimal(-whole if scaled < 0 else whole).scaleb(-places)


def significant(value: Number, count: int) -> Decimal:
    """Round a number below 1 to ``count`` significant digits, one that is not to tenths."""
    number = exact(value)
    places = count
    while 0 < abs(number) * 10**places < 10 ** (count - 1):
        places += 1
    rounded = _round(number, places)
    return rounded if 0 < abs(rounded) < 1 else tenths(number)


def percent(fraction: Number) -> str:
    """Format a fraction as percent with one digit: 0.9865 gives ``"98.7"``."""
    return str(percent_value(fraction))


def percent_value(fraction: Number) -> Decimal:
    """Return the percentage that `percent` shows."""
    return tenths(exact(fraction) * 100)


def digits(value: Number, unit: Unit) -> Decimal:
    """Return the number that a table shows for a value.

    Percent for a fraction; hours with three significant digits below one, so that a short run does
    not read 0.0; everything else in tenths.
    """
    if unit is Unit.PERCENT:
        return percent_value(value)
    return significant(value, 3) if unit is Unit.HOURS else tenths(value)


def shown(value: Number, unit: Unit) -> str:
    """Format a value in its unit, without the unit's name."""
    return f"{digits(value, unit):f}"


def points(difference: Decimal) -> str:
    """Format a difference in percentage points with its sign: ``"+0.6"``, ``"-1.2"``, ``"0.0"``."""
    return signed(difference, Unit.PERCENT)


def signed(difference: Decimal, unit: Unit) -> str:
    """Format a difference of two numbers in their unit, with its sign."""
    rounded = tenths(difference) if unit is Unit.PERCENT else difference
    return f"+{rounded:f}" if rounded > 0 else f"{rounded:f}"


def level(noise: float) -> str:
    """Format a noise level in percent without needless digits: 10.0 gives ``"10"``."""
    return f"{noise:g}"


def level_title(protocols: Iterable[str]) -> str:
    """Name what a level is under noise protocols; ``added`` takes a ratio, others a fraction."""
    ratio, fraction = "Added anomalies (% of nominal training images)", "Label noise (%)"
    kinds = [ratio if text.partition("/")[0] == "added" else fraction for text in protocols]
    return " / ".join(dict.fromkeys(kinds)) or fraction
