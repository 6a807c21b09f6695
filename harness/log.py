"""Where a cell's output goes: kept up to a limit, so that a loud method harms nobody."""

from __future__ import annotations

import io


class CappedLog(io.TextIOBase):
    """A text stream that keeps the first characters and counts the rest."""

    def __init__(self, limit: int) -> None:
        self._limit, self._parts, self._size, self._dropped = limit, [], 0, 0

    def writable(self) -> bool:
        """Return True: this is where a cell's output goes."""
        return True

    def write(self, text: str, /) -> int:
        """Keep what fits."""
        room = max(0, self._limit - self._size)
        self._parts.append(text[:room])
        self._size += min(room, len(text))
        self._dropped += max(0, len(text) - room)
        return len(text)

    def text(self) -> str:
        """Return what was kept, with a note on what was not."""
        note = f"\n… {self._dropped} more characters were dropped\n" if self._dropped else ""
        return "".join(self._parts) + note
