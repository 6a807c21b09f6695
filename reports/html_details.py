"""What opens when a cell of the HTML page is clicked, as data: the page's script only lays it out.

A run stands in the data once, as texts in the order of `ROWS`; cells name the runs behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..tables.formatting import Mark, level, shown
from ..tables.model import Block, Cell, Entry, TableModel, reason
from ..tables.quantities import QUANTITIES, Unit, title
from ..tables.runs import Run, Status
from . import cells, html_facts
from .html_thumbs import Thumbs
from .html_verdicts import Places, judged
from .verdicts import words

Shown = Callable[[Run], str]

# As many as `harness.frames` shows of the hash of a source.
_KEY_DIGITS = 12


def _metric(name: str) -> Shown:
    def text(run: Run) -> str:
        value = run.metrics.get(name)
        return "" if value is None else shown(value, QUANTITIES[name].unit)

    return text


def _amount(name: str) -> Shown:
    def text(run: Run) -> str:
        value = run.facts.get(name) if run.status is Status.DONE else None
        return "" if value is None else f"{float(value):.4g}"

    return text


def _fact(name: str, digits: int | None = None) -> Shown:
    return lambda run: str(run.facts.get(name) or "")[:digits]


def _status(run: Run) -> str:
    if run.status is Status.PENDING and not run.error:
        return "planned, not run"
    return "" if run.status is Status.DONE else f"{run.status}: {reason(run.error)}"


def _trained(run: Run) -> str:
    found = run.facts.get("n_train"), run.facts.get("n_train_noisy")
    return "" if None in found else f"{int(found[1] or 0)} of {int(found[0] or 0)}"


def _tested(run: Run) -> str:
    found = run.facts.get("n_test_good"), run.facts.get("n_test_anomalous")
    return "" if None in found else f"{int(found[0] or 0)} + {int(found[1] or 0)}"


def _reached(run: Run) -> str:
    value = run.facts.get("noise_effective")
    return "" if value is None else f"{float(value):.1f}%"


def _alone(run: Run) -> str:
    if run.status is not Status.DONE:
        return ""
    return "alone" if run.facts.get("exclusive") else "beside others"


_QUALITY = tuple(name for name, q in QUANTITIES.items() if q.unit is Unit.PERCENT)

# What is shown of every run, a line each; lines that no run of a cell fills are left out.
ROWS: tuple[tuple[str, Shown], ...] = (
    ("Status", _status),
    *((f"{title(name)[:1].upper()}{title(name)[1:]}, %", _metric(name)) for name in _QUALITY),
    ("Removed images", _metric("removed")),
    ("Threshold", _amount("threshold")),
    ("Mislabelled training images", _trained),
    ("Level reached", _reached),
    ("Test images, nominal + anomalous", _tested),
    ("Tuning, s", _amount("tuning_s")),
    ("Fit, s", _amount("fit_s")),
    ("Scoring, ms per image", _amount("score_ms_per_image")),
    ("One image from file to map, ms", _amount("latency_ms")),
    ("Peak memory, MB", _amount("peak_memory_mb")),
    ("Ran on the device", _alone),
    ("Device", _fact("device_name")),
    ("Source of the method", _fact("source")),
    ("Weights", _fact("weights", _KEY_DIGITS)),
    ("Key", lambda run: run.key[:_KEY_DIGITS]),
)


def details(model: TableModel, places: Places, thumbs: Thumbs) -> dict[str, Any]:
    """Return the data behind all cells of a page.

    Returns
    -------
    dict
        ``rows`` names what is shown of a run; ``runs`` has for each run its seed and texts;
        ``made`` how each method's runs were made; ``cells`` has, in reading order over all blocks,
        title, facts, runs, an index into ``made`` and, for an average, a table of its categories;
        ``thumbs`` gives by run its images, ``images`` their names, and ``pictures`` and ``maps``
        their data.
    """
    behind: dict[tuple, list[int]] = {}
    for index, run in enumerate(model.runs):
        behind.setdefault((run.method, run.dataset, run.category, run.noise), []).append(index)
    made, made_of = _made(model)
    found = []
    for block in model.blocks:
        for row in block.rows:
            for column, cell in zip(model.columns, row.cells, strict=True):
                where = " · ".join(filter(None, (row.spec.label, column.label)))
                members = _members(model, cell, behind)
                found.append(_cell(model, block, cell, where, members, places, made_of))
    return {
        "rows": [name for name, _ in ROWS],
        "runs": [[str(run.seed), [text(run) for _, text in ROWS]] for run in model.runs],
        "made": made,
        "cells": found,
        "thumbs": {str(index): images for index, images in thumbs.of.items()},
        "images": thumbs.images,
        "pictures": thumbs.pictures,
        "maps": thumbs.maps,
        "note": thumbs.note,
    }


def _members(
    model: TableModel, cell: Cell, behind: Mapping[tuple, list[int]]
) -> list[tuple[str, list[int]]]:
    """Return category and indices of runs for each category of a cell that has runs."""
    place = cell.place
    found = []
    for dataset, category in model.target.run.categories(place):
        key = (place.method, dataset, category, place.noise)
        if key in behind:
            found.append((category, sorted(behind[key], key=lambda i: model.runs[i].seed)))
    return found


def _cell(
    model: TableModel,
    block: Block,
    cell: Cell,
    where: str,
    members: Sequence[tuple[str, list[int]]],
    places: Places,
    made_of: Mapping[tuple[str, str], int],
) -> dict[str, Any] | None:
    if not members:
        return None
    first = model.runs[members[0][1][0]]
    method = model.method_title(first.method)
    title_of = where if block.method is None and method in where else f"{method} · {where}"
    found: dict[str, Any] = {
        "title": title_of,
        "facts": [fact for entry in cell.entries for fact in _said(entry, cell, places)],
        "runs": [index for _, own in members for index in own],
        "made": made_of[first.method, first.dataset],
    }
    # What is derived from several columns, as training time in hours, is no number of one run.
    metrics = [name for name in cell.place.metrics if name in first.metrics]
    if cell.place.average_of is not None and metrics:
        found["table"] = _categories(model, metrics, members)
    return found


def _said(entry: Entry, cell: Cell, places: Places) -> list[list[str]]:
    """Return what is said of one number: achieved with its spread, reported, verdict."""
    name = title(entry.metric)
    found = entry.outcome.estimate
    text = entry.outcome.text()
    if found is not None:
        seeds = f"{found.n} seed{'s' if found.n != 1 else ''}"
        text += f" ± {found.sd_text} over {seeds}" if found.sd_text else f", {seeds}"
    elif entry.outcome.mark is Mark.INCOMPLETE:
        text = f"withheld, as {text} categories are complete"
    elif entry.outcome.mark is not None:
        text += f" ({entry.outcome.mark.meaning})"
    lines = [[name, text]]
    if entry.reported is not None:
        apart = cells.difference(entry)
        printed = str(entry.reported.value)
        lines.append([f"{name}, reported", f"{printed} ({apart})" if apart else printed])
    verdict = judged(places, cell, entry)
    if verdict is not None:
        said = words.sentence(verdict)
        lines.append([f"{name}, verdict", ": ".join(filter(None, (verdict.verdict.label, said)))])
    return lines


def _categories(
    model: TableModel, metrics: Sequence[str], members: Sequence[tuple[str, list[int]]]
) -> dict[str, Any]:
    """Return the numbers that an average is made of: a row per category, a column per seed."""
    runs = [model.runs[index] for _, own in members for index in own]
    seeds = sorted({run.seed for run in runs})
    labels = {(dataset, category): label for dataset, category, label in model.categories}
    rows, behind = [], []
    for category, own in members:
        by_seed = {model.runs[i].seed: model.runs[i] for i in own}
        dataset = model.runs[own[0]].dataset
        texts = [_pattern(by_seed.get(seed), metrics) for seed in seeds]
        rows.append([labels.get((dataset, category), category), texts])
        behind.append(own)
    return {"heads": [f"Seed {seed}" for seed in seeds], "rows": rows, "runs": behind}


def _pattern(run: Run | None, metrics: Sequence[str]) -> str:
    if run is None:
        return Mark.NOT_RUN.symbol
    if run.status is not Status.DONE:
        return str(run.status)
    found = [(run.metrics[name], QUANTITIES[name].unit) for name in metrics]
    return " / ".join(
        Mark.UNDEFINED.symbol if value is None else shown(value, unit) for value, unit in found
    )


def _made(model: TableModel) -> tuple[list[dict[str, Any]], dict[tuple[str, str], int]]:
    """Return how the runs of each method were made on each dataset, every way once."""
    ways: list[dict[str, Any]] = []
    index: dict[tuple[str, str], int] = {}
    for run in model.runs:
        place = (run.method, run.dataset)
        if place in index:
            continue
        facts = [["Backbone", str(run.facts.get("backbone") or "unknown")]]
        facts += [["Image size", f"{size} px"]] if (size := _size(run)) else []
        facts += [["Noise protocol", str(run.facts.get("protocol") or "")]]
        facts += [["Measured", text]] if (text := str(run.facts.get("fingerprint") or "")) else []
        settings = html_facts.settings_of([str(run.facts.get("settings") or "")])
        way = {"facts": facts, "settings": [list(pair) for pair in settings]}
        if way not in ways:
            ways.append(way)
        index[place] = ways.index(way)
    return ways, index


def _size(run: Run) -> str:
    value = run.facts.get("image_size")
    return "" if value is None else level(float(value))
