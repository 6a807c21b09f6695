"""Plan cells, run them, keep their results.

How data walks through this room: a `grid.Grid` (names and numbers) becomes a `plan.Plan` (cells
with images and keys), an engine of `engines` runs the cells without a result through
`run_cell.run_cell`, and the `store.Store` keeps what came out; `frames` reads it back as one tidy
pandas frame. `api` is the way in from Python, re-exported here.

Glossary
--------
nominal, anomalous
    Without and with a defect, by the official label.
contamination, label noise
    Share of the training images that are anomalous but labelled nominal.
cell
    One method, trained and tested on one category at one noise level with one seed.
target
    A published table or figure.
reported, achieved
    Printed in the paper; measured here.
protocol
    How label noise is drawn and what is left to test on.
variant
    Settings of a method under a name of their own, e.g. an ablation: ``rad@no-meta``.
preset
    The paper's settings, or documented reductions of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Table, audit, check, figures, load, report, run, table, targets

# The Python interface, see `api`; loaded when it is first used, so that importing this is free.
__all__ = ["Table", "audit", "check", "figures", "load", "report", "run", "table", "targets"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(".api", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
