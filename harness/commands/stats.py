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

FORMATS = ("text", "json", "md", "tex")
DIAGRAMS = (".svg", ".pdf", ".png")


@click.command(name="stats")
@click.argument("target")
@click.option(
    "--metric", default="image_auroc", show_default=True, metavar="NAME", help="Quantity."
)
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True,
              help="Aligned text, JSON, Markdown, or LaTeX on booktabs.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--markdown", "as_markdown", is_flag=True, help="The same as --format md.")
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
    form: str,
    as_json: bool,
    as_markdown: bool,
    diagram: Path | None,
    options: Options,
) -> int:
    """Show what the seeds, the test images and the categories of TARGET's stored results say.

    Intervals over seeds (Student, cut at 0 and 100), or over test images (bootstrap) where one seed
    ran; methods compared over categories, each the mean over its levels (Wilcoxon, Friedman,
    Nemenyi); mean ranks; the area under the curve over noise levels. Whatever the target or the
    options ask for has a number or a mark; only complete sets are averaged. Give the options of the
    run.
    """
    from ...reports.latex_statistics import render_tex
    from ...reports.statistics import render, render_diagram, render_json
    from ...tables.statistics.summary import statistics_of
    from ..files import require_writable, write_atomic

    form = _form(form, as_json, as_markdown)
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
    name = opened.target.name
    match form:
        case "json":
            text = render_json(found, name)
        case "tex":
            text = render_tex(found, name)
        case _:
            text = render(found, name, as_markdown=form == "md")
    if form == "json" or not options.quiet:
        sys.stdout.write(text)
    if diagram:
        require_writable(diagram.absolute().parent, "--diagram")
        write_atomic(diagram, render_diagram(found, diagram.suffix[1:]))
    return 0


def _form(form: str, as_json: bool, as_markdown: bool) -> str:
    """Return the one format that was asked for."""
    short = [name for name, given in (("json", as_json), ("md", as_markdown)) if given]
    asked = sorted({*short, form} - {"text"})
    if len(asked) > 1:
        raise UsageError(f"two formats, {' and '.join(asked)}: give one of them")
    return asked[0] if asked else "text"


def _from_images(store: Store) -> IntervalOfRun:
    from ...datasets.seeds import derive_seed
    from ...tables.statistics.intervals import image_interval

    def interval(run: Run) -> Interval | None:
        arrays = store.load_arrays(run.key, "scores")
        seed = derive_seed("bootstrap", run.dataset, run.category, run.seed)
        return image_interval(arrays["test_scores"], arrays["test_labels"], seed=seed)

    return interval
