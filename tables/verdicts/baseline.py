"""A user's own run as the reference: written once, compared with after every change.

The reference has the seeds of the run, and seeds share their draws of images. So the differences
of equal seeds are tested, which scatter far less than the values themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from statistics import mean
from typing import TYPE_CHECKING, Any

from ...datasets.errors import UsageError
from ..assemble import on_the_papers_data
from ..formatting import shown
from ..model import reason
from ..quantities import QUANTITIES, Unit
from ..runs import FINGERPRINT, Run, Status, read_runs
from ..spec import Target
from .decide import Trial, decide
from .equivalence import ALPHA, MIN_SEEDS
from .judge import margin_of
from .places import Scope
from .recorded import PLACE, Baseline, made_with
from .verdict import Check, Judged, Margin, Verdict

if TYPE_CHECKING:
    import pandas as pd


def compare(
    target: Target,
    frame: pd.DataFrame,
    baseline: Baseline,
    *,
    scope: Scope | None = None,
    margin: Margin | None = None,
    alpha: float = ALPHA,
) -> Check:
    """Hold a frame against a baseline, category by category.

    Equal values of equal seeds are reproduced without a test, whatever their number. Else the
    differences of the seeds that both have are tested, three at least.

    Parameters
    ----------
    target, frame, scope, margin, alpha
        As in `judge.judge`.
    baseline
        What `read_baseline` returned.

    Raises
    ------
    UsageError
        The baseline is of another target, or has none of the cells asked for, or the frame mixes
        what must not be mixed.
    """
    if baseline.target != target.name:
        raise UsageError(f"the baseline is of {baseline.target}, not of {target.name}")
    runs, _ = on_the_papers_data(target, read_runs(frame))
    margin = margin or margin_of(target)
    now = _by_place(
        {name: getattr(run, name) for name in PLACE}
        | {"made": made_with(run), "run": run, "values": run.metrics}
        for run in runs
    )
    then = _by_place(baseline.cells)
    cells: list[Judged] = []
    trials: dict[int, Trial] = {}
    for place, recorded in then.items():
        method, dataset, category, noise = place
        if not (scope or Scope()).holds(method, noise, [(dataset, category)]):
            continue
        names = dict.fromkeys(name for cell in recorded.values() for name in cell["values"])
        for name in names:
            judged, trial = _before_testing(place, name, recorded, now.get(place, {}), margin)
            if trial is not None:
                trials[len(cells)] = trial
            cells.append(judged)
    if not cells:
        raise UsageError(f"the baseline has none of these cells (it holds {_contents(baseline)})")
    if margin is not None:
        for index, (verdict, tested) in decide(trials, margin, alpha).items():
            cells[index] = replace(cells[index], verdict=verdict, tested=tested)
    new = len(now.keys() - then.keys())
    return Check(
        target=target.name,
        title=f"{target.title} against a recorded run",
        reference=f"the run recorded with adrepro {baseline.version}, seed by seed",
        margin=margin,
        essential=(*FINGERPRINT, "synthetic"),
        cells=tuple(cells),
        notes=(f"{new} places have results that the baseline lacks.",) if new else (),
        alpha=alpha,
    )


def _contents(baseline: Baseline) -> str:
    """Return what a baseline has, axis by axis."""
    methods, categories, levels = (
        dict.fromkeys(cell[name] for cell in baseline.cells)
        for name in ("method", "category", "noise")
    )
    if not methods:
        return "nothing"
    noise = ", ".join(f"{level:g}" for level in sorted(levels))
    return f"{', '.join(methods)}; {', '.join(categories)}; noise {noise} %"


def _by_place(cells: Any) -> dict[tuple, dict[int, Mapping[str, Any]]]:
    """Return place without seed → seed → cell."""
    found: dict[tuple, dict[int, Mapping[str, Any]]] = {}
    for cell in cells:
        *place, seed = (cell[name] for name in PLACE)
        found.setdefault(tuple(place), {})[seed] = cell
    return found


def _before_testing(
    place: tuple,
    name: str,
    then: Mapping[int, Mapping[str, Any]],
    now: Mapping[int, Mapping[str, Any]],
    margin: Margin | None,
) -> tuple[Judged, Trial | None]:
    method, dataset, category, noise = place
    old = {
        seed: float(cell["values"][name]) for seed, cell in then.items() if name in cell["values"]
    }
    new = {seed: float(v) for seed, c in now.items() if (v := c["values"].get(name)) is not None}
    seeds = sorted(old.keys() & new.keys())
    judged = Judged(
        method=method,
        title=method,
        dataset=dataset,
        category=category,
        noise=noise,
        metric=name,
        where=f"{category}, {noise:g}%",
        reference=Decimal(shown(mean(old.values()), Unit.PERCENT)),
        verdict=Verdict.INCONCLUSIVE,
        achieved=shown(mean(new.values()), Unit.PERCENT) if new else "",
        difference=100 * mean(new[s] - old[s] for s in seeds) if seeds else None,
    )
    said = _without_test(then, now, old, new)
    if said is not None:
        return replace(judged, verdict=said[0], reason=said[1]), None
    if len(seeds) < MIN_SEEDS or margin is None:
        text = "no margin is given" if margin is None else f"{len(seeds)} seeds in both"
        return replace(judged, reason=f"{text}, and their values differ"), None
    differences = tuple(100 * (new[seed] - old[seed]) for seed in seeds)
    return judged, Trial(
        values=differences, low=0.0, high=0.0, lower_is_better=QUANTITIES[name].lower_is_better
    )


def _without_test(
    then: Mapping[int, Mapping[str, Any]],
    now: Mapping[int, Mapping[str, Any]],
    old: Mapping[int, float],
    new: Mapping[int, float],
) -> tuple[Verdict, str] | None:
    runs: Sequence[Run] = [cell["run"] for cell in now.values()]
    failed = [run for run in runs if run.status is Status.FAILED]
    if failed:
        return Verdict.FAILED, f"{failed[0].label}: {reason(failed[0].error)}"
    missing = sorted(old.keys() - new.keys())
    if missing:
        return Verdict.NOT_RUN, f"seeds {', '.join(map(str, missing))} have no result"
    # A recorded seed without this quantity asks for nothing.
    for seed in old:
        made = now[seed]["made"]
        names = [n for n, value in then[seed]["made"].items() if made.get(n) != value]
        if names:
            return Verdict.NOT_COMPARABLE, f"{', '.join(names)} differ from the recorded run"
    if all(new[seed] == value for seed, value in old.items()):
        return Verdict.REPRODUCED, "the same values, digit for digit"
    return None
