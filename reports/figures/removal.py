"""What a method takes out of its training set: precision and recall of removal over label noise.

Both are pooled over seeds and categories, as in tables. Beside the precision stands what removing
images at random would give: the share of mislabelled ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...tables.aggregate import summarise
from ...tables.quantities import title
from ...tables.runs import Run, Status
from ..statistics_section import asked_of
from .material import Material
from .series import Point, curve, level_axis, ruled
from .style import DASHES, REPORTED, canvas, finish, looks, proxy, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = ("removal_precision", "removal_recall")
_RANDOM = "removing at random"
_PAGE_INCHES = 5.0

Curves = dict[str, list[Point]]


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    if not any(map(_weighs, material.model.runs)):
        return "no method here removes or weighs training images"
    return "" if _datasets(material) else "nothing was removed, or no set of results is complete"


def left_out(material: Material) -> str:
    """Say which methods take images out and have no curve; empty where all have one."""
    said = []
    for dataset in material.datasets:
        drawn = {n for metric in METRICS for n in _curves(material, dataset, metric)}
        own = [run for run in material.model.runs if run.dataset == dataset and _weighs(run)]
        names = dict.fromkeys(run.method for run in own if run.method not in drawn)
        titles = ", ".join(map(material.model.method_title, names))
        said += [f"{titles} on {material.dataset_title(dataset)}"] if names else []
    if not said:
        return ""
    return f"Left out, as no level has all categories and something removed: {'; '.join(said)}."


def alt(material: Material) -> str:
    """Say what the figure shows."""
    names = dict.fromkeys(
        material.model.method_title(name)
        for dataset in _datasets(material)
        for metric in METRICS
        for name in _curves(material, dataset, metric)
    )
    return (
        f"Precision and recall of removed training images over label noise for {', '.join(names)}"
    )


def draw(material: Material, width: float) -> Figure:
    """Draw precision beside recall, a row per dataset; below each other if narrow."""
    datasets = _datasets(material)
    page = width >= _PAGE_INCHES
    down, across = (len(datasets), 2) if page else (2 * len(datasets), 1)
    figure = canvas(width, 2.0 * down)
    axes = figure.subplots(down, across, sharey=True, squeeze=False)
    handles: dict[str, Any] = {}
    cells = [(dataset, metric) for dataset in datasets for metric in METRICS]
    for axis, (dataset, metric) in zip(axes.flat, cells, strict=True):
        titled(axis, f"{material.dataset_title(dataset)}: {title(metric)}", 40)
        _panel(axis, material, dataset, metric, handles)
        axis.set_xlabel(material.model.level_title)
        axis.set_ylim(-3, 103)
    for axis in axes[:, 0]:
        axis.set_ylabel("Percent of images")
    if _RANDOM in handles:
        handles[_RANDOM] = handles.pop(_RANDOM)
    return finish(figure, handles, synthetic=material.model.synthetic)


def _weighs(run: Run) -> bool:
    return run.metrics["removed"] is not None


def _datasets(material: Material) -> list[str]:
    return [
        name
        for name in material.datasets
        if any(_curves(material, name, metric) for metric in METRICS)
    ]


def _curves(material: Material, dataset: str, metric: str) -> Curves:
    """Return method → points where it has any number, over categories that ran."""
    model, found = material.model, Curves()
    ran = dict.fromkeys(run.category for run in model.runs if run.dataset == dataset)
    seeds = asked_of(model).seeds
    for method in model.methods:
        own = [run for run in model.runs if (run.method, run.dataset) == (method.name, dataset)]
        line = []
        for noise in sorted({run.noise for run in own}):
            members = [
                [run for run in own if (run.category, run.noise) == (name, noise)] for name in ran
            ]
            outcome = summarise(members, metric, seeds[method.name], average=len(ran) > 1)
            mean = outcome.estimate.mean if outcome.estimate else None
            line.append(Point(noise, None if mean is None else 100 * float(mean)))
        if any(point.mean is not None for point in line):
            found[method.name] = line
    return found


def _panel(
    axis: Axes, material: Material, dataset: str, metric: str, handles: dict[str, Any]
) -> None:
    look = looks(material.model)
    curves = _curves(material, dataset, metric)
    for name, line in curves.items():
        curve(axis, line, look[name])
        handles.setdefault(material.model.method_title(name), proxy(**look[name].line))
    own = [run for run in material.model.runs if run.dataset == dataset and run.method in curves]
    if metric == "removal_precision" and (chance := _chance(own)):
        style: dict[str, Any] = {"color": REPORTED, "linestyle": DASHES[1], "linewidth": 1.0}
        axis.plot(*zip(*chance, strict=True), **style)
        handles.setdefault(_RANDOM, proxy(**style))
    level_axis(axis, sorted({run.noise for run in own}))
    ruled(axis)


def _chance(runs: Sequence[Run]) -> list[tuple[float, float]]:
    """Return the share of mislabelled images in the training sets of each level, in percent."""
    found = []
    for noise in sorted({run.noise for run in runs}):
        own = [r for r in runs if r.noise == noise and r.status is Status.DONE]
        counts = [(r.facts.get("n_train_noisy"), r.facts.get("n_train")) for r in own]
        noisy = sum(int(a) for a, b in counts if a is not None and b)
        whole = sum(int(b) for a, b in counts if a is not None and b)
        if whole:
            found.append((noise, 100 * noisy / whole))
    return found
