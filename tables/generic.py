"""A plain layout for results that no published table asks for: categories by noise levels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .aggregate import Run, read_runs
from .formatting import level_title
from .spec import (
    METRICS,
    BoldRule,
    DatasetSpec,
    Layout,
    MetricRef,
    RowSpec,
    RunSpec,
    Target,
    parse_pattern,
)

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
        Cell pattern, see `spec.parse_pattern`.

    Returns
    -------
    Target
        Nothing is reported; rows and methods stand in the frame's order, levels ascend.

    Raises
    ------
    UsageError
        See `aggregate.read_runs`.
    """
    runs = read_runs(frame)
    places = list(dict.fromkeys((run.dataset, run.category) for run in runs))
    datasets = list(dict.fromkeys(dataset for dataset, _ in places))
    first = runs[0] if runs else None
    metrics = [part.name for part in parse_pattern(cell) if isinstance(part, MetricRef)]
    names = " / ".join(METRICS[metric] for metric in metrics)
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
            row_header="Category",
            column_header=level_title(_protocols(runs)),
            column_label="{}%",
            cell=cell,
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


def _rows(places: list[tuple[str, str]], datasets: list[str]) -> tuple[RowSpec, ...]:
    rows: list[RowSpec] = []
    for dataset in datasets:
        categories = [category for own, category in places if own == dataset]
        for category in categories:
            label = (
                category if len(datasets) == 1 or category == dataset else f"{dataset} {category}"
            )
            rows.append(
                RowSpec(
                    id=f"{dataset}/{category}",
                    label=label,
                    dataset=dataset,
                    category=category,
                    group=dataset,
                )
            )
        if len(categories) > 1:
            rows.append(
                RowSpec(
                    id=f"{dataset}/",
                    label=f"{dataset} (average)",
                    average_of=dataset,
                    group=f"{dataset} average",
                )
            )
    return tuple(rows)


def _curve(rows: tuple[RowSpec, ...]) -> tuple[str, ...]:
    """Draw averages, and datasets of a single category."""
    averaged = {row.average_of for row in rows if row.average_of}
    return tuple(row.id for row in rows if row.average_of or row.dataset not in averaged)
