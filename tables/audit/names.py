"""Names of categories against those of their dataset: a misspelt one silences its checks."""

from __future__ import annotations

import difflib

from .finding import Finding, Outcome, Severity
from .ledger import Category, Ledger, Printed

CHECK = "names"


def check_names(ledger: Ledger) -> Outcome:
    """Note categories that their dataset does not have; rows of one's own are legitimate."""
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
    reason = () if asked else ("no number is of a category of a dataset whose counts are known",)
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
