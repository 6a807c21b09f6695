"""A starting point for a method of one's own."""

from __future__ import annotations

import re
from pathlib import Path

from ..datasets.errors import UsageError

TEMPLATE = '''"""{title}: say in one line what makes an image anomalous."""

from dataclasses import dataclass

import numpy as np

from adrepro.methods.base import Context, ImageSet, Method, Scores


@dataclass(frozen=True)
class Settings:
    """Each field is a setting: --set "{module}:{cls}.cell=16"."""

    cell: int = 8  # side in pixels of the cells that are compared


class {cls}(Method):
    """Compare the colour of each cell with the training images'."""

    name = "{name}"
    title = "{title}"
    image_size = 128
    Settings = Settings

    def fit(self, train: ImageSet, context: Context) -> None:
        cells = self._cells(train)
        self.mean, self.deviation = cells.mean(axis=0), cells.std(axis=0) + 1.0

    def score(self, images: ImageSet, context: Context) -> Scores:
        distance = np.abs(self._cells(images) - self.mean) / self.deviation
        maps = distance.max(axis=3).astype(np.float32)  # [N, h, w]
        return Scores(image=maps.max(axis=(1, 2)), maps=maps)

    def _cells(self, images: ImageSet) -> np.ndarray:
        """Average the pixels of each cell: float [N, h, w, 3]."""
        side, count = self.settings.cell, images.size // self.settings.cell
        pixels = images.array()[:, : count * side, : count * side].astype(np.float32)
        return pixels.reshape(-1, count, side, count, side, 3).mean(axis=(2, 4))
'''


def write_template(name: str, folder: Path) -> tuple[Path, str]:
    """Write a method that works, to be changed into one's own.

    Parameters
    ----------
    name
        Lower-case letters, digits, ``-`` and ``_``, e.g. ``my_method``.
    folder
        Where ``my_method.py`` goes.

    Returns
    -------
    tuple
        The file, and what the method is called on the command line, ``my_method:MyMethod``.

    Raises
    ------
    UsageError
        The name is no name, or the file exists: nothing is overwritten.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
        raise UsageError(f"method name '{name}': expected lower-case letters, digits, - or _")
    words = [word for word in re.split(r"[-_]+", name) if word]
    module, cls = "_".join(words), "".join(word.capitalize() for word in words)
    path = folder / f"{module}.py"
    text = TEMPLATE.format(module=module, cls=cls, name=name, title=" ".join(words).capitalize())
    try:
        with path.open("x", encoding="utf-8") as handle:
            handle.write(text)
    except OSError as err:
        raise UsageError(
            f"{path}: cannot be written ({err.strerror}); choose another name"
        ) from err
    return path, f"{module}:{cls}"
