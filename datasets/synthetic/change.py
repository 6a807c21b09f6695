"""What a structural defect alters in a scene.

A defect that removes, swaps or misplaces a part cannot be painted on top: the painter has to know
of it. Every painter therefore takes a `Change`, draws all nuisance values first from its own
stream, and asks the change whether and how much to depart; `NOTHING` gives the nominal scene.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Change:
    """A structural departure from the nominal scene.

    Attributes
    ----------
    kind
        Name of the defect, empty for none.
    severity
        In (0, 1]: from barely visible to obvious.
    rng
        Stream of the defect, apart from the scene's, so that pose and texture stay the same.
    """

    kind: str = ""
    severity: float = 0.0
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def is_(self, *kinds: str) -> bool:
        """Whether this is one of the named defects."""
        return self.kind in kinds

    def amount(self, kind: str, low: float, high: float) -> float:
        """Return ``low`` … ``high`` by severity where the defect is ``kind``, else 0."""
        return low + (high - low) * self.severity if self.kind == kind else 0.0

    def pick(self, kind: str, count: int) -> int:
        """Return which of ``count`` parts is hit, or -1 where the defect is not ``kind``."""
        return int(self.rng.integers(count)) if self.kind == kind else -1

    def sign(self) -> float:
        """Draw -1 or 1."""
        return 1.0 if self.rng.random() < 0.5 else -1.0


NOTHING = Change()
