"""Which datasets and categories a grid asks for, and which of them lie on disk."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from ..datasets.errors import UnknownNameError, UsageError
from ..datasets.types import Dataset
from .grid import Grid


def listed_categories(grid: Grid) -> tuple[str, ...]:
    """Return the categories of the grid's datasets that are known without a look at the disk.

    They are those of the target's table, else all that the catalogue lists; one's own images have
    none.
    """
    names = dict.fromkeys(text.partition("=")[0] for text in grid.datasets)
    return tuple(c for name in names for c in grid.expected.get(name) or _published(name))


def not_needed(grid: Grid, data_root: Path | None) -> tuple[str, ...]:
    """Return the datasets that are not on disk and of which ``--categories`` takes nothing.

    What they have is the catalogue's word. Where that leaves none, all are needed.
    """
    if grid.categories is None:
        return ()
    found = tuple(text for text in grid.datasets if _is_spare(grid, text, data_root))
    return found if len(found) < len(grid.datasets) else ()


def _is_spare(grid: Grid, text: str, data_root: Path | None) -> bool:
    from ..datasets.catalog import dataset_info, locate, parse_dataset_spec

    name, path = parse_dataset_spec(text)
    info, listed = dataset_info(name), set(_published(name))
    wanted = not listed or not listed.isdisjoint(grid.categories or ())
    return not (wanted or path or info.synthetic or locate(info, data_root))


def without_absent(grid: Grid, data_root: Path | None) -> list[str]:
    """Return one line per dataset that `not_needed` leaves out."""
    from ..datasets.catalog import dataset_info

    return [
        f"{dataset_info(name).title} is not on disk, and not needed: none of its categories is "
        "asked for"
        for name in not_needed(grid, data_root)
    ]


def _published(name: str) -> tuple[str, ...]:
    """Return the categories that the catalogue lists of a dataset, or that can be drawn of it."""
    from ..datasets.catalog import dataset_info, synthetic_categories

    info = dataset_info(name)
    return synthetic_categories(info.layout) if info.synthetic else tuple(info.counts)


def open_datasets(grid: Grid, data_root: Path | None) -> tuple[Dataset, ...]:
    """Open the grid's datasets; ``--categories`` must name categories that some dataset has.

    One that is absent and not needed is left out, see `not_needed`.
    """
    from ..datasets.catalog import open_dataset

    absent = not_needed(grid, data_root)
    found = tuple(
        open_dataset(text, data_root, categories=_to_draw(grid, text))
        for text in grid.datasets
        if text not in absent and _to_draw(grid, text) != ()
    )
    names = [dataset.name for dataset in found]
    if len(set(names)) < len(names):
        raise UsageError(f"--datasets {','.join(grid.datasets)}: the same dataset twice")
    known = {category for dataset in found for category in dataset.categories}
    for name in grid.categories or ():
        if name not in known:
            unopened = {text.partition("=")[0] for text in grid.datasets}.difference(names)
            _refuse(name, known.union(*map(_published, unopened)), found)
    return tuple(dataset for dataset in found if chosen_categories(grid, dataset))


def _refuse(name: str, known: set[str], datasets: tuple[Dataset, ...]) -> NoReturn:
    """Tell a category that is not on disk from one that does not exist."""
    from ..datasets.catalog import dataset_info

    for dataset in datasets:
        if name in dataset_info(dataset.name).counts:
            raise UsageError(
                f"category '{name}' of {dataset.name} is not on disk; there are "
                f"{', '.join(dataset.categories)}"
            )
    raise UnknownNameError("category", name, known)


def missing_categories(grid: Grid, datasets: tuple[Dataset, ...]) -> list[str]:
    """Return one line per dataset that lacks categories which the target's table has rows for."""
    lines = []
    for dataset in datasets:
        rows = grid.expected.get(dataset.name, ())
        wanted = [name for name in rows if grid.wants(dataset.name, name)]
        missing = [name for name in wanted if name not in dataset.categories]
        if missing:
            count = f"{len(missing)} of {len(wanted)} categories"
            lines.append(f"{dataset.name}: {count} are not on disk: {', '.join(missing)}")
    return lines


def _to_draw(grid: Grid, text: str) -> tuple[str, ...] | None:
    """Return the categories to draw of a synthetic dataset; None where nothing is drawn."""
    from ..datasets.catalog import dataset_info, parse_dataset_spec, synthetic_categories

    info = dataset_info(parse_dataset_spec(text)[0])
    if not info.synthetic:
        return None
    return tuple(c for c in synthetic_categories(info.layout) if grid.wants(info.name, c))


def chosen_categories(grid: Grid, dataset: Dataset) -> tuple[str, ...]:
    """Return the categories of a dataset that the grid asks for, in the dataset's order."""
    return tuple(c for c in dataset.categories if grid.wants(dataset.name, c))
