"""Which method is ahead over many categories and levels: ranks, tests, and one robustness figure.

Demšar (2006): methods are ranked within each category, the Friedman test asks whether the mean
ranks differ at all, Nemenyi's test which pairs do. Wilcoxon's signed-rank test compares two.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

# Fewer blocks than this and a rank test cannot reach significance.
MIN_BLOCKS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two methods compared over the same places.

    Attributes
    ----------
    first, second
        Names.
    n
        Places that both have.
    median
        Median difference, first minus second, in the unit of the values.
    p_wilcoxon
        Two-sided, Holm-adjusted over all pairs; None where all differences are zero.
    p_nemenyi
        After the Friedman test; None where fewer than three methods take part.
    """

    first: str
    second: str
    n: int
    median: float
    p_wilcoxon: float | None
    p_nemenyi: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Methods compared over blocks (categories, or categories at levels).

    Attributes
    ----------
    methods
        Names, best mean rank first.
    mean_ranks
        In the same order; 1 is best.
    n
        Blocks that every method has.
    p_friedman
        None for fewer than three methods.
    critical_difference
        Of mean ranks, Nemenyi at 5 %; None for fewer than two blocks.
    pairs
        All pairs.
    """

    methods: tuple[str, ...]
    mean_ranks: tuple[float, ...]
    n: int
    p_friedman: float | None
    critical_difference: float | None
    pairs: tuple[Pair, ...]


def compare_methods(
    table: np.ndarray, methods: Sequence[str], *, lower_is_better: bool = False, alpha: float = 0.05
) -> Comparison:
    """Rank and test methods over blocks.

    Parameters
    ----------
    table
        ``[blocks, methods]`` values, all finite: blocks that some method lacks are left out by the
        caller, who says so.
    methods
        Names of the columns, two at least.
    lower_is_better
        Which end has rank 1.
    alpha
        Level of the critical difference.

    Raises
    ------
    ValueError
        Fewer than two methods or `MIN_BLOCKS` blocks, or a value that is not finite.
    """
    from scipy.stats import rankdata

    values = np.asarray(table, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(methods) or len(methods) < 2:
        raise ValueError(f"table {values.shape} of {len(methods)} methods; expected two or more")
    if len(values) < MIN_BLOCKS or not np.isfinite(values).all():
        raise ValueError(f"{len(values)} blocks; expected {MIN_BLOCKS} or more, finite")
    ranks = rankdata(values if lower_is_better else -values, axis=1).mean(axis=0)
    order: list[int] = np.argsort(ranks, kind="stable").tolist()
    friedman, nemenyi = _friedman_nemenyi(values)
    return Comparison(
        methods=tuple(methods[i] for i in order),
        mean_ranks=tuple(float(ranks[i]) for i in order),
        n=len(values),
        p_friedman=friedman,
        critical_difference=critical_difference(len(methods), len(values), alpha),
        pairs=_pairs(values, methods, order, nemenyi),
    )


def critical_difference(methods: int, blocks: int, alpha: float = 0.05) -> float:
    """Return how far two mean ranks must lie apart: q(alpha, k, ∞)/√2 · √(k(k+1)/(6N)).

    Source: Demšar (2006), section 3.2.2; q is the studentised range's quantile.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - alpha, methods, np.inf))
    return quantile / np.sqrt(2) * np.sqrt(methods * (methods + 1) / (6 * blocks))


def _friedman_nemenyi(values: np.ndarray) -> tuple[float | None, np.ndarray | None]:
    if values.shape[1] < 3 or not np.ptp(values, axis=1).any():
        return None, None
    import scikit_posthocs
    from scipy.stats import friedmanchisquare

    found = float(friedmanchisquare(*values.T).pvalue)
    return found, scikit_posthocs.posthoc_nemenyi_friedman(values).to_numpy()


def _pairs(
    values: np.ndarray, methods: Sequence[str], order: Sequence[int], nemenyi: np.ndarray | None
) -> tuple[Pair, ...]:
    from scipy.stats import wilcoxon

    from ..verdicts.equivalence import holm

    places: list[tuple[int, int]] = list(combinations(order, 2))
    differences = {place: values[:, place[0]] - values[:, place[1]] for place in places}
    results: dict[tuple[int, int], Any] = {
        place: wilcoxon(d) for place, d in differences.items() if d.any()
    }
    tested = {place: float(found.pvalue) for place, found in results.items()}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    return tuple(
        Pair(
            first=methods[i],
            second=methods[j],
            n=len(values),
            median=float(np.median(differences[i, j])),
            p_wilcoxon=adjusted.get((i, j)),
            p_nemenyi=None if nemenyi is None else float(nemenyi[i, j]),
        )
        for i, j in places
    )


def robustness_area(curve: Mapping[float, float]) -> float | None:
    """Return the mean height of a curve over noise levels: area by trapezoids over its width.

    One figure per method, in the unit of the values: the average over all levels between the lowest
    and the highest, whatever their spacing. None for fewer than two levels.

    Parameters
    ----------
    curve
        Noise level in percent → value.
    """
    levels = np.array(sorted(curve))
    if len(levels) < 2:
        return None
    values = np.array([curve[level] for level in levels])
    return float(np.trapezoid(values, levels) / (levels[-1] - levels[0]))
