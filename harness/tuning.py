"""Plan the tunings that cells need: once per method, dataset and noise level.

A tuning sees the training images that the grid's categories of one dataset draw for seed 0 at one
noise level, all categories together. Noise protocols that draw the same training images share it.
Only a method that asks for it by `Method.wants_oracle` also sees test images and labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from .cell import Identity
from .store import Store
from .task import Sample
from .tuned import SCHEMA, read_tuned, tuning_key

if TYPE_CHECKING:
    from .planned import PlannedCell


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningImages:
    """The images of one category that a tuning sees; ``test`` is empty unless it is an oracle."""

    category: str
    train: tuple[Sample, ...]
    test: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTuning:
    """A tuning that cells of a plan need.

    Attributes
    ----------
    document
        Everything its choice depends on; the key is its hash.
    method, settings, backbone
        As the cells have them: name, instance of ``Settings``, backbone specification or None.
    images
        One per category, sorted by name.
    """

    document: Mapping[str, Any]
    method: str
    settings: Any
    backbone: Any
    images: tuple[TuningImages, ...]

    @property
    def key(self) -> str:
        """Return the key that the cells carry as ``hashes["tuning"]``."""
        return tuning_key(self.document)

    @property
    def label(self) -> str:
        """Return a short human name."""
        return f"tuning {self.method}/{self.document['dataset']}/noise{self.document['noise']:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningTask:
    """Everything a worker needs to run one tuning.

    Attributes
    ----------
    identities
        The cells that wait for it and fail with it.
    exclusive
        Whether nothing else runs beside it.
    """

    planned: PlannedTuning
    identities: tuple[Identity, ...]
    store: Path
    device: str
    exclusive: bool = False

    crash_phase: ClassVar[str] = "tune"

    @property
    def label(self) -> str:
        """Return a short human name."""
        return self.planned.label

    @property
    def backbone(self) -> Any:
        """Return the backbone specification, or None."""
        return self.planned.backbone


def add_tunings(
    cells: Sequence[PlannedCell],
) -> tuple[tuple[PlannedCell, ...], tuple[PlannedTuning, ...]]:
    """Find the tunings that planned cells need.

    Parameters
    ----------
    cells
        All cells of a plan; seed 0 of every category and level is among them.

    Returns
    -------
    tuple
        The same cells, those that want tuning with its key among their hashes; and the tunings,
        each once.
    """
    groups: dict[tuple[Any, ...], list[PlannedCell]] = {}
    wanting = _wanting(cells)
    for planned in cells:
        if id(planned.method) in wanting:
            groups.setdefault(_group(planned), []).append(planned)
    keys: dict[tuple[Any, ...], str] = {}
    found: dict[str, PlannedTuning] = {}
    for group, members in groups.items():
        tuning = _planned([p for p in members if p.cell.seed == 0])
        found.setdefault(tuning.key, tuning)
        keys[group] = tuning.key
    complete = (_with_key(p, keys[_group(p)]) if id(p.method) in wanting else p for p in cells)
    return tuple(complete), tuple(found.values())


def _wanting(cells: Iterable[PlannedCell]) -> set[int]:
    """Return which methods want tuning; each is asked once, not for every cell."""
    methods = {id(planned.method): planned.method for planned in cells}
    return {place for place, m in methods.items() if m.cls(m.settings).wants_tuning()}


def _group(planned: PlannedCell) -> tuple[Any, ...]:
    """Return what the cells of one tuning have in common, under one protocol."""
    cell, hashes = planned.cell, planned.hashes
    of_method = (cell.method, cell.settings, cell.backbone, cell.image_size)
    by_hash = (hashes["method"], hashes["weights"])
    return (*of_method, *by_hash, cell.dataset, cell.noise, cell.protocol)


def _with_key(planned: PlannedCell, key: str) -> PlannedCell:
    return planned.with_hashes({**planned.hashes, "tuning": key})


def _planned(members: Sequence[PlannedCell]) -> PlannedTuning:
    """Return the tuning of the seed-0 cells of one group."""
    method, identity = members[0].method, members[0].identity
    oracle = method.cls(method.settings).wants_oracle()
    by_category = {p.cell.category: p for p in members}
    images = tuple(
        TuningImages(category=name, train=p.train, test=p.test if oracle else ())
        for name, p in sorted(by_category.items())
    )
    document = {
        "schema": SCHEMA,
        "method": identity.cell.method,
        "settings": identity.cell.settings,
        "source": identity.hashes["method"],
        "backbone": identity.cell.backbone,
        "weights": identity.hashes["weights"],
        "image_size": identity.cell.image_size,
        "dataset": identity.cell.dataset,
        "noise": identity.cell.noise,
        "oracle": oracle,
        "categories": {
            seen.category: {
                "train": [sample.sha256 for sample in seen.train],
                "test": [[sample.sha256, sample.anomalous] for sample in seen.test],
            }
            for seen in images
        },
    }
    return PlannedTuning(
        document=document,
        method=method.name,
        settings=method.settings,
        backbone=method.spec,
        images=images,
    )


def pending_tunings(
    tunings: Iterable[PlannedTuning], cells: Iterable[PlannedCell], store: Store, device: str
) -> list[TuningTask]:
    """Return the work orders of the tunings that these cells need and the store lacks."""
    waiting: dict[str, dict[str, Identity]] = {}
    for cell in cells:
        key = cell.hashes.get("tuning")
        if key is not None:
            waiting.setdefault(key, {})[cell.key] = cell.identity
    return [
        TuningTask(
            planned=tuning,
            identities=tuple(waiting[tuning.key].values()),
            store=store.root.absolute(),
            device=device,
        )
        for tuning in tunings
        if tuning.key in waiting and read_tuned(store, tuning.key) is None
    ]
