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
# Inches. A wider image shows no more, and a taller figure does not fit on a page.
_LARGEST, _TALLEST, _GAP = 1.35, 9.0, 0.04
_LEFT, _RIGHT = 0.25, 0.5
_TITLE, _KINDS, _METHOD, _SCORES = 0.25, 0.3, 0.25, 0.2
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
    """Draw the images with their ground truth, an image per column; then two rows per method."""
    found = _drawn(material)
    first = found[0][1]
    # Chosen by the first method's scores; all methods show the same images.
    picks = chosen(first, _MOST[width >= _PAGE_INCHES])
    page = _Page(width, len(picks), len(found))
    # Places are given in inches: what a solver lays out differs in its last bits between renders.
    figure = canvas(width, page.height)
    figure.set_layout_engine("none")
    top = page.below(figure, wrapped(material.place, round(16 * width)), _TITLE)
    top = page.below(figure, "", _KINDS, top)
    for column, index in enumerate(picks):
        image, mask = first.image(index), first.mask(index)
        assert image is not None
        assert mask is not None
        upper = page.axis(figure, top, 0, column, ROWS[0])
        upper.imshow(image)
        upper.set_title(wrapped(kind_of(first.ids[index]), 14), fontsize=7, pad=2)
        page.axis(figure, top, 1, column, ROWS[1]).imshow(mask, cmap="gray", vmin=0, vmax=1)
    top -= 2 * page.step
    names = [first.ids[index] for index in picks]
    for run, evidence in found:
        top = page.below(figure, material.model.method_title(run.method), _METHOD, top)
        _block(figure, page, top, evidence, names)
        top -= 2 * page.step + _SCORES
    return finish(figure, {}, synthetic=material.model.synthetic)


class _Page:
    """Where things stand: sizes in inches, from the top left."""

    def __init__(self, width: float, across: int, methods: int) -> None:
        fixed = _TITLE + _KINDS + methods * (_METHOD + _SCORES)
        rows = 2 + 2 * methods
        room = (width - _LEFT - _RIGHT) / across - _GAP
        self.side = max(0.2, min(room, _LARGEST, (_TALLEST - fixed) / rows - _GAP))
        self.step = self.side + _GAP
        self.width, self.height = width, fixed + rows * self.step
        used = across * self.step
        self.left = _LEFT + (width - _LEFT - used - _RIGHT) / 2
        self.right = self.left + used

    def box(self, left: float, top: float, width: float, height: float) -> tuple[float, ...]:
        """Return a rectangle as matplotlib wants it; ``top`` is counted from below."""
        sizes = (self.width, self.height, self.width, self.height)
        inches = (left, top - height, width, height)
        return tuple(round(inch / size, 6) for inch, size in zip(inches, sizes, strict=True))

    def axis(self, figure: Figure, top: float, row: int, column: int, name: str) -> Any:
        """Return empty axes for an image; the first of a row bears its name."""
        place = (self.left + column * self.step, top - row * self.step, self.side, self.side)
        axis = figure.add_axes(self.box(*place))  # type: ignore[arg-type]
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[["top", "right", "left", "bottom"]].set_visible(False)
        axis.set_ylabel("" if column else name, fontsize=7, labelpad=2)
        return axis

    def below(self, figure: Figure, text: str, height: float, top: float | None = None) -> float:
        """Write a line of its own height; return where the next thing begins."""
        start = self.height if top is None else top
        middle = round((start - height / 2) / self.height, 6)
        if text:
            centre = round((self.left + self.right - _GAP) / 2 / self.width, 6)
            figure.text(centre, middle, text, ha="center", va="center", fontsize=7.5,
                        fontweight="bold")  # fmt: skip
        return start - height


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


def _block(
    figure: Figure, page: _Page, top: float, evidence: Evidence, names: Sequence[str]
) -> None:
    """Draw a method's maps, and the images below them."""
    columns = {c: evidence.ids.index(n) for c, n in enumerate(names) if n in evidence.ids}
    maps = {column: evidence.measured_map(index) for column, index in columns.items()}
    known = np.concatenate([np.ravel(found) for found in maps.values() if found is not None])
    # The brightest spot of a thousand pixels would leave all others dark.
    limits: dict[str, Any] = {
        "vmin": float(known.min()),
        "vmax": float(np.quantile(known, 0.999)) or 1.0,
        "cmap": COLORS,
    }
    shown = None
    for column, index in columns.items():
        image, mask, found = evidence.image(index), evidence.mask(index), maps[column]
        assert image is not None
        assert mask is not None
        assert found is not None
        upper, lower = (page.axis(figure, top, r, column, ROWS[2 + r]) for r in range(2))
        shown = upper.imshow(found, **limits)
        lower.imshow(image)
        lower.imshow(found, alpha=0.45, **limits)
        if mask.any() and not mask.all():
            lower.contour(mask, levels=[0.5], colors=[_TRUTH], linewidths=0.9)
        lower.set_xlabel(f"score {evidence.scores_N[index]:.4g}", fontsize=6.5, labelpad=2)
    if shown is not None:
        place = page.box(page.right + 0.04, top, 0.07, 2 * page.step - _GAP)
        bar = figure.colorbar(shown, cax=figure.add_axes(place))  # type: ignore[arg-type]
        bar.ax.tick_params(labelsize=6)
        bar.outline.set_visible(False)
