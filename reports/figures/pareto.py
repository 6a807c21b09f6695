"""Accuracy against time: which methods no other one beats in both.

All methods of a panel are measured on the same cells; a time counts where the run had the device
for itself, as in tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ...tables.aggregate import summarise
from ...tables.quantities import title
from ...tables.runs import Run, Status
from .material import Material
from .style import DASHES, REPORTED, canvas, finish, log_x, looks, percent_limits, proxy, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Quantity, what its unit is multiplied by, and the axis.
TIMES = (
    ("training_h", 3600.0, "Training time per model (s)"),
    ("latency_ms", 1.0, "Inference time per image (ms)"),
)
_FRONT = "not beaten in both"
_PAGE_INCHES = 5.0


@dataclass(frozen=True, slots=True)
class Spot:
    """A method: its time in the axis's unit, and the mean of the quality in percent."""

    method: str
    time: float
    quality: float


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing: a dataset's name, the axis of its times, and a spot per method."""

    title: str
    axis: str
    spots: tuple[Spot, ...]


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    timed = [r for r in material.model.runs if r.status is Status.DONE and r.facts.get("exclusive")]
    devices = {str(r.facts.get("device_name") or r.facts.get("device") or "") for r in timed}
    if len(devices - {""}) > 1:
        return f"times of {len(devices - {''})} devices are no comparison"
    if _panels(material):
        return ""
    return "it needs two methods with the same cells, each timed alone on the device (--jobs 1)"


def alt(material: Material) -> str:
    """Say what the figure shows."""
    said = []
    for panel in _panels(material):
        spots = ", ".join(
            f"{material.model.method_title(s.method)} {s.time:.3g} / {s.quality:.1f} %"
            for s in panel.spots
        )
        said.append(f"{panel.title}, {panel.axis}: {spots}")
    return f"{title(material.metric)} against time. {'; '.join(said)}"


def draw(material: Material, width: float) -> Figure:
    """Draw the panels: a row per dataset, training beside inference; below each other if narrow."""
    panels = _panels(material)
    across = min(2, len(panels)) if width >= _PAGE_INCHES else 1
    down = -(-len(panels) // across)
    figure = canvas(width, 2.2 * down)
    axes = figure.subplots(down, across, squeeze=False)
    handles: dict[str, Any] = {}
    for axis, panel in zip(axes.flat, panels, strict=False):
        _panel(axis, material, panel, handles)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    if _FRONT in handles:
        handles[_FRONT] = handles.pop(_FRONT)
    return finish(figure, handles, synthetic=material.model.synthetic)


def front(spots: Sequence[Spot]) -> list[Spot]:
    """Return the spots that no other one beats: none is as fast and as good, and better in one."""
    return sorted(
        (
            one
            for one in spots
            if not any(
                other.time <= one.time
                and other.quality >= one.quality
                and (other.time, other.quality) != (one.time, one.quality)
                for other in spots
            )
        ),
        key=lambda spot: spot.time,
    )


def _panels(material: Material) -> list[Panel]:
    found = []
    for dataset in material.datasets:
        done = [
            run
            for run in material.model.runs
            if run.dataset == dataset and run.metrics[material.metric] is not None
        ]
        for name, factor, axis in TIMES:
            spots = _spots(done, material.metric, name, factor)
            if len(spots) > 1:
                found.append(Panel(material.dataset_title(dataset), axis, tuple(spots)))
    return found


def _spots(runs: Sequence[Run], metric: str, time: str, factor: float) -> list[Spot]:
    of = {
        name: [run for run in runs if run.method == name]
        for name in dict.fromkeys(r.method for r in runs)
    }
    timed = {name: own for name, own in of.items() if _time(own, time) is not None}
    values = {
        name: {_cell(r): float(r.metrics[metric] or 0) for r in own} for name, own in timed.items()
    }
    # Time and quality over the same cells of every method: levels and categories differ in both.
    shared = set.intersection(*map(set, values.values())) if values else set()
    spots = []
    for name, own in timed.items():
        seconds = _time([run for run in own if _cell(run) in shared], time)
        if seconds is not None:
            quality = 100 * fmean(values[name][cell] for cell in sorted(shared))
            spots.append(Spot(name, factor * seconds, quality))
    return spots


def _time(runs: Sequence[Run], name: str) -> float | None:
    """Return the mean time of runs that had their device for themselves."""
    if not runs:
        return None
    # As one place, so that the time is that of a single model and not of all categories.
    estimate = summarise([list(runs)], name, len(runs)).estimate
    return None if estimate is None else float(estimate.mean)


def _cell(run: Run) -> tuple[str, float, int]:
    return (run.category, run.noise, run.seed)


def _panel(axis: Axes, material: Material, panel: Panel, handles: dict[str, Any]) -> None:
    look = looks(material.model)
    titled(axis, panel.title, 40)
    best = front(panel.spots)
    if len(best) > 1:
        style: dict[str, Any] = {"color": REPORTED, "linestyle": DASHES[1], "linewidth": 0.9}
        at = ([spot.time for spot in best], [spot.quality for spot in best])
        axis.plot(*at, drawstyle="steps-post", zorder=1, **style)
        handles.setdefault(_FRONT, proxy(**style))
    for spot in panel.spots:
        line: dict[str, Any] = look[spot.method].line | {"linestyle": "none"}
        axis.plot([spot.time], [spot.quality], markersize=6, **line)
        handles.setdefault(material.model.method_title(spot.method), proxy(**line))
    axis.margins(0.12)
    log_x(axis)
    axis.grid()
    axis.set_axisbelow(True)
    percent_limits(axis)
    axis.set_xlabel(panel.axis)
    what = title(material.metric)
    axis.set_ylabel(f"{what[:1].upper()}{what[1:]} (%)")
