"""All methods on one dataset: which is ahead, by how much, and how robust each is.

The unit of a comparison is a category. Levels of one category share its images and most of what
makes it easy or hard for a method, so they are no repetitions: each category enters once, with its
mean over the levels, or at one level alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from .places import AVERAGE, Place
from .ranks import MIN_BLOCKS, Comparison, compare_methods, robustness_area


@dataclass(frozen=True, slots=True, kw_only=True)
class Overall:
    """All methods on one dataset.

    Attributes
    ----------
    dataset, methods
        Name, and the methods that have a number there.
    comparison
        Over categories, each the mean over the levels that every method has there; None where
        there are too few, or one method.
    blocks, left_out
        Categories compared over, and places (category and level) that some method lacks.
    by_level
        Level in percent → comparison over categories at that level alone, where asked for.
    level_ranks
        Method → mean over ``levels`` of its rank at that level, by the dataset's average; empty
        for one method.
    areas
        Method → robustness area of its average, a fraction; None without two complete levels.
    levels
        Levels in percent that every method has a complete average at.
    uncompared
        Method → reason, for those that were asked for and have no number there: nothing above is
        about them.
    """

    dataset: str
    methods: tuple[str, ...]
    comparison: Comparison | None
    blocks: int
    left_out: int
    level_ranks: Mapping[str, float]
    areas: Mapping[str, float | None]
    levels: tuple[float, ...]
    by_level: Mapping[float, Comparison] = field(default_factory=dict)
    uncompared: Mapping[str, str] = field(default_factory=dict)


def overall_of(
    places: Sequence[Place],
    *,
    per_level: bool = False,
    uncompared: Mapping[str, str] | None = None,
) -> Overall | None:
    """Compare methods on what all of them have complete; the rest is counted.

    Parameters
    ----------
    places
        Those of one dataset.
    per_level
        Whether to compare at each level, too.
    uncompared
        Method → reason why it has no number, see `places.without_number`; it is handed on.

    Returns
    -------
    Overall or None
        None where no method has a number.
    """
    methods = tuple(dict.fromkeys(place.method for place in places if place.mean is not None))
    if not methods:
        return None
    rows: dict[tuple[str, float], dict[str, float]] = {
        (place.category, place.noise): {} for place in places
    }
    for place in places:
        if place.mean is not None and place.complete:
            rows[place.category, place.noise][place.method] = place.mean
    categories = {key: row for key, row in rows.items() if key[0] != AVERAGE}
    full = {key: row for key, row in categories.items() if len(row) == len(methods)}
    names = tuple(dict.fromkeys(name for name, _ in full))
    blocks = [
        {method: mean(row[method] for key, row in full.items() if key[0] == name)
         for method in methods}
        for name in names
    ]  # fmt: skip
    averages = _averages(rows, categories)
    shared = sorted(level for level, row in averages.items() if len(row) == len(methods))
    return Overall(
        dataset=places[0].dataset,
        methods=methods,
        comparison=_compared(blocks, methods),
        blocks=len(blocks),
        left_out=len(categories) - len(full),
        by_level=_by_level(full, methods) if per_level else {},
        level_ranks=_level_ranks([averages[level] for level in shared], methods),
        areas={n: robustness_area({lv: averages[lv][n] for lv in shared}) for n in methods},
        levels=tuple(shared),
        uncompared=dict(uncompared or {}),
    )


def _averages(
    rows: Mapping[tuple[str, float], dict[str, float]],
    categories: Mapping[tuple[str, float], dict[str, float]],
) -> dict[float, dict[str, float]]:
    """Return level → method → average; a dataset of one category is its own."""
    if len({name for name, _ in categories}) == 1:
        return {level: row for (_, level), row in categories.items()}
    return {level: row for (name, level), row in rows.items() if name == AVERAGE}


def _compared(rows: Sequence[Mapping[str, float]], methods: tuple[str, ...]) -> Comparison | None:
    import numpy as np

    if len(rows) < MIN_BLOCKS or len(methods) < 2:
        return None
    return compare_methods(np.array([[row[name] for name in methods] for row in rows]), methods)


def _by_level(
    full: Mapping[tuple[str, float], Mapping[str, float]], methods: tuple[str, ...]
) -> dict[float, Comparison]:
    found = {}
    for level in sorted({level for _, level in full}):
        compared = _compared([row for key, row in full.items() if key[1] == level], methods)
        if compared is not None:
            found[level] = compared
    return found


def _level_ranks(
    averages: Sequence[Mapping[str, float]], methods: tuple[str, ...]
) -> dict[str, float]:
    import numpy as np
    from scipy.stats import rankdata

    if not averages or len(methods) < 2:
        return {}
    ranks = [rankdata([-row[name] for name in methods]) for row in averages]
    return dict(zip(methods, np.mean(ranks, axis=0).tolist(), strict=True))
