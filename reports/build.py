"""Write a report: every format from one model, whole files or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.atomic import write_atomic
from ..datasets.errors import StoreError, UnknownNameError
from ..tables.assemble import build_model
from ..tables.model import TableModel
from ..tables.spec import Target
from ..tables.verdicts.judge import judge
from ..tables.verdicts.verdict import Check
from .context import MethodInfo, ReportContext

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "FORMATS",
    "MethodInfo",
    "Prepared",
    "ReportContext",
    "build_report",
    "prepare",
    "write_report",
]

FORMATS = ("csv", "md", "tex", "html", "svg", "pdf", "png")


def build_report(
    target: Target,
    frame: pd.DataFrame,
    out: Path,
    *,
    formats: Sequence[str] = FORMATS,
    context: ReportContext | None = None,
) -> list[Path]:
    """Write the tables and the figure of a target.

    Parameters
    ----------
    target
        A published table, or `tables.generic.generic_target` of the frame.
    frame
        A row per cell, as ``store.frame()`` gives it.
    out
        Folder, made if missing. Files are ``<slug>.csv .md .tex .html``; ``<slug>_sd.tex`` and
        ``<slug>_difference.tex``, the other forms of the table; of each of the three a
        ``…_standalone.tex`` that compiles as it is; and, of a table over noise levels,
        ``<slug>_noise.svg .pdf .png``; slug is ``table1`` for ``rad/table1``.
    formats
        Which of `FORMATS`.
    context
        Methods, environment and how the results were made.

    Returns
    -------
    list of Path
        The files that were written, in the order of ``formats``.

    Raises
    ------
    UnknownNameError
        Unknown format.
    UsageError
        The frame cannot be laid out, see `tables.assemble.build_model`.
    StoreError
        The folder cannot be written.
    """
    return write_report(prepare(target, frame, context, formats=formats), out, formats=formats)


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a report is written from.

    Attributes
    ----------
    model
        The table.
    context
        Methods, environment and how the results were made.
    check
        Verdicts on the printed numbers; None where there are none, and on synthetic data.
    """

    model: TableModel
    context: ReportContext
    check: Check | None


def prepare(
    target: Target,
    frame: pd.DataFrame,
    context: ReportContext | None = None,
    *,
    formats: Sequence[str] = FORMATS,
) -> Prepared:
    """Lay out the table of a report and judge its numbers; see `build_report`."""
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("report format", name, FORMATS)
    context = (context or ReportContext()).without_home()
    model = build_model(target, frame, methods=context.methods, preset=context.preset)
    # The caller may know of synthetic data that the frame does not tell: reported numbers go.
    if context.synthetic and not model.synthetic:
        marked = frame.assign(synthetic=True)
        model = build_model(target, marked, methods=context.methods, preset=context.preset)
    check = None if model.synthetic else _check(target, frame, context)
    return Prepared(model=model, context=context, check=check)


def write_report(prepared: Prepared, out: Path, *, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write the files of a report; see `build_report`."""
    written = []
    for name in formats:
        for suffix, make in _makers(prepared, name):
            path = out / f"{prepared.model.target.slug}{suffix}"
            _write(path, make())
            written.append(path)
    return written


def _check(target: Target, frame: pd.DataFrame, context: ReportContext) -> Check | None:
    """Judge the printed numbers as ``reproduce check`` does; None where the target has none.

    What is planned and not run is not in a store, so that it is no part of a check.
    """
    if not target.numbers:
        return None
    stored = frame.loc[frame["status"] != "pending"]
    return judge(
        target, stored, methods=context.methods, preset=context.preset, scope=context.scope
    )


def _makers(prepared: Prepared, name: str) -> list[tuple[str, Callable[[], bytes]]]:
    from . import figures, html, latex, text

    model, context = prepared.model, prepared.context

    def encoded(render: Callable[[], str]) -> Callable[[], bytes]:
        # A lone surrogate, as os.fsdecode makes of a strange file name, must not stop a report.
        return lambda: render().encode("utf-8", "replace")

    match name:
        case "csv":
            return [(".csv", encoded(lambda: text.render_csv(model)))]
        case "md":
            return [(".md", encoded(lambda: text.render_markdown(model, context)))]
        case "tex":
            return [
                made
                for form in latex.Form
                for made in (
                    (f"{form.value}.tex", encoded(partial(latex.render_latex, model, form))),
                    (
                        f"{form.value}_standalone.tex",
                        encoded(partial(latex.render_standalone, model, form)),
                    ),
                )
            ]
        case "html":
            return [(".html", encoded(lambda: html.render_html(model, context, prepared.check)))]
        case _ if not figures.has_figure(model):
            return []
        case _:
            return [(f"_noise.{name}", lambda: figures.render_figure(model, name))]


def _write(path: Path, data: bytes) -> None:
    try:
        write_atomic(path, data)
    except OSError as err:
        raise StoreError(
            f"cannot write {path}: {err.strerror or err}; choose another folder"
        ) from err
