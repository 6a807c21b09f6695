"""What a plan looks like to people: the feasibility table and the facts a report is made from."""

from __future__ import annotations

import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.table import Table

from ..feasible import Outlook
from ..grid import MethodPlan
from ..plan import Plan

if TYPE_CHECKING:
    from ...datasets.noise import Feasibility
    from ...reports.context import ReportContext
    from ...tables.model import MethodInfo
    from ..store import Store
    from .options import Options


def feasibility_table(seen: Outlook) -> Table:
    """Return what the protocol gives per category and level, as ``injected/T → test images``.

    A level at which the training set had to shrink, or was capped, is marked with ``*``; one that
    cannot be had is a dash.
    """
    table = Table(box=None, pad_edge=False)
    table.add_column("category", no_wrap=True)
    for level in seen.grid.noise:
        table.add_column(f"{level:g} %", justify="right", no_wrap=True)
    table.add_column("test", justify="right", no_wrap=True)
    shown = ""
    for (dataset, category), rows in seen.rows.items():
        if dataset != shown:
            shown = dataset
            table.add_row(f"[bold]{escape(dataset)}[/bold]")
        table.add_row(f"  {escape(category)}", *(_taken(row) for row in rows), _tested(rows))
    return table


def _taken(row: Feasibility) -> str:
    if not row.possible:
        return "–"
    return f"{row.n_injected}/{row.n_train}{'*' if row.note else ''}"


def _tested(rows: tuple[Feasibility, ...]) -> str:
    """Return the test set's size, or its range over the levels."""
    sizes = [(r.test_good or 0, r.test_anomalous or 0) for r in rows if r.possible]
    if not sizes:
        return "–"
    good = sizes[0][0]
    anomalous = sorted({size for _, size in sizes})
    span = f"{anomalous[0]}" if len(anomalous) == 1 else f"{anomalous[0]}–{anomalous[-1]}"
    return f"{good}+{span}"


def report_context(plan: Plan, options: Options, device: str, store: Store) -> ReportContext:
    """Return what a report says beside the numbers: methods, environment, how it was made."""
    from ...reports.context import ReportContext
    from ..env import capture, package_version
    from ..evidence import evidence_source, files_of_plan
    from ..redact import redacted

    found = capture(device)
    environment = {
        name: str(value) for name, value in found.items() if not isinstance(value, dict)
    } | found["packages"]
    return ReportContext(
        methods=tuple(method_info(method) for method in plan.methods),
        environment=environment,
        synthetic=plan.synthetic,
        preset=options.preset,
        command=redacted(shlex.join(["reproduce", *sys.argv[1:]])),
        version=package_version("adrepro"),
        evidence=evidence_source(store, files_of_plan(plan.cells)),
    )


def method_info(method: MethodPlan) -> MethodInfo:
    """Return what a report says about a method as it was run."""
    from ...methods.backbones import parse_backbone
    from ...methods.settings import PAPER, preset_image_size
    from ...tables.model import MethodInfo

    cls: Any = method.cls
    paper_backbone = None
    if cls.backbone is not None:
        spec = parse_backbone(cls.backbone)
        paper_backbone = f"{spec.name}.{spec.tag}"
    elif method.scores and method.backbone != "none":
        paper_backbone = method.backbone
    return MethodInfo(
        name=method.name,
        title=method.title,
        paper=cls.paper,
        paper_backbone=paper_backbone,
        paper_image_size=preset_image_size(cls, PAPER, method.variant),
        departures=tuple(cls.departures),
        # What its maps are smoothed with is no departure of scores from a file.
        overrides=() if method.scores else tuple(changed_settings(method)),
    )


def changed_settings(method: MethodPlan) -> list[str]:
    """Return every setting that is not the paper's, as ``name value instead of value``.

    What a variant is there to change is the paper's for it.
    """
    from ...methods.settings import make_settings

    cls: Any = method.cls
    default = json.loads(make_settings(cls, variant=method.variant)[1])
    used = json.loads(method.settings_json)
    return [
        f"{name} {_plain(used[name])} instead of {_plain(default[name])}"
        for name in used
        if used[name] != default[name]
    ]


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return f"{len(value)} values" if len(value) > 6 else "/".join(map(_plain, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
