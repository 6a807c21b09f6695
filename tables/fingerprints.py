"""Protocol fingerprints: results under different ones are not averaged, nor compared silently."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .runs import Run

COLUMN = "fingerprint"


def differing(runs: Iterable[Run], methods: Sequence[str]) -> tuple[str, ...]:
    """Name the parts of the protocol in which methods of one table differ.

    Parameters
    ----------
    runs
        All runs of the table; a run without a fingerprint (of an older frame) says nothing.
    methods
        Their order in the sentence.

    Returns
    -------
    tuple of str
        One sentence, or nothing where all methods share a fingerprint.
    """
    parts: dict[str, dict[str, dict[str, None]]] = {}
    for run in runs:
        for part in str(run.facts.get(COLUMN) or "").split("; "):
            name, _, value = part.partition("=")
            if value:
                parts.setdefault(name, {}).setdefault(run.method, {})[value] = None
    found = []
    for name, by_method in parts.items():
        shared = {tuple(values) for values in by_method.values()}
        if len(shared) > 1:
            values: dict[str, list[str]] = {}
            for method in (m for m in methods if m in by_method):
                values.setdefault(" and ".join(by_method[method]), []).append(method)
            said = ", ".join(f"{value} ({', '.join(who)})" for value, who in values.items())
            found.append(f"{name} {said}")
    if not found:
        return ()
    return (
        f"The methods were not measured under one protocol: {'; '.join(found)}. "
        "Compare their numbers with that in mind.",
    )
