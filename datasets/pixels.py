"""Decoded pixels that a process remembers: the cells of a category see the same images."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

import numpy as np

Key = tuple[str, str, int]
# Three hundred images of 448 pixels; those of a category at the usual 256 all fit.
PIXEL_BYTES = 192 * 2**20


class RecentPixels:
    """The most recently used images, up to a number of bytes; safe between threads.

    Parameters
    ----------
    limit
        Bytes.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._items: OrderedDict[Key, np.ndarray] = OrderedDict()
        self._lock = Lock()

    @property
    def held(self) -> int:
        """Return the bytes held."""
        return self._held

    def get(self, key: Key) -> np.ndarray | None:
        """Return the pixels under ``key``, not to be given away, or None.

        A key is path, content hash and side.
        """
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found

    def put(self, key: Key, pixels: np.ndarray) -> None:
        """Hold pixels that nobody else has, letting go of the least recently used if need be."""
        with self._lock:
            if key in self._items or pixels.nbytes > self._limit:
                return
            self._items[key] = pixels
            self._held += pixels.nbytes
            while self._held > self._limit:
                self._held -= self._items.popitem(last=False)[1].nbytes


REMEMBERED = RecentPixels(PIXEL_BYTES)
