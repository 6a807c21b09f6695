"""One table per noise protocol of a run: results of two protocols are never averaged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.spec import Target
    from ..plan import Plan


def tables_of(
    target: Target | None, frame: pd.DataFrame, plan: Plan
) -> Iterator[tuple[Target, pd.DataFrame]]:
    """Yield what each protocol's report is made from.

    The first protocol's report bears the target's own name; the others' names, titles and labels
    have the protocol behind it: ``table1.html``, ``table1_overlap.html``.

    Parameters
    ----------
    target
        The published table; None for a grid that none asks for.
    frame
        A row per planned cell, of all protocols.
    """
    from ...tables.generic import generic_target

    for index, (protocol_id, name) in enumerate(protocol_names(plan).items()):
        rows = frame.loc[frame["protocol"] == protocol_id].reset_index(drop=True)
        own = target or generic_target(rows)
        if index:
            own = replace(
                own,
                name=f"{own.name}_{name}",
                title=f"{own.title} ({name})",
                layout=replace(own.layout, label=f"{own.layout.label}-{name}"),
            )
        yield own, rows


def protocol_names(plan: Plan) -> dict[str, str]:
    """Return protocol id → short name: its bare name, with all parameters where two share it."""
    bare = [protocol.name for protocol in plan.protocols]
    return {
        protocol.protocol_id: protocol.name
        if bare.count(protocol.name) == 1
        else protocol.protocol_id
        for protocol in plan.protocols
    }
