"""Write a report: every format from one model, whole files or nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.atomic import write_atomic
from ..datasets.errors import StoreError, UnknownNameError
from ..tables.assemble import build_model
from ..tables.model import TableModel
from ..tables.spec import Target
from .context import MethodInfo, ReportContext

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FORMATS", "MethodInfo", "ReportContext", "build_report"]

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
        Folder, made if missing. Files are ``<slug>.csv .md .tex .html``, ``<slug>_standalone.tex``
        and, of a table over noise levels, ``<slug>_noise.svg .pdf .png``; slug is ``table1`` for
        ``rad/table1``.
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
    for name in formats:
        if name not in FORMATS:
            raise UnknownNameError("report format", name, FORMATS)
    context = (context or ReportContext()).without_home()
    model = build_model(target, frame, methods=context.methods, preset=context.preset)
    # The caller may know of synthetic data that the frame does not tell: reported numbers go.
    if context.synthetic and not model.synthetic:
        marked = frame.assign(synthetic=True)
        model = build_model(target, marked, methods=context.methods, preset=context.preset)
    written = []
    for name in formats:
        for suffix, make in _makers(model, context, name):
            path = out / f"{target.slug}{suffix}"
            _write(path, make())
            written.append(path)
    return written


def _makers(
    model: TableModel, context: ReportContext, name: str
) -> list[tuple[str, Callable[[], bytes]]]:
    from . import figures, html, latex, text

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
                (".tex", encoded(lambda: latex.render_latex(model))),
                ("_standalone.tex", encoded(lambda: latex.render_standalone(model))),
            ]
        case "html":
            return [(".html", encoded(lambda: html.render_html(model, context)))]
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
