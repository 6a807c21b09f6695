"""What must be known before numbers of the paper and of a run stand side by side.

The paper's own table may always be read by itself. Beside achieved results, in one drawing or one
table, it may stand only where a level means the same on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from statistics import mean

from ..datasets.noise import parse_protocol
from .aggregate import Run, Status
from .formatting import exact, level
from .model import Block, ReportedBlock, ReportedRow, Training
from .spec import Target

PAPER_PRESET = "paper"

# Protocols whose level is the true fraction of mislabelled images; that of `added` is a ratio.
_TRUE_FRACTION = ("fixed-test", "overlap")

# Percentage points by which a reached level may miss the nominal one without a word.
_SAME_LEVEL = Fraction(1, 20)


def reported_block(target: Target) -> ReportedBlock | None:
    """Lay out the paper's own table; None where the target has no paper."""
    if target.reported_method is None or target.paper is None:
        return None
    method = target.reported_method
    numbers = {(n.row, n.column, n.metric): n for n in target.numbers if n.method == method}
    rows = tuple(
        ReportedRow(
            spec=row,
            cells=tuple(
                tuple(numbers.get((row.id, c, metric)) for metric in target.layout.metrics)
                for c in target.run.noise
            ),
        )
        for row in target.layout.rows
    )
    return ReportedBlock(
        method=method,
        title=target.paper.methods.get(method, method),
        rows=rows,
        stated=tuple(n for n in target.numbers if n.method != method),
    )


def run_differs(target: Target, protocols: Sequence[str], preset: str) -> tuple[str, ...]:
    """Name what makes a whole run differ from the paper's: its preset, its noise protocol."""
    reasons = [f"preset {preset}"] if preset != PAPER_PRESET else []
    # The target names a protocol with the defaults left out; results carry all parameters.
    wanted = parse_protocol(target.run.protocol).protocol_id
    reasons += [f"protocol {given} instead of {wanted}" for given in protocols if given != wanted]
    return tuple(reasons)


def rows_beside(
    target: Target, reported: ReportedBlock | None, blocks: Sequence[Block], preset: str
) -> tuple[tuple[str, ...], str]:
    """Choose the curve rows whose reported numbers may be drawn beside the achieved ones.

    Returns
    -------
    rows : tuple of str
        Ids of the rows; each has an achieved number.
    note : str
        Why the other rows are left out; empty if none is.
    """
    if reported is None:
        return (), ""
    start = f"{reported.title} as reported is for reference and not drawn beside the results"
    protocols = list(dict.fromkeys(p for block in blocks for p in block.facts["protocol"]))
    reasons = run_differs(target, protocols, preset)
    if reasons:
        return (), f"{start}: {'; '.join(reasons)}."
    achieved = {
        row.spec.id
        for block in blocks
        for row in block.rows
        if any(entry.outcome.estimate for cell in row.cells for entry in cell)
    }
    curve = [row for row in target.layout.rows if row.id in target.layout.curve]
    rows = tuple(row.id for row in curve if row.id in achieved)
    missing = ", ".join(row.label for row in curve if row.id not in achieved)
    return rows, f"{start}: no complete result for {missing}." if missing else ""


def few_seeds(
    target: Target, reported: ReportedBlock | None, blocks: Sequence[Block], runs: Sequence[Run]
) -> str:
    """Say how many seeds were run where they are fewer than the paper's trials.

    Empty where they are not, or where nothing reported is shown.
    """
    shown = reported is not None or any(block.comparable for block in blocks)
    planned = target.run.paper_seeds or target.run.seeds
    counts = sorted({block.seeds for block in blocks})
    if not shown or not runs or not counts or counts[0] >= planned:
        return ""
    number = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return (
        f"{number} seed{'s' if counts[-1] != 1 else ''}; the paper's table is the mean of "
        f"{planned} trials."
    )


def training(runs: Sequence[Run]) -> Training:
    """Summarise what one cell of a table was trained on.

    Parameters
    ----------
    runs
        Its runs, over seeds and for an average also over categories. Only those that are done
        count, as long as one is.
    """
    done = [run for run in runs if run.status is Status.DONE]

    def average(name: str) -> Fraction | None:
        found = [exact(v) for run in done or runs if (v := run.facts.get(name)) is not None]
        return mean(found) if found else None

    return Training(
        n_train=average("n_train"),
        n_train_noisy=average("n_train_noisy"),
        noise_effective=average("noise_effective"),
        missed=tuple(_missed(done)),
    )


def _missed(runs: Sequence[Run]) -> list[tuple[str, str, str, str]]:
    """List dataset, category, nominal and reached level where they differ, each once."""
    found: dict[tuple[str, str, str, str], None] = {}
    for run in runs:
        reached = run.facts.get("noise_effective")
        name = str(run.facts.get("protocol") or "").partition("/")[0]
        if reached is None or name not in _TRUE_FRACTION:
            continue
        if abs(exact(reached) - exact(run.noise)) > _SAME_LEVEL:
            place = (run.dataset, run.category, level(run.noise), f"{float(reached):.1f}")
            found[place] = None
    return list(found)
