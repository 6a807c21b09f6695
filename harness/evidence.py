"""The evidence behind a stored cell: scores and maps from the store, images from where they lie.

An image or a mask is only ever the one that was measured: its file must have the hash that the
cell's ``images.json`` keeps. Another one is never shown in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.errors import AdreproError
from ..datasets.images import ImageSet, load_mask
from ..datasets.verified import known_sha256
from ..reports.evidence import Evidence, EvidenceSource
from .cell import Cell
from .evaluations import PER_IMAGE_MINMAX
from .minmax import stretch
from .planned import PlannedCell
from .smoothing import upsample_and_smooth
from .store import Record, Status, Store

__all__ = ["Files", "evidence_source", "files_of_datasets", "files_of_plan"]

Files = Callable[[str, str, str], tuple[Path | None, Path | None]]
"""Dataset, category and image id → image file and mask file, None where there is none."""


def evidence_source(store: Store, files: Files | None = None) -> EvidenceSource:
    """Return what gives the evidence of a store's cells.

    Parameters
    ----------
    store
        The store; nothing in it is changed.
    files
        Where images and masks lie; None = nowhere. It is asked when an image is wanted.

    Returns
    -------
    EvidenceSource
        Its answer is None for a cell that is not done, or damaged.
    """
    find = files or _nowhere

    def source(key: str) -> Evidence | None:
        record = store.read(key)
        if record.status is not Status.DONE or record.document is None:
            return None
        return _evidence(store, record, Cell(**record.document["cell"]), find)

    return source


def files_of_plan(cells: Iterable[PlannedCell]) -> Files:
    """Return where the test images of planned cells lie."""
    places = {
        (cell.identity.cell.dataset, sample.id): (sample.path, sample.mask_path)
        for cell in cells
        for sample in cell.test
    }
    return lambda dataset, _category, name: places.get((dataset, name), (None, None))


def files_of_datasets(datasets: Sequence[str], data_root: Path | None) -> Files:
    """Return where the images of datasets lie, as far as they are on disk; nothing is drawn.

    Parameters
    ----------
    datasets
        Names, or ``name=path`` for one that lies elsewhere.
    data_root
        Folder of all datasets; None = ``$ADREPRO_DATA`` or ``./data``.
    """
    from ..datasets.catalog import dataset_info, load, locate, parse_dataset_spec

    paths = dict(parse_dataset_spec(text) for text in datasets)

    @cache
    def images(dataset: str, category: str) -> Mapping[str, tuple[Path, Path | None]]:
        try:
            info = dataset_info(dataset)
            root = paths.get(dataset) or locate(info, data_root)
            found = load(info, root, categories=[category]).members[category] if root else None
        except AdreproError:  # not on disk, or not as it was: its images are not at hand
            found = None
        refs = (*found.train, *found.test) if found else ()
        return {ref.id: (ref.path, ref.mask_path) for ref in refs}

    return lambda dataset, category, name: images(dataset, category).get(name, (None, None))


def _nowhere(_dataset: str, _category: str, _name: str) -> tuple[None, None]:
    return None, None


def _evidence(store: Store, record: Record, cell: Cell, files: Files) -> Evidence:
    arrays = store.load_arrays(record.key, "scores")
    tested = store.load_json(record.key, "images")["test"]
    kept = store.has(record.key, "maps.npz")
    maps = store.load_arrays(record.key, "maps")["maps"] if kept else None
    stretched = cell.evaluation == PER_IMAGE_MINMAX
    train, injected = arrays["train_scores"], arrays["train_injected"]
    # No training map was stretched, so that these scores are of another scale than the test's; a
    # file of scores made elsewhere need not have any.
    comparable = train.size == injected.size > 0 and not stretched
    # Cells of before results kept their smoothing do not say what their maps were measured with.
    sigma = (record.row or {}).get("smoothing_sigma")

    def measured(index: int) -> np.ndarray | None:
        if maps is None or sigma is None:
            return None
        found = upsample_and_smooth(maps[index : index + 1], cell.image_size, sigma)
        return (stretch(found) if stretched else found)[0]

    def place(index: int) -> tuple[Path | None, Path | None]:
        return files(cell.dataset, cell.category, tested[index]["id"])

    return Evidence(
        key=record.key,
        ids=tuple(image["id"] for image in tested),
        hashes=tuple(image["sha256"] for image in tested),
        labels_N=arrays["test_labels"].astype(bool),
        scores_N=arrays["test_scores"].astype(np.float64),
        threshold=float(arrays["threshold"]) if np.isfinite(arrays["threshold"]) else None,
        train_scores_M=train.astype(np.float64) if comparable else None,
        train_injected_M=injected.astype(bool) if comparable else None,
        maps_NHW=maps,
        image_size=cell.image_size,
        measured_map=measured,
        image=lambda i: _image(place(i)[0], tested[i], cell.image_size),
        mask=lambda i: _mask(place(i)[1], tested[i], cell.image_size),
    )


def _image(path: Path | None, known: Mapping[str, Any], size: int) -> np.ndarray | None:
    if not _is(path, known["sha256"]):
        return None
    assert path is not None
    return ImageSet([path], [known["sha256"]], size)[0]


def _mask(path: Path | None, known: Mapping[str, Any], size: int) -> np.ndarray | None:
    if not known["anomalous"]:
        return np.zeros((size, size), dtype=bool)
    if not known["mask_sha256"] or not _is(path, known["mask_sha256"]):
        return None
    return load_mask(path, (size, size), known["mask_sha256"]).astype(bool)


def _is(path: Path | None, sha: str) -> bool:
    """Say whether a file is there and is the one that was measured."""
    try:
        return path is not None and known_sha256(path) == sha
    except OSError:
        return False
