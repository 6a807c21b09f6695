"""What goes through a frozen network together: passes of one size, decoded ahead.

What an image gives depends in its last bits on how many images pass with it, though not on which.
So a pass that other cells may see the result of is never short: it is filled up with images that
will be asked for anyway, else with repetitions. Then features depend on nothing that ran before.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from ..datasets.images import ImageSet

FORWARD_BATCH = 16  # images per pass; larger ones are slower on CPU (cache misses)
DECODERS = 2


class Companions:
    """Images that will be asked for sooner or later.

    Parameters
    ----------
    images
        All of them, at any size.
    """

    def __init__(self, images: ImageSet) -> None:
        self._images = images
        self._left: dict[str, deque[int]] = {}

    def take(
        self, view: str, size: int, count: int, wanted: Callable[[str], bool]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield hash and pixels of up to ``count`` images that ``view`` has not been given yet.

        Parameters
        ----------
        view
            What is computed of them; each image is offered once to each.
        size
            Side in pixels.
        count
            How many at the most.
        wanted
            Says by its hash whether an image is to be had.

        Yields
        ------
        tuple
            An image that cannot be read, for whatever reason, is passed over: it fails the cell
            that asks for it. Only one that kills the process as it is decoded is laid to the cell
            whose pass it was to fill.
        """
        left = self._left.setdefault(view, deque(range(len(self._images))))
        images = self._images.resized(size) if left and count > 0 else self._images
        while left and count > 0:
            name = images.hashes[index := left.popleft()]
            if not wanted(name):
                continue
            try:
                pixels = np.asarray(images[index])
            except Exception:  # noqa: S112 - what is wrong with it, its own cell will say
                continue
            yield name, pixels
            count -= 1


def decoded(
    images: ImageSet,
    indices: list[int],
    prepare: Callable[[np.ndarray], np.ndarray],
    batch: int,
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Yield batches of prepared images, decoding the next ones while the caller computes."""

    def load(index: int) -> np.ndarray:
        return prepare(np.asarray(images[index]))

    chunks = [indices[i : i + batch] for i in range(0, len(indices), batch)]
    waiting: deque[tuple[list[int], list[Future[np.ndarray]]]] = deque()
    with ThreadPoolExecutor(DECODERS) as pool:
        for chunk in chunks:
            waiting.append((chunk, [pool.submit(load, i) for i in chunk]))
            # Two batches ahead keep the decoders busy; more would fill memory with pixels.
            if len(waiting) > 2:
                ready, done = waiting.popleft()
                yield ready, [future.result() for future in done]
        for ready, done in waiting:
            yield ready, [future.result() for future in done]
