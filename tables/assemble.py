"""Fill the model of a table from a result frame; what may be compared is decided here.

A reported number is set against an achieved one only if the method is the same, the data are real
and nothing known to matter departs from the paper; every departure is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .aggregate import Outcome, Run, read_runs, summarise, summarise_average
from .beside import (
    PAPER_PRESET,
    few_seeds,
    reported_block,
    rows_beside,
    run_differs,
    training,
)
from .formatting import percent_value
from .model import Block, BlockRow, Entry, MethodInfo, TableModel, Training
from .spec import BoldRule, ReportedNumber, RowSpec, Target

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAPER_PRESET", "build_model"]


def build_model(
    target: Target,
    frame: pd.DataFrame,
    *,
    methods: Iterable[MethodInfo] = (),
    preset: str = PAPER_PRESET,
) -> TableModel:
    """Lay a result frame out as a target's table.

    Parameters
    ----------
    target
        A published table, or `generic.generic_target` of the frame.
    frame
        A row per cell, as ``store.frame()`` gives it.
    methods
        What is known about the methods; one that is not described is compared with nothing.
    preset
        Name of the preset the results were made with; only ``"paper"`` is comparable.

    Raises
    ------
    UsageError
        See `aggregate.read_runs`; also a mixture of real and synthetic data.
    """
    everything = read_runs(frame)
    stand_ins = {d.synthetic: d.name for d in target.run.datasets if d.synthetic}
    synthetic = _is_synthetic(everything, stand_ins)
    if synthetic:
        everything = tuple(
            replace(r, dataset=stand_ins.get(r.dataset, r.dataset)) for r in everything
        )
    places = {(row.dataset, row.category) for row in target.layout.rows}
    runs = tuple(
        r for r in everything if (r.dataset, r.category) in places and r.noise in target.run.noise
    )
    infos = {info.name: info for info in methods}
    order = dict.fromkeys([*target.run.methods, *(run.method for run in runs)])
    present = {run.method for run in runs}
    blocks = [
        _block(
            target,
            name,
            [r for r in runs if r.method == name],
            infos.get(name),
            preset=preset,
            synthetic=synthetic,
        )
        for name in order
        if name in present
    ]
    reported = None if synthetic else reported_block(target)
    beside, undrawn = rows_beside(target, reported, blocks, preset)
    few = few_seeds(target, reported, blocks, runs)
    outside = _outside(len(runs), len(everything))
    return TableModel(
        target=target,
        columns=target.run.noise,
        blocks=_mark_best(target, blocks),
        reported=reported,
        beside=beside,
        few_seeds=few,
        synthetic=synthetic,
        runs=runs,
        notes=tuple(note for note in (outside, few, undrawn) if note),
    )


def _is_synthetic(runs: Sequence[Run], stand_ins: Mapping[str, str]) -> bool:
    kinds = {run.synthetic or run.dataset in stand_ins for run in runs}
    if len(kinds) == 2:
        raise UsageError("results on real and on synthetic data in one frame: report them apart")
    return True in kinds


def _outside(inside: int, total: int) -> str:
    if total == inside:
        return ""
    return f"{total - inside} of {total} results lie outside this table's rows and columns."


def _block(
    target: Target,
    method: str,
    runs: Sequence[Run],
    info: MethodInfo | None,
    *,
    preset: str,
    synthetic: bool,
) -> Block:
    facts = _facts(runs)
    numbers = {(n.row, n.column, n.metric): n for n in target.numbers if n.method == method}
    departures = _departures(target, info, facts, preset, synthetic)
    return Block(
        method=method,
        title=info.title if info else method,
        info=info,
        rows=_rows(target, runs, {} if departures else numbers),
        facts=facts,
        seeds=len({run.seed for run in runs}),
        has_counterpart=bool(numbers),
        departures=departures if numbers else (),
    )


def _rows(
    target: Target, runs: Sequence[Run], numbers: Mapping[tuple, ReportedNumber]
) -> tuple[BlockRow, ...]:
    planned = len({run.seed for run in runs})
    found: dict[tuple, list[Run]] = {}
    for run in runs:
        found.setdefault((run.dataset, run.category, run.noise), []).append(run)

    def entries(row: RowSpec, column: float) -> tuple[Entry, ...]:
        members = [found.get((m.dataset, m.category, column), []) for m in layout.members(row)]
        trained = training([run for member in members for run in member])
        return tuple(
            _entry(
                metric,
                summarise_average(members, metric, planned)
                if row.average_of is not None
                else summarise(members[0], metric, planned),
                numbers.get((row.id, column, metric)),
                trained,
            )
            for metric in layout.metrics
        )

    layout = target.layout
    return tuple(
        BlockRow(spec=row, cells=tuple(entries(row, column) for column in target.run.noise))
        for row in layout.rows
    )


def _entry(
    metric: str, outcome: Outcome, number: ReportedNumber | None, trained: Training
) -> Entry:
    difference = None
    if number is not None and outcome.estimate is not None and outcome.estimate.complete:
        difference = percent_value(outcome.estimate.mean) - number.value
    return Entry(
        metric=metric,
        outcome=outcome,
        reported=number,
        difference=difference,
        training=trained,
    )


def _facts(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    names = ("backbone", "weights", "image_size", "protocol", "evaluation", "settings", "device")
    facts = {}
    for name in names:
        values = [_plain(v) for run in runs if (v := run.facts.get(name)) is not None]
        facts[name] = tuple(dict.fromkeys(values))
    return facts


def _plain(value: Any) -> str:
    """Write 448.0, which is what a frame with gaps makes of 448, as 448."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _departures(
    target: Target,
    info: MethodInfo | None,
    facts: Mapping[str, tuple[str, ...]],
    preset: str,
    synthetic: bool,
) -> tuple[str, ...]:
    reasons = []
    if synthetic:
        reasons.append("embedded synthetic data")
    reasons += run_differs(target, facts["protocol"], preset)
    if info is None:
        return (*reasons, "nothing is known about the method's own paper")
    expected = info.paper_backbone or "none"
    for backbone in facts["backbone"]:
        if backbone != expected:
            reasons.append(f"backbone {backbone} instead of {expected}")
    size = target.run.image_size or info.paper_image_size
    for given in facts["image_size"]:
        if size is not None and given != str(size):
            reasons.append(f"image size {given} instead of {size}")
    wanted = target.run.evaluation
    reasons += [f"evaluation {g} instead of {wanted}" for g in facts["evaluation"] if g != wanted]
    return (*reasons, *info.overrides)


def _mark_best(target: Target, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Set the best method of each place in bold, where all methods are complete; ties share it."""
    if target.layout.bold is not BoldRule.BEST_METHOD or len(blocks) < 2:
        return tuple(blocks)

    def mark(r: int, c: int, m: int, entry: Entry) -> Entry:
        rivals = [block.rows[r].cells[c][m].outcome.estimate for block in blocks]
        shown = [percent_value(e.mean) for e in rivals if e is not None and e.complete]
        own = entry.outcome.estimate
        if own is None or len(shown) < len(blocks):
            return entry
        return replace(entry, best=percent_value(own.mean) == max(shown))

    marked = []
    for block in blocks:
        rows = []
        for r, row in enumerate(block.rows):
            cells = [
                tuple(mark(r, c, m, entry) for m, entry in enumerate(cell))
                for c, cell in enumerate(row.cells)
            ]
            rows.append(replace(row, cells=tuple(cells)))
        marked.append(replace(block, rows=tuple(rows)))
    return tuple(marked)
