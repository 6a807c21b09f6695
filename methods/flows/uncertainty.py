"""Uncertainty of training: the covariance of training and validation losses (RAD, section 3.2)."""

from __future__ import annotations

from collections import deque

import torch

FLOOR, CEILING = 1e-6, 100.0  # CoMet's bounds of the determinant
JITTER = 1e-8  # on the diagonal, as in CoMet


class LossCovariance:
    """Turns pairs of losses into the coefficient λ of the L2 penalty, for S flows at once.

    Both losses are standardised by their running mean and deviation, so that λ does not depend on
    the loss's scale. Σ is their 2 × 2 sample covariance over the last ``window`` pairs
    (RAD, equation 4). The paper only says that λ follows det Σ; the form is CoMet's:
    D' = log(1 + D) / log(101) with D = det Σ within [1e-6, 100], λ = λ₀ (1 + D' / 2).

    Parameters
    ----------
    size
        S.
    base
        λ₀, what λ is until two pairs are known.
    window
        Pairs that Σ looks at.
    """

    def __init__(self, size: int, base: float, window: int = 5) -> None:
        self._base = base
        self._count = 0
        self._mean = torch.zeros(size, 2, dtype=torch.float64)
        self._squares = torch.zeros(size, 2, dtype=torch.float64)
        self._window: deque[torch.Tensor] = deque(maxlen=window)

    def push(self, train: torch.Tensor, validation: torch.Tensor) -> None:
        """Add one pair of losses, ``[S]`` each."""
        pair = torch.stack([train, validation], dim=1).double().cpu()
        self._count += 1
        step = pair - self._mean
        self._mean = self._mean + step / self._count
        self._squares = self._squares + step * (pair - self._mean)  # Welford
        deviation = (self._squares / max(1, self._count - 1)).sqrt().clamp(min=1e-8)
        self._window.append((pair - self._mean) / deviation)

    def sigma(self) -> torch.Tensor | None:
        """Return Σ, ``float64 [S, 2, 2]``; None before two pairs are known."""
        if len(self._window) < 2:
            return None
        pairs = torch.stack(tuple(self._window), dim=1)
        centred = pairs - pairs.mean(dim=1, keepdim=True)
        covariance = centred.transpose(1, 2) @ centred / (len(self._window) - 1)
        return covariance + JITTER * torch.eye(2, dtype=torch.float64)

    def coefficient(self) -> torch.Tensor:
        """Return λ, ``float32 [S]``, between λ₀ and 1.5 λ₀."""
        sigma = self.sigma()
        if sigma is None:
            return torch.full((len(self._mean),), self._base)
        determinant = torch.linalg.det(sigma).clamp(FLOOR, CEILING)
        bounded = torch.log1p(determinant) / torch.log(torch.tensor(1 + CEILING))
        return (self._base * (1 + 0.5 * bounded)).float()
