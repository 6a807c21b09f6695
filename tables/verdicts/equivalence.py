"""Two one-sided t-tests (TOST) on seeds, and Holm's correction over a table.

A number counts as met when its mean over seeds lies inside an interval with confidence, which is
another statement than "no significant difference": few or scattered seeds prove nothing here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

# Below three seeds a standard deviation says next to nothing.
MIN_SEEDS = 3
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Equivalence:
    """P-values of the three statements on a mean; arrays of the leading shape of the values.

    Attributes
    ----------
    inside
        Of TOST: small where the mean lies between the bounds.
    above, below
        One-sided: small where the mean lies above the upper, below the lower bound.
    """

    inside: np.ndarray
    above: np.ndarray
    below: np.ndarray


def equivalence(values: np.ndarray, low: float, high: float) -> Equivalence:
    """Test where a mean lies with respect to two bounds.

    Parameters
    ----------
    values
        ``[..., N]`` independent values, N ≥ 2; tested along the last axis.
    low, high
        Bounds of the interval of equivalence, in the unit of the values.

    Returns
    -------
    Equivalence
        Schuirmann's two one-sided tests (1987), and the two tests of the opposite statements.
        Values that are all the same have no scatter to test with: the p-values are 0 or 1.

    Raises
    ------
    ValueError
        Fewer than two values, one that is not finite, or ``low`` above ``high``.
    """
    from scipy.special import stdtr

    data = np.atleast_1d(np.asarray(values, dtype=np.float64))
    count = data.shape[-1]
    if count < 2 or not np.isfinite(data).all() or not low <= high:
        raise ValueError(
            f"values {data.shape} between {low} and {high}; expected [..., N ≥ 2] finite values "
            "and ordered bounds"
        )
    constant = np.ptp(data, axis=-1) == 0
    # Equal values have the first as their mean, exactly; their error would divide by zero.
    mean = np.where(constant, data[..., 0], data.mean(axis=-1))
    error = np.where(constant, 1.0, data.std(axis=-1, ddof=1) / np.sqrt(count))
    to_low, to_high = (mean - low) / error, (high - mean) / error
    # A constant on a bound agrees with the reference, as the margin is inclusive.
    inside = np.where(
        constant,
        np.where((mean >= low) & (mean <= high), 0.0, 1.0),
        stdtr(count - 1, -np.minimum(to_low, to_high)),
    )
    above = np.where(constant, np.where(mean > high, 0.0, 1.0), stdtr(count - 1, to_high))
    below = np.where(constant, np.where(mean < low, 0.0, 1.0), stdtr(count - 1, to_low))
    return Equivalence(inside, above, below)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values for the size of their family (Holm 1979); the order is kept.

    The k-th smallest of m is multiplied by m − k + 1 and is never below the one before it.
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    steps = np.minimum(1.0, values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(steps)
    return adjusted.tolist()


def rounding_interval(printed: Decimal) -> tuple[Decimal, Decimal]:
    """Return the numbers between which every number lies that prints as this one.

    ``94.1`` stands for 94.05 to 94.15.
    """
    exponent = printed.as_tuple().exponent
    if not isinstance(exponent, int):
        raise ValueError(f"{printed} has no digits: expected a finite number")
    half = Decimal(1).scaleb(exponent) / 2
    return printed - half, printed + half
