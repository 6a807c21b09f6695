"""Fill the model of a table from a result frame; what may be compared is decided here.

A reported number is set against an achieved one only if the method is the same, the data are real
and nothing known to matter departs from the paper; every departure is named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .aggregate import summarise
from .beside import PAPER_PRESET, departures, few_seeds, run_differs
from .best import mark_best
from .drawn import curve_rows, drawn_beside
from .fingerprints import differing
from .formatting import digits
from .layout import ALL_ANOMALOUS, Arrangement, Line
from .model import Block, BlockRow, Cell, Entry, MethodInfo, MethodRuns, TableModel
from .outcome import Outcome
from .printed import reported_blocks
from .runs import Run, read_runs
from .skipped import skipped_notes
from .spec import ReportedNumber, Target
from .split import split_averages
from .standing import RANKED, standings
from .training import training
from .trivial import trivial_runs

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PAPER_PRESET", "build_model", "facts_of", "on_the_papers_data"]

_FACTS = ("backbone", "weights", "image_size", "protocol", "evaluation", "settings", "device")


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
        See `runs.read_runs`; also a mixture of real and synthetic data.
    """
    everything, synthetic = on_the_papers_data(target, read_runs(frame))
    target = _named_as_drawn(target) if synthetic else target
    runs = _inside(target, everything)
    infos = {info.name: info for info in methods}
    present = {run.method for run in runs}
    order = dict.fromkeys([*target.run.methods, *(run.method for run in runs)])
    by_method = {name: [r for r in runs if r.method == name] for name in order if name in present}
    known = tuple(
        _method(target, name, own, infos.get(name), preset=preset, synthetic=synthetic)
        for name, own in by_method.items()
    )
    filled = dict(by_method)
    if any(line.at.method == ALL_ANOMALOUS for line in _lines(target)) and runs:
        filled[ALL_ANOMALOUS] = list(trivial_runs(runs))
    titles = {method.name: method.title for method in known}
    grid = target.arranged(tuple(filled), titles)
    blocks = _Filler(target, grid, filled, known).blocks() if runs else ()
    layout, split = split_averages(target, runs, blocks)
    if split:
        grid = replace(target, layout=layout).arranged(tuple(filled), titles)
        blocks = _Filler(target, grid, filled, known).blocks()
    reported = () if synthetic else reported_blocks(target)
    curve, instead = curve_rows(target, grid, blocks)
    protocols = list(dict.fromkeys(p for m in known for p in m.facts["protocol"]))
    differs = run_differs(target, protocols, preset)
    beside, undrawn = drawn_beside(target, reported, blocks, curve, differs)
    few = few_seeds(target, bool(reported) or any(m.comparable for m in known), known, runs)
    outside = _outside(len(runs), len(everything))
    return TableModel(
        target=target,
        columns=grid.columns,
        blocks=mark_best(target.layout.bold, blocks),
        methods=known,
        reported=reported,
        curve=curve,
        beside=beside,
        standings=standings(target, by_method) if RANKED in grid.metrics else (),
        few_seeds=few,
        synthetic=synthetic,
        runs=runs,
        notes=(
            *(note for note in (outside, few, split, instead, undrawn) if note),
            *differing(runs, tuple(by_method)),
            *skipped_notes(runs),
        ),
    )


def on_the_papers_data(target: Target, runs: Sequence[Run]) -> tuple[tuple[Run, ...], bool]:
    """Give synthetic stand-ins the names of the data they stand for; say whether there are any."""
    stand_ins = {d.synthetic: d.name for d in target.run.datasets if d.synthetic}
    kinds = {run.synthetic or run.dataset in stand_ins for run in runs}
    if len(kinds) == 2:
        raise UsageError("results on real and on synthetic data in one frame: report them apart")
    if True not in kinds:
        return tuple(runs), False
    return tuple(
        replace(run, dataset=stand_ins.get(run.dataset, run.dataset), stored_as=run.dataset)
        for run in runs
    ), True


def _named_as_drawn(target: Target) -> Target:
    """Give datasets the printed names of their stand-ins: drawn images are not the paper's."""
    drawn = tuple(replace(d, label=d.synthetic or d.label) for d in target.run.datasets)
    return replace(target, run=replace(target.run, datasets=drawn))


