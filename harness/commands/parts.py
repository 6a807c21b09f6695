"""One table per noise protocol and evaluation of a run: results of two are never averaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..evaluations import EXPLANATIONS, SHORT_NAMES, TITLES

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.spec import Target
    from ..plan import Plan


def tables_of(
    target: Target | None, frame: pd.DataFrame, plan: Plan
) -> Iterator[tuple[Target, pd.DataFrame]]:
    """Yield what each protocol's report is made from, for one evaluation after the other.

    The first report bears the target's own name; the others' names, titles and labels have the
    protocol and the evaluation behind it: ``table1.html``, ``table1_overlap.html``.

    Parameters
    ----------
    target
        The published table; None for a grid that none asks for.
    frame
        A row per planned cell, of all protocols and evaluations.
    """
    from ...tables.generic import generic_target

    for evaluation in plan.grid.evaluations:
        for index, (protocol_id, name) in enumerate(protocol_names(plan).items()):
            chosen = (frame["protocol"] == protocol_id) & (frame["evaluation"] == evaluation)
            rows = frame.loc[chosen].reset_index(drop=True)
            own = target or generic_target(rows)
            if index:
                own = named(own, name, name)
            yield evaluated(own, evaluation), rows


def evaluated(target: Target, evaluation: str) -> Target:
    """Say in a target's heading and caption how its results were evaluated; as usual: nothing."""
    if evaluation not in TITLES:
        return target
    own = named(target, SHORT_NAMES[evaluation], TITLES[evaluation])
    return replace(own, caption=f"{target.caption} {EXPLANATIONS[evaluation]}")


def named(target: Target, suffix: str, title: str) -> Target:
    """Return a target under a name of its own: with a suffix, and a title in parentheses."""
    return replace(
        target,
        name=f"{target.name}_{suffix}",
        title=f"{target.title} ({title})",
        layout=replace(target.layout, label=f"{target.layout.label}-{suffix}"),
    )


def protocol_names(plan: Plan) -> dict[str, str]:
    """Return protocol id → short name: its bare name, with all parameters where two share it."""
    bare = [protocol.name for protocol in plan.protocols]
    return {
        protocol.protocol_id: protocol.name
        if bare.count(protocol.name) == 1
        else protocol.protocol_id
        for protocol in plan.protocols
    }
