"""A planned cell: its key, its images and what its row says before it has run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.types import Category, ImageRef
from .cell import Cell, Identity, filled_key, key_form, key_of, texts_of
from .frames import origin
from .grid import MethodPlan
from .store import Record, Status, Store
from .task import Sample, Task, lists_sha256

if TYPE_CHECKING:
    from ..datasets.manifest import Manifest
    from ..datasets.noise import NoisyDraw
    from .scorecells import ScoreFile


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with the images it trains and tests on.

    It holds its key and what it shares with other cells; the rest is put together when it is asked
    for, as a grid may have 100,000 cells of which few are to run.

    Attributes
    ----------
    part, place
        What all cells of its method, and all cells on its images, have in common.
    key
        The cell's key.
    hashes
        Of its identity: name → sha256.
    scores
        Where its scores lie, if in a file.
    """

    part: MethodPart
    place: Place
    key: str
    hashes: Mapping[str, str]
    scores: ScoreFile | None = None

    @property
    def method(self) -> MethodPlan:
        """Return its method."""
        return self.part.method

    @property
    def train(self) -> tuple[Sample, ...]:
        """Return the training images."""
        return self.place.train

    @property
    def test(self) -> tuple[Sample, ...]:
        """Return the test images."""
        return self.place.test

    @property
    def row(self) -> dict[str, Any]:
        """Return what its row says before it has run."""
        return self.place.row | self.part.row

    @property
    def cell(self) -> Cell:
        """Return what is asked for, in names and numbers."""
        return Cell(**self.place.fields, **self.part.fields)

    @property
    def identity(self) -> Identity:
        """Return the cell with its hashes."""
        return Identity(cell=self.cell, hashes=self.hashes)

    @property
    def label(self) -> str:
        """Return a short human name, with the variant."""
        return self.cell.label(self.method.name)

    def with_hashes(
        self, hashes: Mapping[str, str], scores: ScoreFile | None = None
    ) -> PlannedCell:
        """Return the cell with other hashes, and hence another key."""
        key = key_of(self.place.texts | self.part.texts, texts_of(hashes))
        scores = scores or self.scores
        return PlannedCell(part=self.part, place=self.place, key=key, hashes=hashes, scores=scores)

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

    train = tuple(sorted([sample(r, masked=False) for r in drawn.train], key=_by_content))
    test = tuple(sorted([sample(r, masked=True) for r in drawn.test], key=_by_content))
    tested = [[each.sha256, each.anomalous, each.mask_sha256] for each in test]
    return train, test, lists_sha256([each.sha256 for each in train], tested)


_by_content = attrgetter("sha256", "id")


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodPart:
    """What all cells of one method under one evaluation have in common.

    Attributes
    ----------
    method
        The method.
    fields
        Its share of the fields of a `Cell`; ``texts`` is what `cell.texts_of` makes of it.
    hashes
        Its share of the hashes.
    form
        Of its cells' keys: what is open is in `Place.open_texts`.
    row
        What the cells' rows say of both.
    """

    method: MethodPlan
    fields: dict[str, Any]
    texts: dict[str, str]
    hashes: dict[str, str]
    form: str
    row: dict[str, Any]

    @classmethod
    def of(cls, method: MethodPlan, evaluation: str) -> MethodPart:
        """Return the part of a method under an evaluation."""
        shared = {
            "settings": method.settings_json,
            "backbone": method.backbone,
            "image_size": method.image_size,
            "evaluation": evaluation,
        }
        fields = {"method": method.base, **shared}
        row = {
            "method": method.name,
            "weights": method.weights_sha256,
            "smoothing_sigma": method.smoothing_sigma,
            **shared,
        }
        hashes = {"method": method.source_sha256, "weights": method.weights_sha256}
        texts = texts_of(fields)
        return cls(
            method=method,
            fields=fields,
            texts=texts,
            hashes=hashes,
            form=key_form(texts, texts_of(hashes), ["images"]),
            row=row,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What all cells on one draw of images have in common.

    Attributes
    ----------
    train, test, images_sha256
        As `samples_of` returns them.
    fields
        Its share of the fields of a `Cell`; ``texts`` is what `cell.texts_of` makes of it.
    open_texts
        What it fills into `MethodPart.form`.
    row
        What the cells' rows say of it.
    """

    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    images_sha256: str
    fields: dict[str, Any]
    texts: dict[str, str]
    open_texts: tuple[str, ...]
    row: dict[str, Any]

    @classmethod
    def of(
        cls,
        category: Category,
        drawn: NoisyDraw,
        seed: int,
        images: tuple[tuple[Sample, ...], tuple[Sample, ...], str],
        row: Mapping[str, Any],
    ) -> Place:
        """Return the place of a draw; ``row`` is what all rows say besides, e.g. ``synthetic``."""
        train, test, images_sha256 = images
        anomalous = sum(sample.anomalous for sample in test)
        fields = {
            "dataset": category.dataset,
            "category": category.name,
            "noise": float(drawn.level),
            "protocol": drawn.protocol_id,
            "seed": seed,
        }
        counts = {
            "noise_effective": 100.0 * drawn.effective,
            "n_train": len(train),
            "n_train_noisy": sum(sample.injected for sample in train),
            "n_test_good": len(test) - anomalous,
            "n_test_anomalous": anomalous,
        }
        texts = texts_of(fields)
        own = [texts[name] for name in sorted(texts)]
        return cls(
            train=train,
            test=test,
            images_sha256=images_sha256,
            fields=fields,
            texts=texts,
            open_texts=(*own, *texts_of({"images": images_sha256}).values()),
            row={**row, **fields, **counts},
        )


def plan_cells(parts: Iterable[MethodPart], place: Place) -> list[PlannedCell]:
    """Return a cell of each method on drawn images, with its key."""
    images = {"images": place.images_sha256}
    return [
        PlannedCell(
            part=part,
            place=place,
            key=filled_key(part.form, place.open_texts),
            hashes=images | part.hashes,
        )
        for part in parts
    ]
