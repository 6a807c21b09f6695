"""What the commands share that look at a target through a store, without images or training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...datasets.errors import UnknownNameError
from ..cell import canonical_json
from ..files import sha256
from ..frames import METRIC_COLUMNS
from ..grid import Grid, MethodPlan
from ..selection import listed_categories
from ..store import Record, Store
from ..stored import Stored, protocol_id, stored_cells
from .options import Options

if TYPE_CHECKING:
    from ...tables.model import MethodInfo
    from ...tables.spec import Target
    from ...tables.statistics.places import Asked
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

    target = load_target(name, options.papers)
    store = Store(options.store)
    grid = target_grid(target, options)
    _check_categories(grid, options, store)
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


def _check_categories(grid: Grid, options: Options, store: Store) -> None:
    """Refuse a category that was given and that neither the target nor the store knows.

    No image is asked: a category of one's own counts where the store has a cell of it.
    """
    known = set(listed_categories(grid))
    if known.issuperset(options.categories):
        return
    datasets = {text.partition("=")[0] for text in grid.datasets}
    cells = [(store.read(key).document or {}).get("cell", {}) for key in store]
    known |= {cell["category"] for cell in cells if cell.get("dataset") in datasets}
    for name in options.categories:
        # Of one's own images nothing may be known yet; then there is no result of any either.
        if known and name not in known:
            raise UnknownNameError("category", name, known)


def alternatives(opened: Opened) -> list[Alternative]:
    """Return all stored measurements at the target's places, each with how it differs."""
    from ...tables.verdicts.triage import Alternative
    from .inspect import differences

    found = []

    def add(method: str, record: Record, variation: str) -> None:
        cell, row = (record.document or {})["cell"], record.row or {}
        values = {n: v for n, v in row.items() if n in METRIC_COLUMNS and v is not None}
        place = {name: cell[name] for name in _PLACE}
        found.append(
            Alternative(
                method=method,
                variation=variation,
                values=values,
                version=_version(record),
                key=record.key,
                **place,
            )
        )

    today = {method.name: method.source_sha256 for method in opened.methods}
    for one in opened.stored.found:
        add(one.method, one.record, "")
    for one in opened.stored.left_out:
        other = one.hashes.get("method") != today[one.method]
        add(one.method, one.record, "an earlier source" if other else "another tuning")
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


_PLACE = ("dataset", "category", "noise", "seed")
# Hashes that all cells of one version share; those of images and score files are each cell's own.
_SHARED = ("method", "weights", "tuning")


def _version(record: Record) -> str:
    """Return a hash of what a cell was made with, but for its place and its images."""
    document = record.document or {}
    cell = {name: value for name, value in document["cell"].items() if name not in _PLACE}
    hashes = {name: document["hashes"].get(name) for name in _SHARED}
    return sha256(canonical_json({"cell": cell, "hashes": hashes}).encode())


def asked_of(opened: Opened) -> Asked:
    """Return what a target and the options ask for: methods, categories, levels and seeds."""
    from ...tables.statistics.places import Asked

    grid = opened.grid
    stored: dict[str, list[str]] = {}
    for one in opened.stored.found:
        _, dataset, category, _, _ = one.place
        stored.setdefault(dataset, []).append(category)
    categories = {}
    for name in (text.partition("=")[0] for text in grid.datasets):
        known = dict.fromkeys([*grid.expected.get(name, ()), *stored.get(name, ())])
        wanted = tuple(category for category in known if grid.wants(name, category))
        if wanted:
            categories[name] = wanted
    names = tuple(method.name for method in opened.methods)
    return Asked(
        methods=names,
        categories=categories,
        noise=tuple(sorted(grid.noise)),
        seeds=dict.fromkeys(names, grid.seeds),
    )


def scope_of(opened: Opened, options: Options) -> Scope:
    """Return which printed numbers the options ask for; nothing given asks for all."""
    return scope_in(opened.target, opened.grid, options)


def scope_in(target: Target, grid: Grid, options: Options) -> Scope:
    """Return the same of a target and the grid of its run."""
    from ...tables.verdicts.places import Scope

    given = {text.partition("=")[0] for text in grid.datasets}
    places = {
        (data.name, category)
        for data in target.run.datasets
        for name in {data.name, data.synthetic or data.name} & given
        for category in data.categories
        if grid.wants(name, category)
    }
    return Scope(
        methods=options.methods or None,
        noise=options.noise or None,
        places=frozenset(places) if options.categories or options.datasets else None,
    )
