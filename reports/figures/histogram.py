"""Histograms of image scores: nominal and anomalous test images, mislabelled training images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..evidence import Evidence
from .material import Material
from .style import INK, canvas, finish, log_x, proxy, titled, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PAGE_INCHES = 5.0
_BINS = 24
# A largest score this many times the middle one would squeeze all others into one bin.
_LONG_TAIL = 40.0
NOMINAL, ANOMALOUS, INJECTED = (
    "test, nominal",
    "test, anomalous",
    "training, anomalous labelled nominal",
)
THRESHOLD = "label-free threshold"
_LOOKS: dict[str, dict[str, Any]] = {
    NOMINAL: {"color": "#56B4E9", "fill": True, "alpha": 0.75},
    ANOMALOUS: {"edgecolor": "#D55E00", "fill": False, "linewidth": 1.2, "linestyle": "solid"},
    INJECTED: {
        "edgecolor": "#882255", "facecolor": "none", "fill": True, "hatch": "/////",
        "linewidth": 0.8, "linestyle": (0, (3, 1.5)),
    },
}  # fmt: skip
_LINE: dict[str, Any] = {"color": INK, "linestyle": (0, (5, 2, 1, 2)), "linewidth": 1.2}


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    if material.evidence is None or not material.cells:
        return "it needs a cell of a store (--cell)"
    found = any(len(evidence.scores_N) for _, evidence in material.found())
    return "" if found else "the store has no scores of the chosen cells"


def alt(material: Material) -> str:
    """Say what the figure shows."""
    names = ", ".join(
        material.model.method_title(run.method)
        + ("" if e.threshold is None else f" (threshold {e.threshold:.4g})")
        for run, e in material.found()
    )
    return f"Histograms of anomaly scores with the threshold, {material.place}: {names}"


def draw(material: Material, width: float) -> Figure:
    """Draw a panel per method; each group of images is 100 percent."""
    found = list(material.found())
    across = min(len(found), 3 if width >= _PAGE_INCHES else 1)
    down = -(-len(found) // across)
    figure = canvas(width, 0.45 + 1.6 * down)
    axes = figure.subplots(down, across, squeeze=False)
    handles: dict[str, Any] = {}
    for axis, (run, evidence) in zip(axes.flat, found, strict=False):
        titled(axis, material.model.method_title(run.method), 32)
        _panel(axis, evidence, handles)
    for axis in list(axes.flat)[len(found) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_ylabel("Share of group (%)")
    if THRESHOLD in handles:
        handles[THRESHOLD] = handles.pop(THRESHOLD)
    for axis in list(axes.flat)[max(0, len(found) - across) : len(found)]:
        axis.set_xlabel("Anomaly score")
    figure.suptitle(wrapped(material.place, 90), fontsize=7.5)
    return finish(figure, handles, synthetic=material.model.synthetic)


def groups(evidence: Evidence) -> dict[str, np.ndarray]:
    """Return the scores of each group of images that is not empty."""
    labels, scores = evidence.labels_N, evidence.scores_N
    found = {NOMINAL: scores[~labels], ANOMALOUS: scores[labels]}
    if evidence.train_scores_M is not None and evidence.train_injected_M is not None:
        found[INJECTED] = evidence.train_scores_M[evidence.train_injected_M]
    return {name: values for name, values in found.items() if len(values)}


def bins(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the edges of the bins, and whether they are on a logarithmic scale."""
    low, high = float(values.min()), float(values.max())
    if low <= 0 or high < _LONG_TAIL * float(np.median(values)):
        pad = (high - low) * 1e-9 or 0.5
        return np.linspace(low - pad, high + pad, _BINS + 1), False
    return np.geomspace(low * (1 - 1e-9), high * (1 + 1e-9), _BINS + 1), True


def _panel(axis: Axes, evidence: Evidence, handles: dict[str, Any]) -> None:
    from matplotlib.patches import Patch

    found = groups(evidence)
    level = [] if evidence.threshold is None else [np.array([evidence.threshold])]
    edges, logarithmic = bins(np.concatenate([*found.values(), *level]))
    for name, values in found.items():
        share = 100 * np.histogram(values, edges)[0] / len(values)
        axis.stairs(share, edges, **_LOOKS[name])
        handles.setdefault(name, Patch(**_LOOKS[name]))
    if logarithmic:
        log_x(axis)
    if evidence.threshold is not None:
        axis.axvline(evidence.threshold, **_LINE)
        handles.setdefault(THRESHOLD, proxy(**_LINE))
    axis.set_ylim(0, None)
