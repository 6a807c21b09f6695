"""``reproduce stats``: intervals, tests between methods, ranks and robustness areas."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...datasets.errors import UsageError
from ..store import Store
from .options import Options, grid_options
from .stored import asked_of, open_target

if TYPE_CHECKING:
    from ...tables.runs import Run
    from ...tables.statistics.intervals import Interval
    from ...tables.statistics.places import IntervalOfRun

DIAGRAMS = (".svg", ".pdf", ".png")


@click.command(name="stats")
@click.argument("target")
@click.option(
    "--metric", default="image_auroc", show_default=True, metavar="NAME", help="Quantity."
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Markdown tables.")
@click.option(
    "--diagram", type=click.Path(path_type=Path), metavar="FILE",
    help="Also draw the critical-difference diagram (.svg, .pdf or .png).",
)  # fmt: skip
@click.option("--per-level", is_flag=True, help="Also compare the methods at each noise level.")
@grid_options
def stats(
    target: str,
    metric: str,
    per_level: bool,
    as_json: bool,
    as_markdown: bool,
    diagram: Path | None,
    options: Options,
) -> int:
    """Show what the seeds, the test images and the categories of TARGET's stored results say.

    Intervals over seeds (Student), or over test images (bootstrap) where one seed ran; methods
    compared over categories, each the mean over its levels (Wilcoxon, Friedman, Nemenyi); mean
    ranks; the area under the curve over noise levels. Whatever the target or the options ask for
    has a number or a mark; only complete sets are averaged. Give the options of the run.
    """
    from ...reports.statistics import render, render_diagram, render_json
    from ...tables.statistics.summary import statistics_of
    from ..files import require_writable, write_atomic

    if diagram and diagram.suffix not in DIAGRAMS:
        raise UsageError(f"--diagram {diagram}: expected a name that ends in {', '.join(DIAGRAMS)}")
    opened = open_target(target, options)
    from_images = _from_images(opened.store) if metric == "image_auroc" else None
    found = statistics_of(
        opened.stored.frame(),
        metric,
        asked=asked_of(opened),
        interval_of_run=from_images,
        per_level=per_level,
    )
    for note in opened.stored.notes:
        click.echo(f"note: {note}", err=True)
    if as_json:
        sys.stdout.write(render_json(found, opened.target.name))
    else:
        sys.stdout.write(render(found, opened.target.name, as_markdown=as_markdown))
    if diagram:
        require_writable(diagram.absolute().parent, "--diagram")
        write_atomic(diagram, render_diagram(found, diagram.suffix[1:]))
    return 0


def _from_images(store: Store) -> IntervalOfRun:
    from ...datasets.seeds import derive_seed
    from ...tables.statistics.intervals import image_interval

    def interval(run: Run) -> Interval | None:
        arrays = store.load_arrays(run.key, "scores")
        seed = derive_seed("bootstrap", run.dataset, run.category, run.seed)
        return image_interval(arrays["test_scores"], arrays["test_labels"], seed=seed)

    return interval
