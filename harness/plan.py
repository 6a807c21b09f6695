"""From a grid to the cells it needs: images scanned, noise drawn, keys computed, nothing run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.types import Category, Dataset
from .evaluations import evaluations_of, left_out
from .feasible import Outlook, feasible, noise_protocols
from .grid import Grid, MethodPlan, check_names, plan_methods
from .planned import MethodPart, Place, PlannedCell, plan_cells, planned_row, samples_of
from .scorecells import add_scores, without_mapless
from .selection import chosen_categories, missing_categories, open_datasets, without_absent
from .store import Record, Status, Store
from .task import Sample
from .tuning import PlannedTuning, TuningTask, add_tunings, pending_tunings

if TYPE_CHECKING:
    import pandas as pd

    from ..datasets.manifest import Manifest
    from ..datasets.noise import NoiseProtocol, NoisyDraw


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cells of a grid, in the order of the grid's axes.

    Attributes
    ----------
    protocols
        The protocols with all parameters, in the grid's order, none twice.
    cells
        Two of them have one key where two of the grid's methods come to the same settings.
    tunings
        What some cells need to have run before them.
    notes
        Where a level is given in another way than asked, e.g. with a smaller training set.
    warnings
        What the scan or the draw found that does not stop the run.
    """

    grid: Grid
    methods: tuple[MethodPlan, ...]
    protocols: tuple[NoiseProtocol, ...]
    datasets: tuple[Dataset, ...]
    cells: tuple[PlannedCell, ...]
    tunings: tuple[PlannedTuning, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def synthetic(self) -> bool:
        """Whether any dataset is drawn instead of photographed."""
        return any(dataset.synthetic for dataset in self.datasets)

    @property
    def distinct(self) -> tuple[PlannedCell, ...]:
        """The first cell of each key: what there is to run."""
        first: dict[str, PlannedCell] = {}
        for cell in self.cells:
            first.setdefault(cell.key, cell)
        return tuple(first.values())

    def records(self, store: Store) -> Iterator[tuple[PlannedCell, Record]]:
        """Yield every cell with what the store holds about it."""
        for cell in self.cells:
            yield cell, store.read(cell.key)

    def pending(
        self,
        store: Store,
        *,
        with_maps: bool = False,
        known: Mapping[str, Status] | None = None,
        damaged: Callable[[Record], None] = lambda _record: None,
    ) -> list[PlannedCell]:
        """Return the cells without a valid result; ``with_maps`` wants stored maps too.

        What is ``known`` of the store, e.g. by its index, is believed; without, cells are read, and
        ``damaged`` is called with what is said of each whose files are not to be believed.
        """

        def done(key: str) -> bool:
            if known is not None:
                return known.get(key) is Status.DONE
            record = store.read(key)
            if record.status is Status.DAMAGED:
                damaged(record)
            return record.status is Status.DONE

        return [
            cell
            for cell in self.distinct
            if not done(cell.key) or (with_maps and cell.lacks_maps(store))
        ]

    def pending_tunings(
        self, store: Store, pending: Iterable[PlannedCell], device: str
    ) -> list[TuningTask]:
        """Return the tunings that these cells need and the store lacks."""
        return pending_tunings(self.tunings, pending, store, device)

    def frame(self, store: Store) -> pd.DataFrame:
        """Return one tidy row per planned cell, whether done or not."""
        from .frames import to_frame

        return to_frame([planned_row(cell, record) for cell, record in self.records(store)])


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
        False makes a plan also where weights, or all files of scores, cannot be had; its keys are
        then of no use.
    progress
        Called with a fraction and a text while images are scanned.

    Raises
    ------
    UsageError
        Anything that cannot be had: method, dataset, category, weights, noise level; a corrupt
        image or mask stops the plan, it is never skipped.
    """
    from ..datasets.manifest import Severity

    protocols = noise_protocols(grid)
    check_names(grid)
    datasets = open_datasets(grid, data_root)
    methods = plan_methods(grid, need_weights=need_weights)
    seen = [Outlook(grid, p, feasible(grid, datasets, p)) for p in protocols]
    for outlook in seen:
        outlook.raise_if_impossible()
    cells: list[PlannedCell] = []
    left_out(methods, grid.evaluations)  # what can be refused without a look at images is
    warnings = [*missing_categories(grid, datasets), *without_absent(grid, data_root)]
    parts = [
        MethodPart.of(method, evaluation)
        for method in methods
        for evaluation in evaluations_of(method, grid.evaluations)
    ]
    for dataset in datasets:
        names = chosen_categories(grid, dataset)
        manifest = _scan(dataset, names, cache, workers, progress)
        warnings += [f"{dataset.name}: {p.line()}" for p in manifest.of(Severity.WARNING)]
        for name in names:
            category = dataset.category(name)
            known: dict[Any, Sample] = {}
            own = {"paper_target": grid.target, "synthetic": dataset.synthetic}
            for drawn, seed in _draws(grid, category, protocols, manifest, warnings):
                images = samples_of(drawn, manifest, known)
                cells += plan_cells(parts, Place.of(category, drawn, seed, images, own))
    tuned, tunings = add_tunings(cells)
    complete, lacking = add_scores(tuned, protocols, need_files=need_weights)
    complete, mapless = without_mapless(complete)
    warnings = [*left_out(methods, grid.evaluations, mapless), *warnings]
    return Plan(
        grid=grid,
        methods=methods,
        protocols=protocols,
        datasets=datasets,
        cells=complete,
        tunings=tunings,
        notes=_notes(seen),
        warnings=tuple(dict.fromkeys([*warnings, *lacking])),
    )


def _notes(seen: list[Outlook]) -> tuple[str, ...]:
    """Return what the levels alone would not give; by protocol, where it is not true of all."""
    common = [note for note in seen[0].notes if all(note in one.notes for one in seen)]
    own = [
        f"{one.protocol.protocol_id}: {note}"
        for one in seen
        for note in one.notes
        if note not in common
    ]
    return tuple(dict.fromkeys([*common, *own]))


def _draws(
    grid: Grid,
    category: Category,
    protocols: tuple[NoiseProtocol, ...],
    manifest: Manifest,
    warnings: list[str],
) -> Iterator[tuple[NoisyDraw, int]]:
    """Yield every draw of a category with its seed, proved free of leaks; add what is strange.

    Protocols come last: two of them may train on the same images, and then are fitted once.
    """
    from ..datasets.noise import Orders, draw, identical_train_test, leak_check

    # By pixels, not bytes: a re-encoded twin leaks just as much.
    refs = (*category.train, *category.test)
    hashes = {ref.id: manifest.record(ref.path).pixels for ref in refs}
    orders = [Orders.of(category, seed) for seed in range(grid.seeds)]
    for level in grid.noise:
        for seed in range(grid.seeds):
            for protocol in protocols:
                drawn = draw(category, level, seed, protocol, orders[seed])
                leak_check(drawn, hashes)
                twins = identical_train_test(drawn, hashes)
                warnings += [f"{category.dataset}: {a} (train) = {b} (test)" for a, b in twins]
                yield drawn, seed


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
