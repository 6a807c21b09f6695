"""How many failures a run puts up with."""

from __future__ import annotations

from .base import EngineOptions, Event, TooManyFailures


class FailureLimit:
    """Counts failed cells; to be given every event of a run after it was told.

    Parameters
    ----------
    options
        Has the limit.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._most, self._failed = options.max_failures, options.failed

    def take(self, event: Event) -> None:
        """Count an event.

        Raises
        ------
        TooManyFailures
            The limit is reached.
        """
        if event.kind != "failed":
            return
        self._failed += len(event.task.identities)
        if self._most is not None and self._failed >= self._most:
            cells = "1 cell" if self._failed == 1 else f"{self._failed} cells"
            raise TooManyFailures(
                f"stopped after {cells} failed, the last one {event.task.label}: {event.text}; "
                "finished cells are kept, give no --fail-fast or a higher --max-failures to go on"
            )
