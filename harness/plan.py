"""From a grid to the cells it needs: images scanned, noise drawn, keys computed, nothing run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.types import Category, Dataset, ImageRef
from . import metrics
from .cell import Cell, Identity, canonical_json
from .feasible import Outlook, feasible
from .files import sha256
from .grid import Grid, MethodPlan, check_names, plan_methods
from .run import Sample, Task
from .selection import chosen_categories, missing_categories, open_datasets
from .store import Record, Status, Store

if TYPE_CHECKING:
    import pandas as pd

    from ..datasets.manifest import Manifest
    from ..datasets.noise import NoisyDraw


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell with the images it trains and tests on."""

    identity: Identity
    method: MethodPlan
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    row: dict[str, Any]

    @property
    def key(self) -> str:
        """Return the cell's key."""
        return self.identity.key

    def lacks_maps(self, store: Store) -> bool:
        """Say whether the method localises but the store holds no maps of this cell."""
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
            row=self.row,
            store=store.absolute(),
            device=device,
            keep_maps=keep_maps,
            exclusive=exclusive,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cells of a grid, in the order of the grid's axes.

    Attributes
    ----------
    notes
        Where a level is given in another way than asked, e.g. with a smaller training set.
    warnings
        What the scan or the draw found that does not stop the run.
    """

    grid: Grid
    methods: tuple[MethodPlan, ...]
    datasets: tuple[Dataset, ...]
    cells: tuple[PlannedCell, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any dataset is drawn instead of photographed."""
        return any(dataset.synthetic for dataset in self.datasets)

    def records(self, store: Store) -> Iterator[tuple[PlannedCell, Record]]:
        """Yield every cell with what the store holds about it."""
        for cell in self.cells:
            yield cell, store.read(cell.key)

    def pending(self, store: Store, *, with_maps: bool = False) -> list[PlannedCell]:
        """Return the cells without a valid result; ``with_maps`` wants stored maps too."""
        return [
            cell
            for cell, record in self.records(store)
            if record.status is not Status.DONE or (with_maps and cell.lacks_maps(store))
        ]

    def frame(self, store: Store) -> pd.DataFrame:
        """Return one tidy row per planned cell, whether done or not."""
        from .frames import to_frame

        return to_frame([planned_row(cell, record) for cell, record in self.records(store)])


def planned_row(cell: PlannedCell, record: Record) -> dict[str, Any]:
    """Return the frame row of a planned cell."""
    status = Status.PENDING if record.status is Status.DAMAGED else record.status
    done = dict(record.row or {})
    # Names that are for people may have changed since the cell ran; today's are shown.
    return done | cell.row | {"status": status.value, "error": record.reason, "key": cell.key}


