"""Names of categories against those of their dataset: a wrong one silences or misleads checks."""

from __future__ import annotations

import difflib
from collections.abc import Hashable, Sequence

from .finding import Finding, Outcome, Severity
from .ledger import Category, Ledger, NamedRow, Printed

CHECK = "names"


def check_names(ledger: Ledger) -> Outcome:
    """Find rows with a name of another one, and note categories that their dataset does not have.

    Rows of one's own are legitimate, and so are abbreviations.
    """
    known: dict[str, list[str]] = {}
    for dataset, name in ledger.tests:
        known.setdefault(dataset, []).append(name)
    asked: dict[tuple[str, Category], list[Printed]] = {}
    for entry in ledger.entries:
        if not entry.average and entry.categories[0][0] in known:
            asked.setdefault((entry.table, entry.categories[0]), []).append(entry)
    findings = [
        _unknown(entries, known[category[0]])
        for (_, category), entries in asked.items()
        if category not in ledger.tests
    ]
    rows = _rows_by_name(ledger, known)
    for found in rows.values():
        findings += _misnamed(found, ledger, known)
    reason = (
        () if asked or rows else ("no number is of a category of a dataset whose counts are known",)
    )
    return Outcome(tuple(findings), len(asked), reason)


def _unknown(entries: list[Printed], known: list[str]) -> Finding:
    first = entries[0]
    dataset, name = first.categories[0]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    numbers = f"{len(entries)} number{'s are' if len(entries) > 1 else ' is'}"
    return Finding(
        check=CHECK,
        severity=Severity.NOTE,
        where=f"{first.table}, {first.row}",
        printed=name,
        computed=f"nearest: {near[0]}" if near else "",
        sentence=f"No category of {dataset} has this name; its {numbers} held against no counts.",
        tables=(first.table,),
    )


def _plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


def _rows_by_name(ledger: Ledger, known: dict[str, list[str]]) -> dict[Hashable, list[NamedRow]]:
    """Group rows that print one name at one place; of datasets whose categories are known."""
    found: dict[Hashable, list[NamedRow]] = {}
    for row in ledger.rows:
        dataset = row.category[0]
        if dataset in known and (row.misnamed or _plain(row.name) in known[dataset]):
            key = (row.table, dataset, row.beside, _plain(row.name))
            found.setdefault(key, []).append(row)
    return found


def _misnamed(
    rows: Sequence[NamedRow], ledger: Ledger, known: dict[str, list[str]]
) -> list[Finding]:
    """Return what is wrong with the rows of one printed name: several, or not its category."""
    first = rows[0]
    dataset, name = first.category[0], _plain(first.name)
    wrong = [row for row in rows if row.category[1] != name]
    if len(rows) == 1 and not wrong:
        return []
    printed = {_plain(row.name) for row in ledger.rows if row.table == first.table}
    absent = dict.fromkeys(r.category[1] for r in wrong if r.category[1] not in printed)
    numbers = ", ".join(dict.fromkeys(row.category[1] for row in wrong))
    told = f" One holds the numbers of {numbers}." if numbers else ""
    if len(rows) == 1:
        told = f" Its numbers are those of {numbers}."
    what = (
        f"{len(rows)} rows of the table have this name."
        if len(rows) > 1
        else (
            "The row has the name of another category."
            if name in known[dataset]
            else f"No category of {dataset} has this name."
        )
    )
    clear = len(rows) > 1 or name in known[dataset]
    return [
        Finding(
            check=CHECK,
            severity=Severity.INCONSISTENT if clear else Severity.NOTE,
            where=f"{first.table}, row {first.name}",
            printed=f"{first.name} ({len(rows)} times)" if len(rows) > 1 else first.name,
            computed=f"no row is printed {', '.join(absent)}" if absent else "",
            sentence=what + told,
            tables=(first.table,),
        )
    ]
