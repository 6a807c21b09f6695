"""ROC and precision-recall curves of single cells: the methods of one place, from their scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ...tables.runs import Run
from ..escape import one_line
from ..evidence import Evidence
from .material import Material
from .style import DASHES, REPORTED, Look, canvas, finish, looks, proxy, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AT = "at the label-free threshold"
_PAGE_INCHES = 5.0

Draw = Callable[["Axes", Evidence, Look], str]


def why_not(material: Material) -> str:
    """Say why the curves cannot be drawn; empty where they can."""
    if material.evidence is None or not material.cells:
        return "it needs a cell of a store (--cell)"
    if not _found(material):
        return "the chosen cells have no stored scores of both nominal and anomalous images"
    return ""


def _found(material: Material) -> list[tuple[Run, Evidence]]:
    pairs = ((run, evidence) for run, evidence in material.found())
    return [(run, e) for run, e in pairs if 0 < e.labels_N.sum() < len(e.labels_N)]


def alt_roc(material: Material) -> str:
    """Say what the ROC curves show."""
    return f"ROC curves by test image, {material.place}: {_numbers(material, auroc)}"


def alt_pr(material: Material) -> str:
    """Say what the precision-recall curves show."""
    return f"Precision-recall curves by test image, {material.place}: {_numbers(material, ap)}"


def _numbers(material: Material, area: Callable[[Evidence], float]) -> str:
    return ", ".join(
        f"{material.model.method_title(run.method)} {100 * area(evidence):.1f} %"
        for run, evidence in _found(material)
    )


def auroc(evidence: Evidence) -> float:
    """Return the area under the ROC curve, a fraction."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(evidence.labels_N, evidence.scores_N))


def ap(evidence: Evidence) -> float:
    """Return the average precision, a fraction."""
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(evidence.labels_N, evidence.scores_N))


def draw_roc(material: Material, width: float) -> Figure:
    """Draw the ROC curves; the chance line is dashed."""
    figure, axis = _square(material, width)
    axis.plot([0, 100], [0, 100], color=REPORTED, linestyle=DASHES[1], linewidth=0.8)
    axis.set_xlabel("False positive rate (%)")
    axis.set_ylabel("True positive rate (%)")
    return _fill(figure, axis, material, _roc, "AUROC", auroc)


def draw_pr(material: Material, width: float) -> Figure:
    """Draw the precision-recall curves; the share of anomalous images is dashed."""
    figure, axis = _square(material, width)
    _, evidence = _found(material)[0]
    chance = 100 * float(evidence.labels_N.mean())
    axis.axhline(chance, color=REPORTED, linestyle=DASHES[1], linewidth=0.8)
    axis.set_xlabel("Recall (%)")
    axis.set_ylabel("Precision (%)")
    return _fill(figure, axis, material, _pr, "AP", ap)


def _square(material: Material, width: float) -> tuple[Figure, Axes]:
    """Return a figure with one square panel in its middle."""
    page = width >= _PAGE_INCHES
    figure = canvas(width, 3.6 if page else 2.9)
    axis = figure.subplots()
    axis.set_box_aspect(1)
    axis.set_xlim(-2, 102)
    axis.set_ylim(-2, 102)
    axis.grid()
    axis.set_axisbelow(True)
    titled(axis, material.place, 60 if page else 44)
    return figure, axis


def _fill(
    figure: Figure,
    axis: Axes,
    material: Material,
    draw: Draw,
    name: str,
    area: Callable[[Evidence], float],
) -> Figure:
    look = looks(material.model)
    handles: dict[str, Any] = {}
    for index, (run, evidence) in enumerate(_found(material)):
        dash = DASHES[index % len(DASHES)]
        own = look[run.method]
        if draw(axis, evidence, own):
            handles[_AT] = proxy(color=REPORTED, marker="o", linestyle="none")
        axis.lines[-1 if not _marked(evidence) else -2].set_linestyle(dash)
        title = one_line(material.model.method_title(run.method))
        label = f"{title}\n{name} {100 * area(evidence):.1f} %"
        marker = own.marker if _marked(evidence) else "none"
        handles[label] = proxy(color=own.color, linestyle=dash, marker=marker)
    if _AT in handles:
        handles[_AT] = handles.pop(_AT)
    page = figure.get_size_inches()[0] >= _PAGE_INCHES
    return finish(figure, handles, synthetic=material.model.synthetic, beside=page)


def _marked(evidence: Evidence) -> bool:
    return evidence.threshold is not None


def _roc(axis: Axes, evidence: Evidence, look: Look) -> str:
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(evidence.labels_N, evidence.scores_N)
    axis.plot(100 * false, 100 * true, color=look.color)
    if evidence.threshold is None:
        return ""
    found = evidence.scores_N > evidence.threshold
    at = (100 * found[~evidence.labels_N].mean(), 100 * found[evidence.labels_N].mean())
    axis.plot(*([value] for value in at), linestyle="none", markersize=6, **look.line)
    return _AT


def _pr(axis: Axes, evidence: Evidence, look: Look) -> str:
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(evidence.labels_N, evidence.scores_N)
    # From few to many detections, each precision held until the next recall is reached.
    axis.plot(100 * recall[::-1], 100 * precision[::-1], drawstyle="steps-pre", color=look.color)
    if evidence.threshold is None:
        return ""
    found = evidence.scores_N > evidence.threshold
    hits = int(np.count_nonzero(found & evidence.labels_N))
    x = 100 * hits / int(evidence.labels_N.sum())
    # As in the metrics: nothing detected is a precision of 0.
    y = 100 * hits / max(1, int(found.sum()))
    axis.plot([x], [y], linestyle="none", markersize=6, **look.line)
    return _AT
