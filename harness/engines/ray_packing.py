"""How much of a GPU a process of a method is given, from what its first cells needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Ray's shares are bookkeeping: nothing keeps a process within its own. PyTorch's peak does not
# count the CUDA context of each process, and another category may need more than the first.
CONTEXT_MB = 1_000.0
HEADROOM = 1.25
# More processes than this on one GPU wait for each other.
MOST = 8


@dataclass(slots=True)
class Packing:
    """Shares of a GPU by method.

    Parameters
    ----------
    given
        The share of every method; 0 = measured.
    whole
        Every process has a GPU for itself.
    """

    given: float = 0.0
    whole: bool = False
    device_mb: float = 0.0
    _processes: dict[str, int] = field(default_factory=dict)

    def share(self, method: str) -> float:
        """Return the share of a GPU for a method's next process: a whole one until measured."""
        if self.whole:
            return 1.0
        if self.given:
            return self.given
        count = self._processes.get(method, 1)
        return int(10_000 / count) / 10_000  # Ray counts in ten-thousandths

    def measured(self, method: str, row: Mapping[str, Any], *, needed: float) -> None:
        """Learn from the row of a finished cell; ``needed`` is the share its process had.

        A method that once needed more is never given less again.
        """
        peak = float(row.get("peak_memory_mb") or 0.0)
        if not peak or not self.device_mb:
            return
        room = int(self.device_mb / (peak * HEADROOM + CONTEXT_MB))
        count = max(1, min(MOST, room))
        first = needed >= 1 and method not in self._processes
        self._processes[method] = count if first else min(count, self._processes.get(method, count))
