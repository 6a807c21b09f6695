"""Qualitative grid of a cell: images with their ground truth, anomaly map and overlay.

Images are chosen by a rule, none by eye: of each kind of defect the one with the middle score, then
the nominal image with the middle score, by the scores of the first method. All maps of a method
share one colour scale.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from ...tables.runs import Run
from ..evidence import Evidence
from .material import Material
from .style import canvas, finish, wrapped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROWS = ("image", "ground truth", "anomaly map", "overlay")
COLORS = "magma"
_PAGE_INCHES = 5.0
_MOST = {True: 7, False: 4}
# Inches; a wider image shows no more and fills the page.
_LARGEST = 1.35
_TRUTH = "#56B4E9"


def why_not(material: Material) -> str:
    """Say why the grid cannot be drawn; empty where it can."""
    if material.evidence is None or not material.cells:
        return "it needs a cell of a store (--cell)"
    found = list(material.found())
    if not any(evidence.maps_NHW is not None for _, evidence in found):
        return "the store has no maps of the chosen cells (run with --keep-maps)"
    if not any(e.measured_map(0) is not None for _, e in found if len(e.ids)):
        return "the chosen cells do not say how their maps were smoothed: run them again"
    if not any(chosen(evidence, 1) for _, evidence in found):
        return "the images are not at hand as they were measured (give --data-root)"
    return ""


def alt(material: Material) -> str:
    """Say what the grid shows."""
    found = _drawn(material)
    methods = ", ".join(material.model.method_title(run.method) for run, _ in found)
    first = found[0][1]
    images = ", ".join(first.ids[i] for i in chosen(first, _MOST[True]))
    what = f"Test images with ground truth, anomaly map and overlay of {methods}"
    return f"{what}; {material.place}: {images}"


def draw(material: Material, width: float) -> Figure:
    """Draw a block of four rows per method, an image per column."""
    found = _drawn(material)
    most = _MOST[width >= _PAGE_INCHES]
    # Chosen by the first method's scores; all methods show the same images.
    names = [found[0][1].ids[i] for i in chosen(found[0][1], most)]
    across = len(names)
    side = min((width - 0.75) / across, _LARGEST)
    figure = canvas(width, 0.4 + len(found) * (len(ROWS) * side + 0.35))
    blocks: Any = figure.subfigures(len(found), 1, squeeze=False)
    for block, (run, evidence) in zip(blocks[:, 0], found, strict=True):
        title = f"{material.model.method_title(run.method)}; {material.place}"
        block.suptitle(wrapped(title, 90), fontsize=7.5, fontweight="bold")
        own = [evidence.ids.index(name) for name in names if name in evidence.ids]
        _block(block, evidence, own, across)
    return finish(figure, {}, synthetic=material.model.synthetic)


def _drawn(material: Material) -> list[tuple[Run, Evidence]]:
    pairs = [(r, e) for r, e in material.found() if e.maps_NHW is not None]
    return [(run, evidence) for run, evidence in pairs if chosen(evidence, 1)]


def kind_of(name: str) -> str:
    """Return the kind of defect of an image: the folder that it lies in."""
    return PurePosixPath(name).parent.name


def chosen(evidence: Evidence, most: int) -> list[int]:
    """Return up to ``most`` test images, none whose pixels, mask or map are not at hand.

    Each kind of defect gives one, sorted by name; the last is a nominal one where there is room.
    """
    kinds: dict[tuple[bool, str], list[int]] = {}
    for index, name in enumerate(evidence.ids):
        # Nominal images come last.
        kinds.setdefault((not evidence.labels_N[index], kind_of(name)), []).append(index)
    found = [middle for key in sorted(kinds) if (middle := _middle(evidence, kinds[key]))]
    picks = [pick[0] for pick in found]
    anomalous = [i for i in picks if evidence.labels_N[i]]
    nominal = [i for i in picks if not evidence.labels_N[i]][:1]
    if len(anomalous) + len(nominal) > most:
        anomalous = _spread(anomalous, max(1, most - len(nominal)))
    return [*anomalous, *nominal][:most]


def _spread(items: Sequence[int], count: int) -> list[int]:
    """Return ``count`` items, evenly from first to last."""
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def _middle(evidence: Evidence, members: Sequence[int]) -> list[int]:
    """Return the image of middle score, or the next that is at hand; none where none is."""
    ranked = sorted(members, key=lambda i: (float(evidence.scores_N[i]), evidence.ids[i]))
    middle = (len(ranked) - 1) // 2
    by_distance = sorted(range(len(ranked)), key=lambda at: (abs(at - middle), at))
    at_hand = (
        ranked[at]
        for at in by_distance
        if evidence.image(ranked[at]) is not None and evidence.mask(ranked[at]) is not None
    )
    first = next(at_hand, None)
    return [] if first is None else [first]


def _block(block: Any, evidence: Evidence, picks: Sequence[int], across: int) -> None:
    axes = block.subplots(len(ROWS), across, squeeze=False)
    maps = {i: evidence.measured_map(i) for i in picks}
    known = np.concatenate([np.ravel(found) for found in maps.values() if found is not None])
    # The brightest spot of a thousand pixels would leave all others dark.
    limits: dict[str, Any] = {
        "vmin": float(known.min()),
        "vmax": float(np.quantile(known, 0.999)) or 1.0,
        "cmap": COLORS,
    }
    shown = None
    for column, index in enumerate(picks):
        image, mask, found = evidence.image(index), evidence.mask(index), maps[index]
        assert image is not None
        assert mask is not None
        assert found is not None
        own = axes[:, column]
        own[0].imshow(image)
        own[1].imshow(mask, cmap="gray", vmin=0, vmax=1)
        shown = own[2].imshow(found, **limits)
        own[3].imshow(image)
        own[3].imshow(found, alpha=0.45, **limits)
        if mask.any() and not mask.all():
            own[3].contour(mask, levels=[0.5], colors=[_TRUTH], linewidths=0.9)
        own[0].set_title(f"{wrapped(kind_of(evidence.ids[index]), 14)}", fontsize=7)
        own[3].set_xlabel(f"score {evidence.scores_N[index]:.4g}", fontsize=7)
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
    for axis in axes[:, len(picks) :].flat:
        axis.set_visible(False)
    for axis, name in zip(axes[:, 0], ROWS, strict=True):
        axis.set_ylabel(name, fontsize=7)
    if shown is not None:
        bar = block.colorbar(shown, ax=axes[2:, :], fraction=0.03, pad=0.01, aspect=30)
        bar.ax.tick_params(labelsize=6)
        bar.outline.set_visible(False)
