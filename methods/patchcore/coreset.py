"""Greedy k-centre selection and nearest neighbours (PatchCore, sections 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Callable

import torch

STARTS = 10  # random start points of the approximate selection (official code)
PROJECTED = 128  # length that features are projected to for the selection (official code)
MIN_ACTIVE, ACTIVE_SHARE = 4096, 20  # points that rounds run on: all / ACTIVE_SHARE, or this many
SELECTED = -1.0  # below every squared distance: a selected point is never the farthest
BLOCK = 2**21  # distances held at once by the search, 8 MiB of float32: they stay in the cache
ROWS = 256  # queries at once at least: a large bank is not read again for a few of them,
ROOM = 2**24  # unless their distances would be more than these, 64 MiB


def project(
    features: torch.Tensor, generator: torch.Generator, dim: int = PROJECTED
) -> torch.Tensor:
    """Project features at random to ``dim`` numbers, ``[N, D] → [N, dim]``; shorter ones stay.

    The official code uses an untrained linear layer, whose weights are uniform; their scale does
    not matter to the selection, only distances' order does.
    """
    length = features.shape[1]
    if length <= dim:
        return features
    weight = torch.rand(length, dim, generator=generator) * 2 - 1
    return features @ (weight / length**0.5).to(features.device)


def greedy_coreset(
    features: torch.Tensor,
    count: int,
    generator: torch.Generator,
    *,
    exact: bool = False,
    progress: Callable[[float], None] = lambda _fraction: None,
) -> torch.Tensor:
    """Select points so that the farthest point from the selection is as near as greed gets it.

    Each round adds the point that is farthest from those selected. What "farthest" means before
    anything is selected is the official code's choice: the mean distance to ten random points,
    which are not selected themselves; with ``exact`` the norm of the distances to all points.

    A point's distance to the selection only ever shrinks, so a stale one is an upper bound. Rounds
    therefore run on the few points with the largest distances, until one of the others could be
    the farthest; these catch up with all new points in one matrix product. The selection is the
    plain one, at a tenth of its time.

    Parameters
    ----------
    features
        ``float32 [N, D]``.
    count
        How many points, 1 ≤ count ≤ N.
    generator
        A CPU generator, for the start points.
    exact
        Which start; the rounds are the same.
    progress
        Called with a fraction now and then.

    Returns
    -------
    torch.Tensor
        ``int64 [count]``, in order of selection, no point twice.
    """
    total = len(features)
    if not 1 <= count <= total:
        raise ValueError(f"a coreset of {count} points from {total}")
    squares = features.square().sum(dim=1)
    # Squared distances throughout: minimum and argmax do not need the root.
    distances = _start_exact(features, squares) if exact else _start(features, generator)
    chosen: list[int] = []
    while len(chosen) < count:
        active = distances.topk(min(total, max(MIN_ACTIVE, total // ACTIVE_SHARE))).indices
        floor = distances[active[-1]] if len(active) < total else distances.new_tensor(-torch.inf)
        picks, near = _rounds(features[active], distances[active], floor, count - len(chosen))
        fresh = active[picks]
        _catch_up(distances, features, squares, fresh)
        distances[active] = near
        chosen += fresh.tolist()
        progress(len(chosen) / count)
    return torch.tensor(chosen)


def _rounds(
    points: torch.Tensor, distances: torch.Tensor, floor: torch.Tensor, limit: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Select among ``points`` while the farthest of them is at least ``floor`` away."""
    squares = points.square().sum(dim=1)
    picks: list[torch.Tensor] = []
    while len(picks) < limit:
        largest, index = distances.max(dim=0)
        if picks and largest < floor:
            break
        picks.append(index)
        fresh = torch.addmv(squares, points, points[index], alpha=-2).add_(squares[index])
        distances = torch.minimum(distances, fresh.clamp_(min=0))
        distances[index] = SELECTED
    return torch.stack(picks), distances


def _catch_up(
    distances: torch.Tensor, features: torch.Tensor, squares: torch.Tensor, fresh: torch.Tensor
) -> None:
    """Lower every distance to that of the nearest newly selected point, in place."""
    centres, offsets = features[fresh].T, squares[fresh]
    step = max(1, BLOCK // len(fresh))
    for start in range(0, len(features), step):
        rows = slice(start, start + step)
        near = torch.addmm(offsets, features[rows], centres, alpha=-2).amin(dim=1)
        near += squares[rows]
        torch.minimum(distances[rows], near.clamp_(min=0), out=distances[rows])


def _start(features: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    picks = torch.randperm(len(features), generator=generator)[:STARTS]
    return torch.cdist(features, features[picks.to(features.device)]).mean(dim=1).square()


def _start_exact(features: torch.Tensor, squares: torch.Tensor) -> torch.Tensor:
    """Return Σ_j ‖x_i − x_j‖² by its closed form, so that no N × N matrix is built."""
    total = features.sum(dim=0)
    return len(features) * squares + squares.sum() - 2 * (features @ total)


def nearest(
    queries: torch.Tensor, bank: torch.Tensor, neighbours: int = 1
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the nearest bank entries of each query, by brute force in blocks.

    Parameters
    ----------
    queries, bank
        ``float32 [M, D]`` and ``float32 [B, D]``.
    neighbours
        How many, at most B.

    Returns
    -------
    tuple
        Squared Euclidean distances ``float32 [M, neighbours]``, ascending, and bank indices
        ``int64 [M, neighbours]``.
    """
    squares = bank.square().sum(dim=1)
    step = max(1, BLOCK // len(bank), min(ROWS, ROOM // len(bank)))
    indices = []
    for block in queries.split(step):
        # ‖q‖² is the same for all bank entries of a query: it does not change their order.
        scores = torch.addmm(squares, block, bank.T, alpha=-2)
        indices.append(
            scores.topk(neighbours, dim=1, largest=False).indices
            if neighbours > 1
            else scores.argmin(dim=1, keepdim=True)
        )
    found = torch.cat(indices)
    # The product formula above loses digits to cancellation; the difference does not.
    parts = [
        (q[:, None] - bank[i]).square().sum(dim=2)
        for q, i in zip(queries.split(step), found.split(step), strict=True)
    ]
    distances, order = torch.cat(parts).sort(dim=1, stable=True)
    return distances, found.gather(1, order)
