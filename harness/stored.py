"""The results in a store that belong to a grid, found without images: by what was asked for.

A plan knows its cells' keys because it has hashed every image. Where there are no images, as in a
checking job or beside a bundle, a cell belongs to the grid when its key document asks for the same
thing. Where a store holds several results for one place, the reasons are told, never averaged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .feasible import noise_protocols
from .frames import SHORT, record_row, to_frame
from .grid import Grid, MethodPlan
from .progress import plural
from .store import Record, Status, Store

if TYPE_CHECKING:
    import pandas as pd

_PLACE = ("dataset", "category", "noise", "seed")
_WORDS = {
    "images": "image lists",
    "weights": "weights",
    "tuning": "tunings",
    "method": "sources",
    "scores": "score files",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One stored cell that a method of the grid owns.

    ``method`` is the grid's name for it, with the variant; ``smoothing_sigma`` what the method
    declares with the grid's settings.
    """

    method: str
    record: Record
    smoothing_sigma: float | None

    @property
    def place(self) -> tuple[Any, ...]:
        """Method, dataset, category, noise and seed."""
        cell = (self.record.document or {})["cell"]
        return (self.method, *(cell[name] for name in _PLACE))

    @property
    def identity(self) -> tuple[str, str]:
        """Method and key: a record may serve several names."""
        return (self.method, self.record.key)

    @property
    def hashes(self) -> Mapping[str, str]:
        """Content hashes of the key."""
        return (self.record.document or {})["hashes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What a store holds of a grid.

    Attributes
    ----------
    found
        A cell per place, done or failed.
    others
        Readable cells at the grid's places that were made differently.
    left_out
        Cells that the grid asks for, of an earlier source or another tuning than those found.
    notes
        What was left out and why, a sentence each.
    """

    found: tuple[Found, ...]
    others: tuple[Record, ...]
    left_out: tuple[Found, ...]
    notes: tuple[str, ...]

    def frame(self) -> pd.DataFrame:
        """Return one tidy row per found cell, under the grid's method names."""
        return to_frame(
            [
                # A cell that was made before results kept their smoothing was smoothed as now.
                {"smoothing_sigma": one.smoothing_sigma}
                | record_row(one.record)
                | {"method": one.method}
                for one in self.found
            ]
        )


def stored_cells(
    store: Store, grid: Grid, methods: Sequence[MethodPlan], protocol: str, evaluation: str
) -> Stored:
    """Find the cells of a grid in a store.

    Parameters
    ----------
    store
        The store; nothing in it is changed.
    grid
        Datasets, levels, categories and seeds; of its protocols and evaluations one each.
    methods
        The grid's methods, from `plan_methods`.
    protocol, evaluation
        Full names, as in key documents.

    Raises
    ------
    UsageError
        Two results for one place that neither today's source nor a common tuning tells apart, or
        results of several earlier sources of a method and none of today's.
    """
    mine: list[Found] = []
    others: list[Record] = []
    damaged = 0
    for key in store:
        record = store.read(key)
        if record.status is Status.DAMAGED:
            damaged += 1
        if not record.document or record.status not in {Status.DONE, Status.FAILED}:
            continue
        cell = record.document["cell"]
        if not _at_place(cell, grid):
            continue
        right = cell["protocol"] == protocol and cell["evaluation"] == evaluation
        owners = [method for method in methods if right and _owns(method, cell)]
        mine += [
            Found(method=method.name, record=record, smoothing_sigma=method.smoothing_sigma)
            for method in owners
        ]
        if not owners:
            others.append(record)
    notes = [f"{damaged} damaged cells of the store count as not there."] if damaged else []
    found = _of_one_source(mine, {m.name: m.source_sha256 for m in methods}, notes)
    found = _one_per_place(found, notes)
    kept = {one.identity for one in found}
    left_out = tuple(one for one in mine if one.identity not in kept)
    if others:
        notes.append(
            f"Left out: {plural(len(others), 'stored result')} of these places with other methods, "
            "settings, backbones, sizes, protocols or evaluations."
        )
    return Stored(found=tuple(found), others=tuple(others), left_out=left_out, notes=tuple(notes))


def _at_place(cell: Mapping[str, Any], grid: Grid) -> bool:
    dataset = str(cell["dataset"])
    names = {text.partition("=")[0] for text in grid.datasets}
    return (
        dataset in names
        and grid.wants(dataset, cell["category"])
        and cell["noise"] in grid.noise
        and cell["seed"] < grid.seeds
    )


def _owns(method: MethodPlan, cell: Mapping[str, Any]) -> bool:
    asked = (method.base, method.settings_json, method.backbone, method.image_size)
    return asked == tuple(cell[name] for name in ("method", "settings", "backbone", "image_size"))


def _of_one_source(
    found: Sequence[Found], sources: Mapping[str, str], notes: list[str]
) -> list[Found]:
    """Keep the results of one version of each method's source: today's where it has any."""
    kept: list[Found] = []
    for name in dict.fromkeys(one.method for one in found):
        own = [one for one in found if one.method == name]
        # Scores from files have no source; their files' hashes differ from cell to cell.
        versions = dict.fromkeys(source for one in own if (source := one.hashes.get("method")))
        today = sources[name]
        if today in versions:
            mine = [one for one in own if one.hashes.get("method") == today]
            if len(mine) < len(own):
                notes.append(
                    f"Left out: {plural(len(own) - len(mine), 'result')} of an earlier version of "
                    f"the source of {name}, as there are some of today's."
                )
            kept += mine
            continue
        short = " and ".join(source[:SHORT] for source in versions)
        if len(versions) > 1:
            raise UsageError(
                f"results of {name} by {len(versions)} earlier versions of its source ({short}) "
                "and none of today's: run it again, or leave it out with --methods"
            )
        if versions:
            notes.append(
                f"All {len(own)} results of {name} are of an earlier version of its source "
                f"({short}, today {today[:SHORT]}): run it again to have today's."
            )
        kept += own
    return kept


def _one_per_place(kept: Sequence[Found], notes: list[str]) -> list[Found]:
    """Choose where a place has several results: those of the larger tuning."""
    cover = Counter((one.method, one.hashes.get("tuning", "")) for one in kept)
    best: dict[tuple, int] = {}
    for one in kept:
        size = cover[one.method, one.hashes.get("tuning", "")]
        best[one.place] = max(best.get(one.place, 0), size)
    tuned = [
        one for one in kept if cover[one.method, one.hashes.get("tuning", "")] == best[one.place]
    ]
    if len(tuned) < len(kept):
        notes.append(
            f"Left out: {plural(len(kept) - len(tuned), 'result')} of tunings that cover fewer "
            "cells."
        )
    _refuse_two(tuned)
    return tuned


def _refuse_two(found: Iterable[Found]) -> None:
    seen: dict[tuple, Found] = {}
    for one in found:
        other = seen.setdefault(one.place, one)
        if other is not one:
            names = [n for n in _WORDS if one.hashes.get(n) != other.hashes.get(n)]
            method, dataset, category, noise, seed = one.place
            raise UsageError(
                f"two results for {method}/{dataset}/{category}/noise{noise:g}/seed{seed} with "
                f"other {' and '.join(_WORDS[n] for n in names)} ({other.record.key[:12]}, "
                f"{one.record.key[:12]}): keep them in stores of their own"
            )


def protocol_id(grid: Grid) -> str:
    """Return the full name of the one noise protocol of a grid.

    Raises
    ------
    UsageError
        The grid has several.
    """
    protocols = noise_protocols(grid)
    if len(protocols) != 1:
        names = ", ".join(protocol.name for protocol in protocols)
        raise UsageError(f"--protocol {names}: expected one at a time")
    return protocols[0].protocol_id
