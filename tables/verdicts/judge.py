"""A verdict for every number that a paper prints, from a result frame."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from ..aggregate import summarise
from ..assemble import facts_of, on_the_papers_data
from ..beside import PAPER_PRESET, departures
from ..formatting import Mark
from ..model import MethodInfo, reason
from ..outcome import Outcome
from ..quantities import QUANTITIES, Pooling, Unit
from ..runs import Status, read_runs
from ..spec import Essential, ReportedNumber, Target
from ..training import training
from .decide import Trial, decide
from .equivalence import ALPHA, MIN_SEEDS, rounding_interval
from .places import Printed, Scope, printed_numbers, seed_values
from .verdict import Check, Judged, Margin, Verdict

if TYPE_CHECKING:
    import pandas as pd

AVERAGE = "average"


def judge(
    target: Target,
    frame: pd.DataFrame,
    *,
    methods: Iterable[MethodInfo] = (),
    preset: str = PAPER_PRESET,
    scope: Scope | None = None,
    margin: Margin | None = None,
    alpha: float = ALPHA,
) -> Check:
    """Judge every printed number of a target.

    Parameters
    ----------
    target
        A published table, with its own methods, levels and categories.
    frame
        A row per cell; one setting per method and one protocol, see `runs.read_runs`.
    methods
        What is known about the methods; one that is not described is compared with nothing.
    preset
        Preset of the run.
    scope
        Which numbers; None = all.
    margin
        Instead of the target's own.
    alpha
        Family-wise level of each statement over the table.

    Raises
    ------
    UsageError
        The frame mixes what must not be mixed.
    """
    runs, synthetic = on_the_papers_data(target, read_runs(frame))
    margin = margin or margin_of(target)
    infos = {info.name: info for info in methods}
    reasons: dict[str, str] = {}
    for name in dict.fromkeys(run.method for run in runs):
        own = [run for run in runs if run.method == name]
        facts = facts_of(own)
        found = departures(target, infos.get(name), facts, preset, synthetic=synthetic)
        essential = [one.text for one in found if one.kind in target.essential]
        reasons[name] = "; ".join(essential)
    planned = {name: len({r.seed for r in runs if r.method == name}) for name in reasons}
    printed = printed_numbers(target, runs, scope or Scope())
    cells, trials = [], {}
    for index, one in enumerate(printed):
        judged, trial = _before_testing(target, one, reasons, planned, margin)
        cells.append(judged)
        if trial is not None:
            trials[index] = trial
    if margin is not None:
        for index, (verdict, tested) in decide(trials, margin, alpha).items():
            cells[index] = replace(cells[index], verdict=verdict, tested=tested)
    paper = f"{target.paper.short}, {target.title}" if target.paper else target.title
    return Check(
        target=target.name,
        title=paper,
        reference="the printed numbers",
        margin=margin,
        essential=tuple(target.essential),
        cells=tuple(cells),
        notes=_notes(target, margin),
        alpha=alpha,
    )


def margin_of(target: Target) -> Margin | None:
    """Return the margin that a target declares, with its source."""
    found = target.tolerance
    return Margin(points=found.points, source=found.source) if found else None


def _notes(target: Target, margin: Margin | None) -> tuple[str, ...]:
    notes = [*target.notes]
    if target.misprints:
        count = len(target.misprints)
        cells = "1 cell of the paper holds" if count == 1 else f"{count} cells of the paper hold"
        notes.append(f"{cells} no readable number.")
    if margin is None:
        notes.append("The target declares no margin, so that nothing can be tested against it.")
    return tuple(notes)


def _before_testing(
    target: Target,
    one: Printed,
    reasons: Mapping[str, str],
    planned: Mapping[str, int],
    margin: Margin | None,
) -> tuple[Judged, Trial | None]:
    """Return what can be said without a test, and the test where there is one."""
    number, place = one.number, one.place
    wanted = planned.get(number.method, 0)
    outcome = summarise(one.members, number.metric, wanted, average=one.average)
    estimate = outcome.estimate
    named = target.paper.methods if target.paper else {}
    judged = Judged(
        method=number.method,
        title=named.get(number.method, number.method),
        dataset=place.average_of or place.dataset or "",
        category=AVERAGE if one.average else place.category or "",
        noise=place.noise or 0.0,
        metric=number.metric,
        where=one.where,
        reference=number.value,
        verdict=Verdict.INCONCLUSIVE,
        achieved=estimate.text if estimate else "",
        difference=_difference(outcome, number),
        reason=(missed := _missed(one)),
    )
    missing = _missing(one, outcome)
    if missing is not None:
        return replace(judged, verdict=missing[0], reason=missing[1]), None
    departed = [reasons.get(number.method, "")]
    # A number of another level than the printed one is one of another protocol.
    departed += [missed] if Essential.PROTOCOL in target.essential else []
    if any(departed):
        text = "; ".join(filter(None, departed))
        return replace(judged, verdict=Verdict.NOT_COMPARABLE, reason=text), None
    quantity = QUANTITIES[number.metric]
    if quantity.unit is not Unit.PERCENT or quantity.pooling is not Pooling.MEAN:
        return replace(judged, reason=f"no test is defined for {quantity.title}"), None
    if margin is None:
        return replace(judged, reason="the target declares no margin"), None
    values = tuple(float(100 * value) for _, value in sorted(seed_values(one).items()))
    if len(values) < MIN_SEEDS:
        text = f"{len(values)} seed{'s' * (len(values) != 1)}, at least {MIN_SEEDS} are needed"
        return replace(judged, reason=text), None
    low, high = map(float, rounding_interval(number.value))
    trial = Trial(values=values, low=low, high=high, lower_is_better=quantity.lower_is_better)
    return judged, trial


def _missing(one: Printed, outcome: Outcome) -> tuple[Verdict, str] | None:
    """Return failed, not run or undefined, and why; None where there is a complete number."""
    failed = [run for run in one.runs if run.status is Status.FAILED]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return Verdict.FAILED, f"{failed[0].label}: {reason(failed[0].error)}{more}"
    if outcome.estimate is not None and outcome.estimate.extrapolated:
        return Verdict.NOT_RUN, outcome.estimate.extrapolated
    if outcome.estimate is not None:
        return None
    match outcome.mark:
        case Mark.UNDEFINED | Mark.SHARED | Mark.NOTHING_REMOVED:
            return Verdict.NOT_COMPARABLE, outcome.mark.meaning
        case Mark.SKIPPED:
            return Verdict.NOT_RUN, f"skipped: {reason(one.runs[0].error)}"
        case Mark.INCOMPLETE:
            return Verdict.NOT_RUN, f"{outcome.detail} categories are complete"
    return Verdict.NOT_RUN, ""


def _missed(one: Printed) -> str:
    """Say where another noise level was reached than the one that the number is printed for."""
    missed = training(one.runs).missed
    places = [
        f"{category} {reached}% instead of {wanted}%{' (whole images)' * nearest}"
        for _, category, wanted, reached, nearest in missed
    ]
    return f"another noise level was reached: {', '.join(places)}" if places else ""


def _difference(outcome: Outcome, number: ReportedNumber) -> float | None:
    found = outcome.estimate
    if found is None:
        return None
    scale = 100 if found.unit is Unit.PERCENT else 1
    return float(found.mean * scale - Fraction(Decimal(number.value)))
