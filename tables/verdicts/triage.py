"""Counterfactuals: what, already measured in another way, would match a printed number.

A match is a hint at where a difference may come from, never a reproduction: with enough ways to
measure, something matches by chance. So everything that was looked at is counted, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import mean

from ..spec import Target
from .equivalence import rounding_interval
from .judge import AVERAGE
from .verdict import Check, Judged, Margin, Verdict

# Another threshold, or another test set, for the same quantity: as column names go.
_RULES: Mapping[str, str] = {
    "": "the label-free threshold on the whole test set",
    "_f1max": "the oracle's threshold (F1-max)",
    "_balanced": "a subset with as many nominal as anomalous images",
    "_max": "the oracle's threshold (F1-max)",
    "_max_balanced": "the oracle's threshold on a balanced subset",
}
_THRESHOLDED = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """One stored cell that was, or could have been, measured in another way.

    Attributes
    ----------
    method
        The target's method that it is an alternative of.
    dataset, category, noise, seed
        Its place.
    variation
        How it differs, e.g. ``"protocol (fixed-test/1:… → overlap/1:…)"``; empty for the target's
        own cells, which other quantities and single seeds are taken from.
    version
        What else it was made with, whatever words say: results are pooled over seeds and
        categories within one version only.
    key
        Of the cell.
    values
        Quantity → fraction.
    """

    method: str
    dataset: str
    category: str
    noise: float
    seed: int
    variation: str
    values: Mapping[str, float]
    version: str = ""
    key: str = ""


def triage(check: Check, target: Target, stored: Iterable[Alternative]) -> Check:
    """Add to each cell that is not reproduced what would match its printed number.

    Parameters
    ----------
    check
        Verdicts on printed numbers.
    target
        Names the categories of an average.
    stored
        Everything that the store holds at the check's places.

    Returns
    -------
    Check
        With ``alternatives`` filled and a note that counts what was looked at.
    """
    by_place: dict[tuple, list[Alternative]] = {}
    for one in stored:
        by_place.setdefault((one.method, one.dataset, one.noise), []).append(one)
    cells, looked = [], 0
    for cell in check.cells:
        if cell.verdict is Verdict.REPRODUCED:
            cells.append(cell)
            continue
        here = by_place.get((cell.method, _dataset(target, cell), cell.noise), [])
        found = _means(cell, here, _categories(target, cell))
        looked += len(found)
        cells.append(replace(cell, alternatives=tuple(_matching(cell, found, check.margin))))
    matched = sum(bool(cell.alternatives) for cell in cells)
    note = (
        f"Triage looked at {looked} other measurements of the cells that are not reproduced; "
        f"{matched} cells have one that would match. A match is a hint, no reproduction."
    )
    return replace(check, cells=tuple(cells), notes=(*check.notes, note))


def _dataset(target: Target, cell: Judged) -> str:
    """Return the dataset of a cell, whose own name may be that of a group of categories."""
    groups = {group.name: group.dataset for group in target.run.groups}
    return groups.get(cell.dataset, cell.dataset)


def _categories(target: Target, cell: Judged) -> tuple[str, ...]:
    if cell.category != AVERAGE:
        return (cell.category,)
    for group in target.run.groups:
        if group.name == cell.dataset:
            return group.categories
    return next((d.categories for d in target.run.datasets if d.name == cell.dataset), ())


def _means(
    cell: Judged, here: Iterable[Alternative], categories: tuple[str, ...]
) -> dict[str, float]:
    """Return description → mean in percent of every other measurement that is complete."""
    found: dict[str, float] = {}
    quantities = _quantities(cell.metric)
    for (variation, version, name), group in _groups(here, quantities, categories).items():
        words = "; ".join(part for part in (variation, quantities[name]) if part)
        # Versions that read the same are told apart by what their keys share.
        twins = _twins(here, variation)
        mark = f" (version {version[:8]})" if len(twins) > 1 else ""
        doubled = any(len(values) > 1 for values in group.values())
        if doubled:
            # Nothing says which of two results of one place belongs to which of another.
            if len(categories) == 1:
                found |= {
                    f"{words or 'the same settings'}{mark}, seed {seed} alone ({key[:12]})": value
                    for (seed, _), values in group.items()
                    for key, value in values
                }
            continue
        found |= _complete(group, words, mark, len(categories))
    return found


Results = Mapping[tuple[int, str], list[tuple[str, float]]]


def _groups(
    here: Iterable[Alternative], quantities: Iterable[str], categories: tuple[str, ...]
) -> dict[tuple[str, str, str], Results]:
    """Return variation, version and quantity → seed and category → keys and values in percent."""
    table: dict[tuple[str, str, str], dict[tuple[int, str], list[tuple[str, float]]]] = {}
    for one in here:
        if one.category not in categories:
            continue
        for name in quantities:
            value = one.values.get(name)
            if value is not None:
                group = table.setdefault((one.variation, one.version, name), {})
                place = (one.seed, one.category)
                group.setdefault(place, []).append((one.key, 100 * value))
    return dict(table)


def _twins(here: Iterable[Alternative], variation: str) -> set[str]:
    return {one.version for one in here if one.variation == variation}


def _complete(group: Results, words: str, mark: str, categories: int) -> dict[str, float]:
    """Return the mean over seeds that have all categories, and the best of them."""
    by_seed: dict[int, list[float]] = {}
    for (seed, _), ((_, value),) in group.items():
        by_seed.setdefault(seed, []).append(value)
    complete = {seed: mean(v) for seed, v in by_seed.items() if len(v) == categories}
    found: dict[str, float] = {}
    if complete and (words or mark):
        text = f"{words or 'the same settings'}{mark}"
        found[f"{text}, mean of {len(complete)} seeds"] = mean(complete.values())
    if len(complete) > 1:
        best = max(complete, key=lambda seed: complete[seed])
        own = words or "the same settings"
        found[f"{own}{mark}, the best seed alone ({best})"] = complete[best]
    return found


def _quantities(metric: str) -> dict[str, str]:
    """Return the quantity and its siblings at another threshold, with what differs in words."""
    for stem in _THRESHOLDED:
        own = metric.removeprefix(stem)
        if metric.startswith(stem) and own in _RULES:
            return {stem + s: "" if s == own else text for s, text in _RULES.items()}
    return {metric: ""}


def _matching(cell: Judged, found: Mapping[str, float], margin: Margin | None) -> list[str]:
    low, high = map(float, rounding_interval(cell.reference))
    room = margin.points if margin else 0.0
    near = sorted(
        (abs(value - float(cell.reference)), words, value)
        for words, value in found.items()
        if low - room <= value <= high + room
    )
    return [
        f"{value:.2f}{' (prints the same)' if low <= value <= high else ''}: {words}"
        for _, words, value in near
    ]
