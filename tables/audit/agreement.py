"""Numbers that stand in several tables, cells that are no numbers, and bold marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from ..layout import ALL_ANOMALOUS
from ..quantities import QUANTITIES
from .finding import Finding, Outcome, Severity
from .ledger import Ledger, Printed, grouped

TABLES, BOLD = "tables", "bold"


def check_tables(ledger: Ledger) -> Outcome:
    """Hold numbers of one place against each other where several tables print it.

    A place is method, categories, level and metric. Two numbers disagree if nothing prints as both,
    rounded or truncated. A cell that is no number is an error.
    """
    findings = [
        Finding(
            check=TABLES,
            severity=Severity.ERROR,
            where=cell.where,
            printed=cell.text,
            computed="",
            sentence="What is printed here cannot be read as the numbers of its cell.",
            tables=(cell.table,),
        )
        for cell in ledger.misread
    ]
    checked = len(ledger.misread)
    for entries in grouped(ledger.entries, _place).values():
        for one, other in combinations(entries, 2):
            checked += 1
            if not one.digits.either.meets(other.digits.either):
                findings.append(_contradiction(one, other))
    return Outcome(tuple(findings), checked)


def _place(entry: Printed) -> tuple:
    return entry.method, frozenset(entry.categories), entry.noise, entry.metric


def _contradiction(one: Printed, other: Printed) -> Finding:
    return Finding(
        check=TABLES,
        severity=Severity.INCONSISTENT,
        where=f"{one.where} and {other.where}, {QUANTITIES[one.metric].title}",
        printed=f"{one.text} and {other.text}",
        computed="",
        sentence="Two numbers are printed for the same method, categories, level and metric.",
        tables=tuple(dict.fromkeys((one.table, other.table))),
    )


def check_bold(ledger: Ledger) -> Outcome:
    """Hold bold marks against the values.

    Where the marked numbers have rivals among methods, a bold number that another one beats is
    reported. Where they have none, the marks are tried against two rules: the best of each row and
    the best of each column. Marks on averages alone are typography and stand for nothing.
    """
    findings: list[Finding] = []
    checked = 0
    for entries in grouped(ledger.entries, lambda e: e.table).values():
        marked = [e for e in entries if e.bold]
        checked += len(marked)
        if not marked or all(e.average for e in marked):
            continue
        if any(len(rivals) > 1 and any(e.bold for e in rivals) for rivals in _rivals(entries)):
            findings += _best_methods(entries)
        else:
            findings += _no_rule(entries, marked)
    return Outcome(tuple(findings), checked)


def _rivals(entries: Iterable[Printed]) -> Iterable[list[Printed]]:
    own = [e for e in entries if e.method != ALL_ANOMALOUS]
    return grouped(own, lambda e: (e.categories, e.noise, e.metric)).values()


def best_of(entries: Sequence[Printed]) -> list[Printed]:
    """Return the numbers that are best, ties shared."""
    lower = QUANTITIES[entries[0].metric].lower_is_better
    best = (min if lower else max)(e.value for e in entries)
    return [e for e in entries if e.value == best]


def _best_methods(entries: Sequence[Printed]) -> Iterable[Finding]:
    for rivals in _rivals(entries):
        marked, best = [e for e in rivals if e.bold], best_of(rivals)
        if len(rivals) < 2 or not marked:
            continue
        wrong = [e for e in marked if e not in best]
        if not wrong:
            continue
        first = wrong[0]
        yield Finding(
            check=BOLD,
            severity=Severity.INCONSISTENT,
            where=f"{first.where}, {QUANTITIES[first.metric].title}",
            printed=", ".join(f"bold {e.text}" for e in wrong),
            computed=", ".join(f"{e.text} ({e.label})" for e in best),
            sentence="A number is printed bold that is not the best of the methods compared here.",
            tables=(first.table,),
        )


def _no_rule(entries: Sequence[Printed], marked: Sequence[Printed]) -> Iterable[Finding]:
    """Report marks of a single method's table that neither rule explains."""
    rules: dict[str, Callable[[Printed], tuple]] = {
        "row": lambda e: (e.block, e.row, e.metric),
        "column": lambda e: (e.block, e.column, e.metric),
    }
    fits: dict[str, int] = {}
    for name, key in rules.items():
        groups = grouped((e for e in entries if not e.average), key).values()
        best = [e for group in groups for e in best_of(group)]
        fits[name] = sum(e in best for e in marked)
    if max(fits.values()) == len(marked):
        return
    first = marked[0]
    yield Finding(
        check=BOLD,
        severity=Severity.INCONSISTENT,
        where=first.table,
        printed=f"{len(marked)} bold of {len(entries)} numbers",
        computed=f"best of their row: {fits['row']}, of their column: {fits['column']}",
        sentence=(
            "The marked numbers have no rivals among methods, and the marks follow neither the best"
            " of a row nor the best of a column."
        ),
        tables=(first.table,),
    )
