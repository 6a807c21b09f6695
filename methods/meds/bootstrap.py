"""Scores of training images against random samples of themselves, and what to keep (MeDS, stage 1).

Nominal images resemble each other, anomalous ones rarely resemble anything: an image whose patches
find no match in many small random memories of the training set is suspect. Nothing is trained, and
any frozen backbone's patch features will do.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
from torch.nn import functional

from ...datasets.errors import UsageError

Cut = Literal["relaxed", "median", "mad"]

BLOCK = 2**24  # similarities held at once, 64 MiB of float32; bounds memory, changes no value


def patch_scores(
    tokens: torch.Tensor,
    generator: torch.Generator,
    *,
    memories: int = 100,
    share: float = 0.1,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> torch.Tensor:
    """Score every patch by its mean distance to random memories of other training images.

    A memory holds all patches of ⌈share · N⌉ images drawn with replacement; a patch's distance to
    it is 1 − the largest cosine. Memories that hold the patch's own image are left out of its mean:
    there the distance is 0 by construction, so that how often an image happens to be drawn would
    move its score, by some 3 % of it.

    Distances to single images are computed once per image, and a memory's is the smallest of its
    images', so that hundred memories cost as much as one that holds everything.

    Parameters
    ----------
    tokens
        ``float32 [N, P, D]``: P patches per image; need not be normalised.
    generator
        A CPU generator, for the draws.
    memories
        B, how many memories.
    share
        Share of the images that a memory holds, in (0, 1].
    progress
        Called with a fraction now and then.

    Returns
    -------
    torch.Tensor
        ``float32 [N, P]`` in [0, 2], higher = less like other images.

    Raises
    ------
    UsageError
        Some image is in every memory, as happens with a handful of images.
    """
    count, size, _ = tokens.shape
    tokens = functional.normalize(tokens, dim=2)
    draws = torch.randint(count, (memories, math.ceil(share * count)), generator=generator)
    apart = (draws[None] != torch.arange(count)[:, None, None]).all(dim=2)  # [N, B]
    if not bool(apart.any(dim=1).all()):
        raise UsageError(
            f"meds: {memories} memories drawn from {count} training images leave none to score "
            "some image with; expected more images or memories, or a smaller share"
        )
    draws, apart = draws.to(tokens.device), apart.to(tokens.device)
    scores = tokens.new_empty(count, size)
    for index in range(count):
        to_memories = _distances(tokens[index], tokens)[draws[apart[index]]].amin(dim=1)
        scores[index] = to_memories.mean(dim=0)
        progress((index + 1) / count)
    return scores


def _distances(queries: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return each query's cosine distance to the nearest patch of each image, ``[N, Q]``."""
    size, dim = tokens.shape[1:]
    parts = []
    for part in tokens.split(max(1, BLOCK // (len(queries) * size))):
        cosines = part.reshape(-1, dim) @ queries.T  # [images · P, Q]
        parts.append(1 - cosines.reshape(len(part), size, -1).amax(dim=1))
    return torch.cat(parts)


def image_scores(patches: torch.Tensor, top: float = 0.01) -> torch.Tensor:
    """Score images by the mean of their highest patches, ``float32 [N, P] → [N]``.

    Parameters
    ----------
    patches
        From `patch_scores`.
    top
        Share of the patches that is averaged, at least one.
    """
    count = max(1, int(patches.shape[1] * top))
    return patches.topk(count, dim=1).values.mean(dim=1)


def select(scores: np.ndarray, cut: Cut, factor: float = 3.0) -> np.ndarray:
    """Choose the images to train on from their scores.

    MeDS keeps what lies below median + w · 3 · MAD (median absolute deviation) of all scores and
    lets w grow from 0 to 1 while it trains. A filter runs once, so it has to choose:

    ``"median"``
        w = 0, where MeDS starts. Tolerates up to half of the images being anomalous and, whatever
        the truth, throws half of them away.
    ``"mad"``
        w = 1, where MeDS ends. Loses few nominal images, but anomalous ones widen median and MAD:
        where half of the images are anomalous, nearly all of them are inside.
    ``"relaxed"``
        Starts at the median and moves the cut to median + 3 · MAD *of what lies below it*, as long
        as that is higher. Anomalous images above the cut have no say in it, so that nominal ones
        above the median are won back and a gap in the scores stops it. Never keeps less than half.

    Parameters
    ----------
    scores
        ``float [N]``, from `image_scores`.
    cut
        As above.
    factor
        Multiple of the MAD.

    Returns
    -------
    numpy.ndarray
        ``bool [N]``, True = keep; at least ⌈N / 2⌉ of them.
    """
    values = np.asarray(scores, dtype=np.float64)
    if cut == "mad":
        return values <= _fence(values, factor)
    threshold = _median(values)
    if cut == "median":
        return values <= threshold
    while (higher := _fence(values[values <= threshold], factor)) > threshold:
        threshold = higher
    return values <= threshold


def _fence(values: np.ndarray, factor: float) -> float:
    median = _median(values)
    return median + factor * _median(np.abs(values - median))


def _median(values: np.ndarray) -> float:
    """Return the lower median, as MeDS' code does."""
    return float(np.sort(values)[(len(values) - 1) // 2])
