"""A planned cell: its key, its images and what its row says before it has run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.types import Category, ImageRef
from .cell import Cell, Identity
from .frames import origin
from .grid import MethodPlan
from .store import Record, Status, Store
from .task import Sample, Task, image_list_sha256

if TYPE_CHECKING:
    from ..datasets.manifest import Manifest
    from ..datasets.noise import NoisyDraw
    from .scorecells import ScoreFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with the images it trains and tests on; ``scores`` is where they lie, if in a file."""

    identity: Identity
    method: MethodPlan
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    row: dict[str, Any]
    scores: ScoreFile | None = None

    @property
    def key(self) -> str:
        """Return the cell's key."""
        return self.identity.key

    @property
    def label(self) -> str:
        """Return a short human name, with the variant."""
        return self.identity.cell.label(self.method.name)

    def lacks_maps(self, store: Store) -> bool:
        """Say whether the method localises but the store holds no maps of this cell."""
        if self.scores is not None:
            return self.scores.has_maps and not store.has(self.key, "maps.npz")
        localises = self.method.cls(self.method.settings).localises
        return localises and not store.has(self.key, "maps.npz")

    def task(self, store: Path, device: str, *, keep_maps: bool, exclusive: bool) -> Task:
        """Return the work order for an engine."""
        return Task(
            identity=self.identity,
            method=self.method.name,
            settings=self.method.settings,
            backbone=self.method.spec,
            train=self.train,
            test=self.test,
            # A result serves every name that leads to the same settings: it keeps the base name.
            row=self.row | {"method": self.method.base},
            store=store.absolute(),
            device=device,
            keep_maps=keep_maps,
            exclusive=exclusive,
            scores=self.scores,
        )


def planned_row(cell: PlannedCell, record: Record) -> dict[str, Any]:
    """Return the frame row of a planned cell."""
    status = Status.PENDING if record.status is Status.DAMAGED else record.status
    done = dict(record.row or {})
    # Names that are for people may have changed since the cell ran; today's are shown.
    state = {"status": status.value, "error": record.reason, "key": cell.key}
    return done | cell.row | state | origin(cell.identity.hashes)


def samples_of(
    drawn: NoisyDraw, manifest: Manifest, known: dict[Any, Sample] | None = None
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], str]:
    """Return training and test samples and the hash of everything that is in them.

    Both are sorted by content hash: a method that depends on the order of its images must not
    learn from it which ones were injected. ``known`` keeps the samples of a category, which all
    its draws choose from.
    """
    injected = {ref.id for ref in drawn.injected}
    known = {} if known is None else known

    def sample(ref: ImageRef, *, masked: bool) -> Sample:
        asked = (ref.id, masked, ref.id in injected)
        if asked not in known:
            mask = ref.mask_path if masked and ref.anomalous else None
            known[asked] = Sample(
                id=ref.id,
                path=ref.path.absolute(),
                sha256=manifest.record(ref.path).sha256,
                anomalous=ref.anomalous,
                injected=ref.id in injected,
                mask_path=mask.absolute() if mask else None,
                mask_sha256=manifest.record(mask).sha256 if mask else "",
            )
        return known[asked]

    train = tuple(sorted((sample(r, masked=False) for r in drawn.train), key=_by_content))
    test = tuple(sorted((sample(r, masked=True) for r in drawn.test), key=_by_content))
    listed = ([_content(sample) for sample in samples] for samples in (train, test))
    return train, test, image_list_sha256(*listed)


def _content(sample: Sample) -> dict[str, Any]:
    # Of `Sample.document` what its hash is made from, for a quarter of the time.
    content, mask = sample.sha256, sample.mask_sha256
    return {"sha256": content, "anomalous": sample.anomalous, "mask_sha256": mask}


def _by_content(sample: Sample) -> tuple[str, str]:
    return (sample.sha256, sample.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPart:
    """What all cells of one method under one evaluation have in common.

    Attributes
    ----------
    method
        The method.
    evaluation
        Name of the evaluation protocol.
    row
        What the cells' rows say of both.
    """

    method: MethodPlan
    evaluation: str
    row: dict[str, Any]

    @classmethod
    def of(cls, method: MethodPlan, evaluation: str) -> MethodPart:
        """Return the part of a method under an evaluation."""
        row = {
            "method": method.name,
            "backbone": method.backbone,
            "weights": method.weights_sha256,
            "image_size": method.image_size,
            "smoothing_sigma": method.smoothing_sigma,
            "settings": method.settings_json,
            "evaluation": evaluation,
        }
        return cls(method=method, evaluation=evaluation, row=row)


def plan_cells(
    parts: Iterable[MethodPart],
    category: Category,
    drawn: NoisyDraw,
    seed: int,
    images: tuple[tuple[Sample, ...], tuple[Sample, ...], str],
    row: Mapping[str, Any],
) -> list[PlannedCell]:
    """Return the cells of methods on drawn images, with their keys and what their rows say of them.

    Parameters
    ----------
    parts
        A cell for each.
    images
        As `samples_of` returns them.
    row
        What all rows say besides, e.g. ``synthetic``.
    """
    train, test, images_sha256 = images
    anomalous = sum(sample.anomalous for sample in test)
    noise, protocol = float(drawn.level), drawn.protocol_id
    place = {
        **row,
        "dataset": category.dataset,
        "category": category.name,
        "noise": noise,
        "noise_effective": 100.0 * drawn.effective,
        "protocol": protocol,
        "seed": seed,
        "n_train": len(train),
        "n_train_noisy": sum(sample.injected for sample in train),
        "n_test_good": len(test) - anomalous,
        "n_test_anomalous": anomalous,
    }
    cells = []
    for part in parts:
        method = part.method
        cell = Cell(
            dataset=category.dataset,
            category=category.name,
            noise=noise,
            protocol=protocol,
            seed=seed,
            method=method.base,
            settings=method.settings_json,
            backbone=method.backbone,
            image_size=method.image_size,
            evaluation=part.evaluation,
        )
        hashes = {
            "images": images_sha256,
            "method": method.source_sha256,
            "weights": method.weights_sha256,
        }
        identity = Identity(cell=cell, hashes=hashes)
        cells.append(
            PlannedCell(
                identity=identity, method=method, train=train, test=test, row=place | part.row
            )
        )
    return cells
