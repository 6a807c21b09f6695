"""The harness from Python: run a published table, look at it, judge it.

Beside the command line, the one place that sees all five rooms. ``from adrepro import harness as
repro`` gives all of it, loaded when it is first used::

    frame = repro.run("rad/table1", preset="demo")
    repro.table("rad/table1", frame)

A result frame has a row per cell. How it was made travels in ``frame.attrs["adrepro"]``: with a
frame that has lost it (`pandas.concat` of unequal frames drops it) nothing is compared with printed
numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..reports.view import Table
from . import api_frames as frames

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Table", "audit", "check", "figures", "load", "report", "run", "table", "targets"]

PathLike = str | Path


def run(
    target: str | None = None,
    *,
    preset: str = "paper",
    methods: Sequence[str] = (),
    datasets: Sequence[str] = (),
    categories: Sequence[str] = (),
    noise: Sequence[float | str] = (),
    seeds: int | None = None,
    protocol: str | None = None,
    backbone: str | None = None,
    weights: PathLike | None = None,
    image_size: int | None = None,
    settings: Mapping[str, object] | None = None,
    device: str = "auto",
    jobs: int | None = None,
    data_root: PathLike | None = None,
    store: PathLike = "runs",
    keep_maps: bool = False,
    papers: Sequence[PathLike] = (),
    quiet: bool = False,
) -> pd.DataFrame:
    """Run what a store lacks of a published table and return its results.

    Works in a script without ``if __name__ == "__main__"``, with ``python -c`` and in a notebook:
    worker processes never import the program that called it. Run it again to go on where it
    stopped.

    Parameters
    ----------
    target
        ``"rad/table1"`` or ``"table1"``; None = the grid of the other arguments, of which
        ``methods`` and ``datasets`` must then be given.
    preset
        ``"paper"``, ``"quick"`` or ``"demo"``.
    methods, datasets, categories, noise, seeds, protocol
        Instead of the target's own: names, levels in percent, number of repetitions, and one
        protocol of label noise. A level below 1 % is a text with its sign, ``"0.5%"``: the number
        0.5 is refused, as it may be meant as a share.
    backbone, weights, image_size
        Instead of each method's own; a local file; side of the square input in pixels.
    settings
        ``"method.key"`` → value.
    device
        ``"cpu"``, ``"cuda"`` or ``"auto"``.
    jobs
        Processes side by side.
    data_root
        Folder that holds the datasets; None = ``$ADREPRO_DATA`` or ``./data``.
    store
        Folder of finished cells.
    keep_maps
        Keep the anomaly maps in the store.
    papers
        Folders with more papers.
    quiet
        Show no progress.

    Returns
    -------
    pandas.DataFrame
        A row per cell; metrics are fractions in [0, 1], ``status`` is ``done``, ``failed`` or
        ``pending``. A cell that failed raises nothing: its row has the reason in ``error``.

    Raises
    ------
    AdreproError
        Anything that cannot be had: unknown names, missing data or weights, an unknown device.
    """
    from .commands.run import free_grid, plan_and_open, target_grid
    from .commands.running import devices_of, run_plan
    from .console import make_console
    from .files import require_writable

    options = frames.options_of(
        {
            "preset": preset,
            "methods": methods,
            "datasets": datasets,
            "categories": categories,
            "noise": noise,
            "seeds": seeds,
            "protocols": protocol,
            "backbone": backbone,
            "weights": weights,
            "image_size": image_size,
            "overrides": [f"{name}={value}" for name, value in (settings or {}).items()],
            "device": device,
            "jobs": jobs,
            "data_root": data_root,
            "store": store,
            "keep_maps": keep_maps,
            "papers": papers,
            "quiet": quiet,
        }
    )
    loaded = None if target is None else frames.load(target, papers)
    grid = free_grid(options) if loaded is None else target_grid(loaded, options)
    notes = make_console(stderr=True, quiet=quiet)
    devices_of(options)  # what is refused is refused before images are scanned
    require_writable(options.store, "store")
    made, opened = plan_and_open(grid, options, notes)
    for text in (*made.notes, *made.warnings):
        notes.print(f"note: {text}", markup=False, highlight=False, soft_wrap=True)
    opened.sweep()
    run_plan(made, opened, options, notes)
    frame = made.frame(opened)
    frame.attrs[frames.ATTRIBUTE] = frames.facts_of(loaded, grid, options, made.methods)
    return frame


def load(target: str, *, store: PathLike = "runs", **options: Any) -> pd.DataFrame:
    """Return what a store holds of a published table; runs nothing and reads no image.

    Parameters
    ----------
    target
        As for `run`.
    store
        Folder of finished cells.
    **options
        What `run` was given: ``preset``, ``methods``, ``datasets``, ``categories``, ``noise``,
        ``seeds``, ``protocol``, ``backbone``, ``weights``, ``image_size``, ``settings``,
        ``data_root``, ``papers``.

    Raises
    ------
    AdreproError
        No such store, or unknown names.
    """
    from .commands.stored import open_target

    given: dict[str, Any] = {"store": store} | options
    settings = given.pop("settings", None) or {}
    given["overrides"] = [f"{name}={value}" for name, value in settings.items()]
    given["protocols"] = given.pop("protocol", None)
    parsed = frames.options_of(given)
    opened = open_target(target, parsed)
    frame = opened.stored.frame()
    frame.attrs[frames.ATTRIBUTE] = frames.facts_of(
        opened.target, opened.grid, parsed, opened.methods
    )
    return frame


def table(target: str | None, frame: pd.DataFrame, *, papers: Sequence[PathLike] = ()) -> Table:
    """Lay results out as a published table.

    Parameters
    ----------
    target
        As for `run`; None = a table per method with categories as rows and levels as columns.
    frame
        What `run` or `load` returned, or some of its rows.
    papers
        Folders with more papers.

    Returns
    -------
    Table
        Jupyter shows it as HTML, ``print`` as text; see its methods for LaTeX, CSV and a page.
    """
    return Table(frames.prepared(target, frame, papers))


def check(
    target: str,
    frame: pd.DataFrame,
    *,
    margin: float | None = None,
    papers: Sequence[PathLike] = (),
) -> pd.DataFrame:
    """Say of every printed number whether results reproduce it.

    Parameters
    ----------
    target, frame, papers
        As for `table`.
    margin
        Margin of equivalence in points instead of the target's own.

    Returns
    -------
    pandas.DataFrame
        A row per printed number: place, ``reference``, ``achieved`` and ``difference`` in the unit
        of the quantity, ``verdict`` (``reproduced``, ``better``, ``worse``, ``inconclusive``,
        ``not run``, ``failed``, ``not comparable``) and ``reason``; ``attrs["notes"]`` holds what
        to know.
    """
    made = frames.prepared(target, frame, papers)
    printed = frames.load(target, papers)
    return frames.verdicts(frames.judged(printed, made, frame, margin))


def audit(*papers_or_files: str, papers: Sequence[PathLike] = ()) -> pd.DataFrame:
    """Hold printed numbers against each other, against the text and against dataset counts.

    Parameters
    ----------
    *papers_or_files
        Short names of papers, or CSV files; nothing = every paper that is known.
    papers
        Folders with more papers.

    Returns
    -------
    pandas.DataFrame
        A row per finding, heaviest first for each paper.
    """
    return frames.findings(papers_or_files, tuple(map(Path, papers)))


def report(
    target: str | None,
    frame: pd.DataFrame,
    out: PathLike = "report",
    *,
    papers: Sequence[PathLike] = (),
) -> list[Path]:
    """Write the report that the command line writes; return its files."""
    from ..reports.build import write_report

    return write_report(frames.prepared(target, frame, papers), Path(out))


def figures(
    target: str | None,
    frame: pd.DataFrame,
    out: PathLike = "report",
    *,
    formats: Sequence[str] = ("pdf", "svg", "png"),
    width: str = "page",
    papers: Sequence[PathLike] = (),
) -> list[Path]:
    """Draw every figure that results allow; return the files.

    Parameters
    ----------
    target, frame, papers
        As for `table`.
    out
        Folder, made if missing.
    formats
        Of ``pdf``, ``svg`` and ``png``.
    width
        ``"page"`` or ``"column"`` of a two-column paper.
    """
    return frames.draw(frames.prepared(target, frame, papers), Path(out), tuple(formats), width)


def targets(*, papers: Sequence[PathLike] = ()) -> list[str]:
    """Return the names of the published tables and figures that can be run."""
    from ..tables.papers import list_targets

    return list(list_targets(tuple(map(Path, papers))))
