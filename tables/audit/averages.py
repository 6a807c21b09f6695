"""Averages against their cells, under rounding and under truncation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

from ..quantities import QUANTITIES, Pooling
from .finding import Finding, Outcome, Severity, counted
from .ledger import Category, Ledger, Printed, grouped
from .numbers import (
    Digits,
    Interval,
    Reading,
    chance,
    chance_of_mean,
    mean,
    mean_interval,
    printed_forms,
    shown,
)

CHECK = "average"
# A mean that rounding gives less often than this is reported, though it is possible.
RARE = 1e-7
# Averages of one column that each fit rounding no better than this speak for truncation together.
UNLIKELY = 1e-5
# Cells up to which single slips are looked for; among more, some slip nearly always fits.
MOST_CELLS = 60
_PERCENT = Interval(Fraction(0), Fraction(100))


def check_averages(ledger: Ledger) -> Outcome:
    """Hold every printed average against the mean of its printed cells.

    The cells of an average are those of the same table, block, method, level and metric. An average
    that no cells behind the printed digits can give is an error; one that they give with a
    probability below `RARE` is unusual. Cells that are not printed, or not readable, may be
    anything from 0 to 100; an average with most cells missing is not checked.
    """
    findings: list[Finding] = []
    cut: list[Printed] = []
    checked = bare = 0
    cells = grouped((e for e in ledger.entries if not e.average), _series)
    for entry in ledger.entries:
        if not entry.average or QUANTITIES[entry.metric].pooling is not Pooling.MEAN:
            continue
        own = {e.categories[0]: e for e in cells.get(_series(entry), [])}
        inside = [own[name] for name in entry.categories if name in own]
        if not entry.percent or 2 * len(inside) <= len(entry.categories):
            bare += 1
            continue
        checked += 1
        if not _possible(entry, inside):
            findings.append(_impossible(entry, inside))
        elif len(inside) == len(entry.categories):
            odds = _odds(entry, inside)
            if max(odds.values()) < RARE:
                findings.append(_rare(entry, inside, max(odds.values())))
            elif odds[Reading.ROUNDED] < UNLIKELY:
                cut.append(entry)
    return Outcome((*findings, *_truncated(cut)), checked, tuple(_unmade(checked, bare)))


def _unmade(checked: int, bare: int) -> Iterable[str]:
    if bare:
        yield f"{counted(bare, 'average')} of which half of the cells or more are not printed"
    elif not checked:
        yield "no average is printed"


def _series(entry: Printed) -> tuple:
    return entry.table, entry.block, entry.method, entry.noise, entry.metric


def _means(entry: Printed, inside: Sequence[Printed], reading: Reading) -> Interval:
    """Return the interval of means; what is not printed may be anything."""
    missing = len(entry.categories) - len(inside)
    cells = [_capped(cell.digits.interval(reading)) for cell in inside]
    return mean_interval([*cells, *[_PERCENT] * missing])


def _capped(interval: Interval) -> Interval:
    return Interval(max(interval.low, Fraction(0)), min(interval.high, Fraction(100)))


def _possible(entry: Printed, inside: Sequence[Printed]) -> bool:
    printed = [entry.digits.interval(reading) for reading in Reading]
    if any(_means(entry, inside, r).meets(p) for r in Reading for p in printed):
        return True
    return _of_digits(entry, inside)


def _of_digits(entry: Printed, inside: Sequence[Printed]) -> bool:
    """Tell whether the average is that of the printed digits themselves."""
    if len(inside) < len(entry.categories):
        return False
    return entry.value in printed_forms(mean(cell.value for cell in inside), entry.digits.step)


def _odds(entry: Printed, inside: Sequence[Printed]) -> dict[Reading, float]:
    """Return how probable the average is if averages are rounded, and if they are truncated."""
    digits = [cell.digits for cell in inside]
    of_digits = _rounds_to(entry, inside)
    if of_digits[Reading.ROUNDED]:
        return dict.fromkeys(Reading, 1.0)
    return {
        reading: max(
            [chance_of_mean(digits, cut, entry.digits.interval(reading)) for cut in Reading]
            + [float(of_digits[reading])]
        )
        for reading in Reading
    }


def _rounds_to(entry: Printed, inside: Sequence[Printed]) -> dict[Reading, bool]:
    found = mean(cell.value for cell in inside)
    return {reading: _inside(found, entry.digits, reading) for reading in Reading}


def _inside(value: Fraction, digits: Digits, reading: Reading) -> bool:
    interval = digits.interval(reading)
    return interval.low <= value <= interval.high


def _computed(entry: Printed, inside: Sequence[Printed]) -> str:
    places = entry.digits.places + 2
    if len(inside) == len(entry.categories):
        return shown(mean(cell.value for cell in inside), places)
    span = _means(entry, inside, Reading.ROUNDED)
    return f"{shown(span.low, places)} to {shown(span.high, places)}"


def _impossible(entry: Printed, inside: Sequence[Printed]) -> Finding:
    count = len(entry.categories)
    over = f"{count} cells" if count == len(inside) else f"{len(inside)} of {count} cells"
    found = mean(cell.value for cell in inside)
    off = f", off by {shown(entry.value - found, entry.digits.places + 1)}"
    sentence = f"The printed average is not the mean of its {over}, rounded or truncated"
    sentence += off if count == len(inside) else ""
    sentence += f"; {hint}" if (hint := _hint(entry, inside)) else ""
    return _finding(entry, inside, Severity.ERROR, f"{sentence}.")


def _rare(entry: Printed, inside: Sequence[Printed], odds: float) -> Finding:
    sentence = (
        "The cells give this average only if nearly all of their digits were rounded the same way"
        f" (probability {chance(odds)})."
    )
    return _finding(entry, inside, Severity.UNUSUAL, sentence)


def _finding(
    entry: Printed, inside: Sequence[Printed], severity: Severity, sentence: str
) -> Finding:
    return Finding(
        check=CHECK,
        severity=severity,
        where=f"{entry.where}, {QUANTITIES[entry.metric].title}",
        printed=entry.text,
        computed=_computed(entry, inside),
        sentence=sentence,
        tables=(entry.table,),
    )


def _hint(entry: Printed, inside: Sequence[Printed]) -> str:
    """Name single slips that would explain the average: a cell left out, two digits swapped."""
    if len(inside) < len(entry.categories) or len(inside) > MOST_CELLS:
        return ""
    printed = [entry.digits.interval(reading) for reading in Reading]
    without = [
        _name(cell.categories[0])
        for cell in inside
        # Without the only cell there is no mean.
        if len(inside) > 1
        and any(
            mean_interval([c.digits.interval(r) for c in inside if c is not cell]).meets(p)
            for r, p in zip(Reading, printed, strict=True)
        )
    ]
    swapped = [
        f"{text} in place of {cell.text} ({_name(cell.categories[0])})"
        for cell in inside
        for text in _swaps(cell.text)
        if _possible(entry, [*(c for c in inside if c is not cell), _with_text(cell, text)])
    ]
    # With more candidates than two, that one fits says nothing.
    hints = [
        f"it {verb} {' or '.join(found)}"
        for verb, found in (("is their mean without", without), ("would be with", swapped))
        if 0 < len(found) < 3
    ]
    return "; ".join(hints)


def _swaps(text: str) -> Iterable[str]:
    """Return a number's digits with two neighbours swapped, each way once."""
    digits = [index for index, char in enumerate(text) if char.isdigit()]
    for left, right in pairwise(digits):
        chars = list(text)
        chars[left], chars[right] = chars[right], chars[left]
        swapped = "".join(chars)
        if swapped != text and Fraction(swapped) <= 100 and not swapped.startswith("0"):
            yield swapped


def _with_text(cell: Printed, text: str) -> Printed:
    return replace(cell, text=text)


def _name(category: Category) -> str:
    return category[1].replace("_", " ")


def _truncated(cut: Sequence[Printed]) -> Iterable[Finding]:
    """Say where several averages of one kind fit truncation and not rounding."""
    kinds = grouped(cut, lambda e: (e.table, e.block, e.method, e.metric, e.average))
    for entries in kinds.values():
        if len(entries) < 2:
            continue
        first = entries[0]
        places = ", ".join(e.level or e.label for e in entries)
        yield Finding(
            check=CHECK,
            severity=Severity.NOTE,
            where=f"{first.table}, {QUANTITIES[first.metric].title} at {places}",
            printed=", ".join(e.text for e in entries),
            computed="one unit of the last digit more, if rounded",
            sentence="These averages fit their cells only with digits cut off, not rounded.",
            tables=(first.table,),
        )