def _inside(target: Target, runs: Sequence[Run]) -> tuple[Run, ...]:
    """Keep the runs that some cell of the table is made from."""
    names = tuple(dict.fromkeys([*target.run.methods, *(run.method for run in runs)]))
    wanted = {
        (dataset, category, place.noise)
        for place in dict.fromkeys(
            replace(place, method=None, cell=None) for place in target.arranged(names).places
        )
        for dataset, category in target.run.categories(place)
    }
    return tuple(run for run in runs if (run.dataset, run.category, run.noise) in wanted)


def _outside(inside: int, total: int) -> str:
    if total == inside:
        return ""
    return f"{total - inside} of {total} results lie outside this table's rows and columns."


def _lines(target: Target) -> list[Line]:
    layout = target.layout
    parts = (layout.blocks, layout.rows, layout.columns)
    return [line for lines in parts if not isinstance(lines, str) for line in lines]


def _method(
    target: Target,
    name: str,
    runs: Sequence[Run],
    info: MethodInfo | None,
    *,
    preset: str,
    synthetic: bool,
) -> MethodRuns:
    facts = facts_of(runs)
    counterpart = any(number.method == name for number in target.numbers)
    found = departures(target, info, facts, preset, synthetic=synthetic)
    return MethodRuns(
        name=name,
        title=info.title if info else name,
        info=info,
        facts=facts,
        seeds=len({run.seed for run in runs}),
        has_counterpart=counterpart,
        departures=tuple(one.text for one in found) if counterpart else (),
    )


def facts_of(runs: Sequence[Run]) -> dict[str, tuple[str, ...]]:
    """Return the distinct values of what runs were made with, as texts, by column."""
    facts = {}
    for name in (*_FACTS, "device_name"):
        values = [_plain(v) for run in runs if (v := run.facts.get(name)) is not None]
        facts[name] = tuple(dict.fromkeys(values))
    return facts


def _plain(value: Any) -> str:
    """Write 448.0, which is what a frame with gaps makes of 448, as 448."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Filler:
    """Fills the cells of an arrangement."""

    def __init__(
        self,
        target: Target,
        grid: Arrangement,
        runs: Mapping[str, Sequence[Run]],
        methods: Sequence[MethodRuns],
    ) -> None:
        self.target, self.grid = target, grid
        comparable = {method.name for method in methods if method.comparable}
        self.numbers = {n.key: n for n in target.numbers if n.method in comparable}
        self.planned = {name: len({run.seed for run in own}) for name, own in runs.items()}
        self.found: dict[tuple, list[Run]] = {}
        for own in runs.values():
            for run in own:
                place = (run.method, run.dataset, run.category, run.noise)
                self.found.setdefault(place, []).append(run)

    def blocks(self) -> tuple[Block, ...]:
        return tuple(
            Block(
                spec=block,
                rows=tuple(self._row(block, row) for row in self.grid.rows),
                method=block.at.method if self.target.layout.block_per_method else None,
            )
            for block in self.grid.blocks
        )

    def _row(self, block: Line, row: Line) -> BlockRow:
        return BlockRow(
            spec=row, cells=tuple(self._cell(block, row, column) for column in self.grid.columns)
        )

    def _cell(self, block: Line, row: Line, column: Line) -> Cell:
        place = self.grid.place(block, row, column)
        method = place.method or ""
        members = [
            self.found.get((method, dataset, category, place.noise), [])
            for dataset, category in self.target.run.categories(place)
        ]
        trained = training([run for member in members for run in member])
        planned = self.planned.get(method, 0)
        average = place.average_of is not None
        entries = []
        for name in place.metrics:
            outcome = summarise(members, name, planned, average=average)
            number = self.numbers.get((block.id, row.id, column.id, name))
            entries.append(
                Entry(
                    method=method,
                    metric=name,
                    outcome=outcome,
                    reported=number,
                    difference=_difference(outcome, number),
                    training=trained,
                )
            )
        return Cell(place=place, entries=tuple(entries))


def _difference(outcome: Outcome, number: ReportedNumber | None) -> Any:
    found = outcome.estimate
    if number is None or found is None or not found.complete:
        return None
    return digits(found.mean, found.unit) - number.value
