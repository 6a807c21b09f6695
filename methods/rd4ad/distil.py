"""Loss, training and anomaly map of reverse distillation (section 3.1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch.nn import functional

from ...datasets.errors import CellError
from ..epochs import epoch_losses
from .networks import Student


def distillation_loss(
    teacher: Sequence[torch.Tensor], student: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Return the sum over scales of 1 − cosine of the whole flattened maps, averaged over images.

    Equation 2 averages the cosine over positions; the official code flattens channels and
    positions into one vector, which weights positions by their norm. The code's is computed.

    Parameters
    ----------
    teacher, student
        Per scale ``float32 [N, C, h, w]``.
    """
    parts = [
        1 - functional.cosine_similarity(t.flatten(1), s.flatten(1)).mean()
        for t, s in zip(teacher, student, strict=True)
    ]
    return torch.stack(parts).sum()


def anomaly_map(
    teacher: Sequence[torch.Tensor], student: Sequence[torch.Tensor], size: int
) -> torch.Tensor:
    """Return the sum over scales of 1 − cosine per position, ``float32 [N, size, size]``.

    Each scale's map (equation 1) is upsampled bilinearly with aligned corners, as in the official
    code.
    """
    total: torch.Tensor | None = None
    for t, s in zip(teacher, student, strict=True):
        distance = 1 - functional.cosine_similarity(t, s)
        full = functional.interpolate(
            distance[:, None], size=(size, size), mode="bilinear", align_corners=True
        )
        total = full if total is None else total + full
    assert total is not None, "settings refuse an empty list of strides"
    return total[:, 0]


def train_student(
    student: Student,
    maps: Sequence[torch.Tensor],
    *,
    epochs: int,
    batch_images: int,
    learning_rate: float,
    betas: tuple[float, float],
    generator: torch.Generator,
    progress: Callable[[float, str], None] = lambda _fraction, _text: None,
) -> list[float]:
    """Train the student to rebuild the teacher's maps of nominal images; in place.

    Parameters
    ----------
    student
        On its device; left in evaluation mode.
    maps
        The teacher's, per scale ``float32 [N, C, h, w]``, finest first, on any device.
    epochs, batch_images, learning_rate, betas
        As in the settings.
    generator
        A CPU generator, for the order of the images.
    progress
        Called after every epoch.

    Returns
    -------
    list of float
        Mean loss per epoch.

    Raises
    ------
    CellError
        A loss is not finite.
    """
    means = epoch_losses(
        student,
        torch.optim.Adam(student.parameters(), lr=learning_rate, betas=betas),
        maps,
        lambda teacher: distillation_loss(teacher, student(teacher)),
        epochs=epochs,
        batch_images=batch_images,
        generator=generator,
    )
    losses: list[float] = []
    for epoch, loss in enumerate(means, start=1):
        if not math.isfinite(loss):
            raise CellError(
                f"reverse distillation diverged: loss {loss:g} in epoch {epoch} of {epochs}, "
                "expected a finite one; try a smaller learning rate"
            )
        losses.append(loss)
        progress(epoch / epochs, f"epoch {epoch}, loss {loss:.3f}")
    return losses
