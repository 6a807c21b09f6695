"""What the commands share that look at a target through a store, without images or training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..frames import METRIC_COLUMNS
from ..grid import Grid, MethodPlan
from ..store import Record, Store
from ..stored import Stored, protocol_id, stored_cells
from .options import Options

if TYPE_CHECKING:
    from ...tables.model import MethodInfo
    from ...tables.spec import Target
    from ...tables.verdicts.places import Scope
    from ...tables.verdicts.triage import Alternative


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A target with what a store holds of it."""

    target: Target
    grid: Grid
    methods: tuple[MethodPlan, ...]
    store: Store
    stored: Stored
    protocol: str
    evaluation: str

    @property
    def infos(self) -> tuple[MethodInfo, ...]:
        """What tables say about the methods."""
        from .show import method_info

        return tuple(method_info(method) for method in self.methods)


def open_target(name: str, options: Options) -> Opened:
    """Find the cells of a target in a store.

    Raises
    ------
    UsageError
        Unknown names, several protocols at once, or two results for one place.
    """
    from ...tables.papers import load_target
    from ..grid import plan_methods
    from .run import target_grid

    store = Store(options.store)
    target = load_target(name, options.papers)
    grid = target_grid(target, options)
    protocol, evaluation = protocol_id(grid), grid.evaluations[-1]
    methods = plan_methods(grid, need_weights=False)
    return Opened(
        target=target,
        grid=grid,
        methods=methods,
        store=store,
        stored=stored_cells(store, grid, methods, protocol, evaluation),
        protocol=protocol,
        evaluation=evaluation,
    )


def alternatives(opened: Opened) -> list[Alternative]:
    """Return all stored measurements at the target's places, each with how it differs."""
    from ...tables.verdicts.triage import Alternative
    from .inspect import differences

    found = []

    def add(method: str, record: Record, variation: str) -> None:
        cell, row = (record.document or {})["cell"], record.row or {}
        values = {n: v for n, v in row.items() if n in METRIC_COLUMNS and v is not None}
        place = {name: cell[name] for name in ("dataset", "category", "noise", "seed")}
        found.append(Alternative(method=method, variation=variation, values=values, **place))

    for one in opened.stored.found:
        add(one.method, one.record, "")
    for record in opened.stored.others:
        document = record.document or {}
        for method in opened.methods:
            if method.base == document["cell"]["method"]:
                asked = dict(document["cell"]) | {
                    "protocol": opened.protocol,
                    "evaluation": opened.evaluation,
                    "settings": method.settings_json,
                    "backbone": method.backbone,
                    "image_size": method.image_size,
                }
                same_hashes = {"schema": document["schema"], "hashes": document["hashes"]}
                changes = differences(same_hashes | {"cell": asked}, document)
                add(method.name, record, "; ".join(changes))
    return found


def scope_of(opened: Opened, options: Options) -> Scope:
    """Return which printed numbers the options ask for; nothing given asks for all."""
    from ...tables.verdicts.places import Scope

    grid = opened.grid
    given = {text.partition("=")[0] for text in grid.datasets}
    places = {
        (data.name, category)
        for data in opened.target.run.datasets
        for name in {data.name, data.synthetic or data.name} & given
        for category in data.categories
        if grid.wants(name, category)
    }
    return Scope(
        methods=options.methods or None,
        noise=options.noise or None,
        places=frozenset(places) if options.categories or options.datasets else None,
    )
