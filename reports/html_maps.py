"""Anomaly maps as small pictures that lie over the thumbnails of a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .figures.qualitative import COLORS

if TYPE_CHECKING:
    import numpy as np

    from .evidence import Evidence

PIXELS = 40
# A palette of 4 bits; what is low is clear, so that the image is seen through it.
_STEPS, _MOST_OPAQUE = 16, 205


def overlays(evidence: Evidence, indices: Sequence[int]) -> list[str]:
    """Return the maps of some images as ``data:`` addresses of half transparent pictures.

    Parameters
    ----------
    evidence
        Of a cell.
    indices
        Of the images. Their maps share one scale, from the lowest value to the highest but for a
        thousandth, as in the figure of maps.

    Returns
    -------
    list of str
        Empty where the cell has no maps as they were measured.
    """
    import numpy as np

    maps = [found for i in indices if (found := evidence.measured_map(i)) is not None]
    if not maps or len(maps) != len(indices):
        return []
    known = np.stack(maps)
    low, high = float(known.min()), float(np.quantile(known, 0.999))
    # One picture of one value shows nothing, whatever that value is.
    scale = (_STEPS - 1) / (high - low) if high > low else 0.0
    return [_uri(np.clip((found - low) * scale, 0, _STEPS - 1)) for found in maps]


def _uri(levels: np.ndarray) -> str:
    """Return a square of levels 0 … 15 as a picture of `PIXELS` a side."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(levels.astype(np.float32)).resize(
        (PIXELS, PIXELS), Image.Resampling.BOX
    )
    picture = Image.fromarray(np.rint(np.asarray(small)).astype(np.uint8)).convert("P")
    colors, clear = _palette()
    picture.putpalette(colors)
    buffer = io.BytesIO()
    picture.save(buffer, format="png", bits=4, optimize=True, transparency=clear)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _palette() -> tuple[bytes, bytes]:
    """Return red, green and blue, and the opacity of each level."""
    import numpy as np
    from matplotlib import colormaps

    steps = np.linspace(0, 1, _STEPS)
    colors = np.rint(colormaps[COLORS](steps)[:, :3] * 255).astype(np.uint8)
    return colors.tobytes(), np.rint(steps * _MOST_OPAQUE).astype(np.uint8).tobytes()
