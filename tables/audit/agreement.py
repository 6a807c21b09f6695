"""Numbers that stand in several tables, cells that are no numbers, and bold marks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

from ..layout import ALL_ANOMALOUS
from ..quantities import QUANTITIES
from .finding import Finding, Outcome, Severity
from .ledger import Ledger, Printed, grouped, listed

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
            # An average of one category is held against it as an average.
            if one.table == other.table and bool(one.average) != bool(other.average):
                continue
            checked += 1
            if not one.digits.either.meets(other.digits.either):
                findings.append(_contradiction(one, other))
    reason = () if checked else ("no number stands in two places",)
    return Outcome(tuple(findings), checked, reason)


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
    reported, and a best one without a mark is noted where its like are marked. Where they have
    none, the marks are tried against two rules: the best of each row and the best of each column.
    Marks that tell nothing apart, on averages alone or on all rivals, are typography.
    """
    findings: list[Finding] = []
    unmade: list[str] = []
    checked = 0
    for table, entries in grouped(ledger.entries, lambda e: e.table).items():
        marked = [e for e in entries if e.bold]
        contests = [rivals for rivals in _rivals(entries) if not _typography(rivals)]
        judged = [rivals for rivals in contests if any(e.bold for e in rivals)]
        if judged:
            checked += sum(e.bold for rivals in judged for e in rivals)
            findings += [*_best_methods(judged), *_unmarked(contests)]
        elif marked and not all(e.average for e in marked):
            checked += len(marked)
            findings += _no_rule(entries, marked)
        elif marked:
            unmade.append(f"only averages of {table} are bold, and none beside a rival that is not")
    if not checked and not unmade:
        unmade.append("nothing is printed bold")
    return Outcome(tuple(findings), checked, tuple(unmade))


def _rivals(entries: Iterable[Printed]) -> list[list[Printed]]:
    """Return the numbers of several methods for the same thing."""
    own = [e for e in entries if e.method != ALL_ANOMALOUS]
    groups = grouped(own, lambda e: (e.categories, bool(e.average), e.noise, e.metric)).values()
    return [group for group in groups if len(group) > 1]


def _typography(rivals: Sequence[Printed]) -> bool:
    """Tell whether averages are bold one and all, as a whole line is."""
    return all(e.bold and e.average for e in rivals)


def best_of(entries: Sequence[Printed]) -> list[Printed]:
    """Return the numbers that are best, ties shared."""
    lower = QUANTITIES[entries[0].metric].lower_is_better
    best = (min if lower else max)(e.value for e in entries)
    return [e for e in entries if e.value == best]


def _best_methods(judged: Iterable[Sequence[Printed]]) -> Iterable[Finding]:
    for rivals in judged:
        best = best_of(rivals)
        wrong = [e for e in rivals if e.bold and e not in best]
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


def _unmarked(contests: Iterable[Sequence[Printed]]) -> Iterable[Finding]:
    """Note best numbers without a mark, metric by metric and averages apart."""
    kinds: dict[tuple[str, bool], list[Sequence[Printed]]] = {}
    for rivals in contests:
        kinds.setdefault((rivals[0].metric, bool(rivals[0].average)), []).append(rivals)
    for (metric, _), alike in kinds.items():
        if not any(e.bold for rivals in alike for e in rivals):
            continue
        plain = [[e for e in best_of(rivals) if not e.bold] for rivals in alike]
        # Where a number is wrongly bold, that is reported already.
        wrong = [any(e.bold and e not in best_of(rivals) for e in rivals) for rivals in alike]
        found = [best for best, told in zip(plain, wrong, strict=True) if best and not told]
        if not found:
            continue
        table = found[0][0].table
        yield Finding(
            check=BOLD,
            severity=Severity.NOTE,
            where=f"{table}, {QUANTITIES[metric].title}",
            printed=listed([e for best in found for e in best]),
            computed="",
            sentence=(
                f"The best of a place is printed bold, but in {len(found)} of {len(alike)} places"
                " a best number, alone or tied, is not."
            ),
            tables=(table,),
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
