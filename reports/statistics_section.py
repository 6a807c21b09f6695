"""The statistics of a table as a section of its report: intervals, robustness area, mean rank.

The full account, with tests between pairs of methods, is what ``reproduce stats`` prints.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..tables.formatting import level, percent
from ..tables.model import TableModel
from ..tables.quantities import title
from ..tables.statistics.overall import Overall
from ..tables.statistics.places import AVERAGE, Asked, Place, without_number
from ..tables.statistics.ranks import robustness_area
from ..tables.statistics.summary import Statistics, has_statistics, summarise_runs
from .curves import panels
from .statistics import NONE, interval_text, mean_ranks, mean_text, sentence

HEADING = "Statistics"
CAPTION = (
    "Average over all categories: mean ± standard deviation over seeds (95 % interval of the mean "
    "over seeds, Student's t, cut at 0 and 100). Area: the mean height of that curve over the "
    "levels that all methods have. Mean rank: over categories, each the mean over its levels; 1 is "
    "best."
)
# Before an interval, and before the seeds of a mean that lacks some.
_BELOW = re.compile(r" (?=\()|, (?=[0-9]+ of [0-9]+ seeds)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The section: heads and rows of a table of texts, and a sentence per dataset below it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    sentences: tuple[str, ...]


def section(model: TableModel) -> Section | None:
    """Return the statistics of a table; None where no quantity of it is a mean of fractions."""
    metrics = [name for name in model.metrics if has_statistics(name)]
    if not metrics or not model.runs:
        return None
    asked = asked_of(model)
    rows: list[tuple[str, ...]] = []
    said: dict[tuple[str, str], list[str]] = {}
    for metric in metrics:
        found = summarise_runs(model.runs, metric, asked=asked)
        for one in found.overall:
            label = _label(model, one.dataset)
            places = [place for place in found.places if place.dataset == one.dataset]
            rows += _rows(model, one, places, (label, title(metric)))
            text = f"{sentence(one, model.method_title)}."
            said.setdefault((label, text), []).append(title(metric))
        for about in _numberless(model, asked, found):
            said.setdefault(about, []).append(title(metric))
    heads = ("Method", "Dataset", "Metric", "Over", *(f"{level(x)}%" for x in asked.noise))
    sentences = (f"{label}, {', '.join(names)}: {text}" for (label, text), names in said.items())
    return Section(
        heads=(*heads, "Area", "Mean rank"), rows=tuple(rows), sentences=tuple(sentences)
    )


def in_lines(text: str) -> str:
    """Break a cell of the section: below the mean its interval, below it how many seeds it has."""
    return _BELOW.sub("\n", text)


def _numberless(model: TableModel, asked: Asked, found: Statistics) -> Iterator[tuple[str, str]]:
    """Yield the datasets of the target on which no method has a number, and why."""
    compared = {one.dataset for one in found.overall}
    for data in model.target.run.datasets:
        if data.name in compared:
            continue
        said = "not run"
        if data.name in asked.categories:
            why = without_number(model.runs, asked, found.places, data.name)
            said = ", ".join(f"{model.method_title(name)} ({text})" for name, text in why.items())
        yield _label(model, data.name), f"no method has a number: {said}."


def asked_of(model: TableModel) -> Asked:
    """Return the categories of the target, whether run or not, as the table's averages do."""
    used = {run.dataset for run in model.runs}
    return Asked(
        methods=tuple(method.name for method in model.methods),
        categories={d.name: d.categories for d in model.target.run.datasets if d.name in used},
        noise=tuple(sorted({run.noise for run in model.runs})),
        seeds={method.name: method.seeds for method in model.methods},
    )


def _label(model: TableModel, dataset: str) -> str:
    labels = {data.name: data.label for data in model.target.run.datasets}
    return labels.get(dataset) or dataset


def _rows(
    model: TableModel, one: Overall, places: Iterable[Place], about: tuple[str, str]
) -> list[tuple[str, ...]]:
    ranks = mean_ranks(one)
    by_method: dict[str, list[Place]] = {}
    places = list(places)
    numbers = {(p.method, p.category) for p in places if p.n and p.category != AVERAGE}
    measured = Counter(method for method, _ in numbers)
    for place in places:
        # A dataset of one category is its own average.
        if place.category == AVERAGE or place.categories == len(_names(model, one.dataset)):
            by_method.setdefault(place.method, []).append(place)
    return [
        (
            model.method_title(name),
            *about,
            _over(own, measured.get(name, 0)),
            *(_text(place) for place in own),
            NONE if (area := one.areas.get(name)) is None else percent(area),
            f"{ranks[name]:.2f}" if name in ranks else NONE,
        )
        for name, own in by_method.items()
    ]


def _names(model: TableModel, dataset: str) -> tuple[str, ...]:
    return next((d.categories for d in model.target.run.datasets if d.name == dataset), ())


def _over(places: Sequence[Place], measured: int) -> str:
    """Say what a mean is over, and of how many categories there is a number at all.

    Places that have fewer seeds say so themselves.
    """
    first = places[0]
    kinds = "category" if first.categories == 1 else "categories"
    some = f"{measured} of " if measured < first.categories else ""
    return f"{some}{first.categories} {kinds} × {first.planned} seed{'s' * (first.planned != 1)}"


def _text(place: Place) -> str:
    text = mean_text(place)
    if place.mean is None:
        return text
    if place.sd is not None:
        text += f" ± {percent(place.sd)} ({interval_text(place.interval)})"
    return text if place.n == place.planned else f"{text}, {place.n} of {place.planned} seeds"


def caption_areas(model: TableModel) -> str:
    """Return the areas under the drawn curves that have no gap; empty where there is none."""
    said = []
    for panel in panels(model):
        found: dict[str, list[str]] = {}
        for curve in panel.curves:
            heights = {x: e.outcome.estimate for x, e in curve.entries}
            points = {x: float(h.mean) for x, h in heights.items() if h is not None}
            area = robustness_area(points) if len(points) == len(heights) else None
            known = all(has_statistics(entry.metric) for _, entry in curve.entries)
            if area is not None and known:
                found.setdefault(curve.title, []).append(percent(area))
        if found:
            areas = ", ".join(f"{name} {' / '.join(own)}" for name, own in found.items())
            said.append(f"{panel.title}: {areas}")
    return f"Area under the curve over its width, percent: {'; '.join(said)}." if said else ""
