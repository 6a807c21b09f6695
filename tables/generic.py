"""A plain layout for results that no published table asks for: categories by noise levels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .formatting import level_title
from .layout import NOISE, BoldRule, Layout, Line, Place
from .quantities import title as quantity_title
from .runs import Run, read_runs
from .spec import DatasetSpec, RunSpec, Target

if TYPE_CHECKING:
    import pandas as pd

_CELL = "{image_auroc}/{pixel_auroc}"


def generic_target(
    frame: pd.DataFrame, *, name: str = "run", title: str = "Results", cell: str = _CELL
) -> Target:
    """Make a target from a result frame: a row per category, an average per dataset.

    Parameters
    ----------
    frame
        A row per cell, as ``store.frame()`` gives it.
    name, title
        Name (also of the files) and heading.
    cell
        Cell pattern, see `layout.parse_pattern`.

    Returns
    -------
    Target
        Nothing is reported; rows and methods stand in the frame's order, levels ascend.

    Raises
    ------
    UsageError
        See `runs.read_runs`.
    """
    runs = read_runs(frame)
    places = list(dict.fromkeys((run.dataset, run.category) for run in runs))
    datasets = list(dict.fromkeys(dataset for dataset, _ in places))
    first = runs[0] if runs else None
    names = " / ".join(quantity_title(metric) for metric in Place(cell=cell).metrics)
    layout_rows = _rows(places, datasets)
    return Target(
        name=name,
        title=title,
        caption=f"{names[0].upper()}{names[1:]} in percent per category and label-noise level.",
        run=RunSpec(
            datasets=tuple(
                DatasetSpec(name=d, categories=tuple(c for dd, c in places if dd == d))
                for d in datasets
            ),
            methods=tuple(dict.fromkeys(run.method for run in runs)),
            noise=tuple(sorted({run.noise for run in runs})),
            seeds=max(1, len({run.seed for run in runs})),
            protocol=_fact(first, "protocol"),
            evaluation=_fact(first, "evaluation"),
        ),
        layout=Layout(
            label=f"tab:{name}",
            rows=layout_rows,
            columns=NOISE,
            at=Place(cell=cell),
            row_header="Category",
            column_header=level_title(_protocols(runs)),
            column_label="{}%",
            cell_header="I/P" if cell == _CELL else cell.replace("{", "").replace("}", ""),
            bold=BoldRule.BEST_METHOD,
            curve=_curve(layout_rows),
        ),
    )


def _fact(run: Run | None, name: str) -> str:
    value = run.facts.get(name) if run else None
    return str(value) if value else "unknown"


def _protocols(runs: Iterable[Run]) -> list[str]:
    return [str(run.facts["protocol"]) for run in runs if run.facts.get("protocol")]


def _rows(places: list[tuple[str, str]], datasets: list[str]) -> tuple[Line, ...]:
    rows: list[Line] = []
    for dataset in datasets:
        categories = [category for own, category in places if own == dataset]
        for category in categories:
            alone = len(datasets) == 1 or category == dataset
            rows.append(
                Line(
                    id=f"{dataset}/{category}",
                    label=category if alone else f"{dataset} {category}",
                    group=dataset,
                    at=Place(dataset=dataset, category=category),
                )
            )
        if len(categories) > 1:
            rows.append(
                Line(
                    id=f"{dataset}/",
                    label=f"{dataset} (average)",
                    group=f"{dataset} average",
                    at=Place(average_of=dataset),
                )
            )
    return tuple(rows)


def _curve(rows: tuple[Line, ...]) -> tuple[str, ...]:
    """Draw averages, and datasets of a single category."""
    averaged = {row.at.average_of for row in rows if row.at.average_of}
    return tuple(row.id for row in rows if row.at.average_of or row.at.dataset not in averaged)