def make_plan(
    grid: Grid,
    *,
    data_root: Path | None,
    cache: Path | None,
    workers: int = 4,
    need_weights: bool = True,
    progress: Callable[[float, str], None] = lambda _fraction, _text: None,
) -> Plan:
    """Open and scan the datasets, draw the label noise and compute every key.

    Parameters
    ----------
    grid
        What to run, preset applied.
    data_root
        Folder that holds the datasets; None = ``$ADREPRO_DATA`` or ``./data``.
    cache
        Folder for the scan's memory of file hashes; None = none.
    workers
        Threads that decode images.
    need_weights
        False makes a plan also where weights cannot be had; its keys are then of no use.
    progress
        Called with a fraction and a text while images are scanned.

    Raises
    ------
    UsageError
        Anything that cannot be had: method, dataset, category, weights, noise level; a corrupt
        image or mask stops the plan, it is never skipped.
    """
    from ..datasets.manifest import Severity
    from ..datasets.noise import draw, identical_train_test, leak_check, parse_protocol

    protocol = parse_protocol(grid.protocol)
    check_names(grid)
    datasets = open_datasets(grid, data_root)
    methods = plan_methods(grid, need_weights=need_weights)
    cells: list[PlannedCell] = []
    seen = Outlook(grid=grid, rows=feasible(grid, datasets, protocol))
    seen.raise_if_impossible()
    warnings = missing_categories(grid, datasets)
    for dataset in datasets:
        names = chosen_categories(grid, dataset)
        manifest = _scan(dataset, names, cache, workers, progress)
        warnings += [f"{dataset.name}: {p.line()}" for p in manifest.of(Severity.WARNING)]
        for name in names:
            category = dataset.category(name)
            # By pixels, not bytes: a re-encoded twin leaks just as much.
            hashes = {
                ref.id: manifest.record(ref.path).pixels
                for ref in (*category.train, *category.test)
            }
            for level in grid.noise:
                for seed in range(grid.seeds):
                    drawn = draw(category, level, seed, protocol)
                    leak_check(drawn, hashes)
                    twins = identical_train_test(drawn, hashes)
                    warnings += [f"{dataset.name}: {a} (train) = {b} (test)" for a, b in twins]
                    images = _samples(drawn, manifest)
                    cells += [
                        _planned(grid, method, category, drawn, seed, images, dataset.synthetic)
                        for method in methods
                    ]
    return Plan(
        grid=grid,
        methods=methods,
        datasets=datasets,
        cells=tuple(cells),
        notes=tuple(seen.notes),
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _scan(
    dataset: Dataset,
    names: tuple[str, ...],
    cache: Path | None,
    workers: int,
    progress: Callable[[float, str], None],
) -> Manifest:
    from ..datasets.scan import scan

    manifest = scan(
        dataset,
        names,
        cache=cache / f"{dataset.name}.json" if cache else None,
        workers=workers,
        progress=lambda done, total: progress(done / max(1, total), dataset.name),
    )
    manifest.raise_if_broken()
    return manifest


def _samples(
    drawn: NoisyDraw, manifest: Manifest
) -> tuple[tuple[Sample, ...], tuple[Sample, ...], str]:
    """Return training and test samples and the hash of everything that is in them.

    Both are sorted by content hash: a method that depends on the order of its images must not
    learn from it which ones were injected.
    """
    injected = {ref.id for ref in drawn.injected}

    def sample(ref: ImageRef, *, masked: bool) -> Sample:
        mask = ref.mask_path if masked and ref.anomalous else None
        return Sample(
            id=ref.id,
            path=ref.path.absolute(),
            sha256=manifest.record(ref.path).sha256,
            anomalous=ref.anomalous,
            injected=ref.id in injected,
            mask_path=mask.absolute() if mask else None,
            mask_sha256=manifest.record(mask).sha256 if mask else "",
        )

    train = tuple(sorted((sample(r, masked=False) for r in drawn.train), key=_by_content))
    test = tuple(sorted((sample(r, masked=True) for r in drawn.test), key=_by_content))
    listed = {
        "train": [s.sha256 for s in train],
        "test": [[s.sha256, s.anomalous, s.mask_sha256] for s in test],
    }
    return train, test, sha256(canonical_json(listed).encode())


def _by_content(sample: Sample) -> tuple[str, str]:
    return (sample.sha256, sample.id)


def _planned(
    grid: Grid,
    method: MethodPlan,
    category: Category,
    drawn: NoisyDraw,
    seed: int,
    images: tuple[tuple[Sample, ...], tuple[Sample, ...], str],
    synthetic: bool,
) -> PlannedCell:
    train, test, images_sha256 = images
    cell = Cell(
        dataset=category.dataset,
        category=category.name,
        noise=float(drawn.level),
        protocol=drawn.protocol_id,
        seed=seed,
        method=method.name,
        settings=method.settings_json,
        backbone=method.backbone,
        image_size=method.image_size,
        evaluation=metrics.EVALUATION,
    )
    hashes = {
        "images": images_sha256,
        "method": method.source_sha256,
        "weights": method.weights_sha256,
    }
    anomalous = sum(sample.anomalous for sample in test)
    row = {
        "paper_target": grid.target,
        "dataset": cell.dataset,
        "category": cell.category,
        "noise": cell.noise,
        "noise_effective": 100.0 * drawn.effective,
        "protocol": cell.protocol,
        "seed": seed,
        "method": method.name,
        "backbone": method.backbone,
        "weights": method.weights_sha256,
        "image_size": method.image_size,
        "settings": method.settings_json,
        "evaluation": cell.evaluation,
        "synthetic": synthetic,
        "n_train": len(train),
        "n_train_noisy": sum(sample.injected for sample in train),
        "n_test_good": len(test) - anomalous,
        "n_test_anomalous": anomalous,
    }
    identity = Identity(cell=cell, hashes=hashes)
    return PlannedCell(identity=identity, method=method, train=train, test=test, row=row)
