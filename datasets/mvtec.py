"""Loader for the folder layout of MVTec AD, which many later datasets copied.

::

    <root>/<category>/train/good/*
    <root>/<category>/test/good/*
    <root>/<category>/test/<defect>/*
    <root>/<category>/ground_truth/<defect>/<stem>_mask.*
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import DataError
from .layout import by_id, choose, file_id, image_files, mask_finder, subfolders
from .types import GOOD, Category, Dataset, ImageRef, Split

# Alphabetical, as the tables of the literature print them.
MVTEC_CATEGORIES = (
    "bottle",
    "cable",
    "capsule",
    "carpet",
    "grid",
    "hazelnut",
    "leather",
    "metal_nut",
    "pill",
    "screw",
    "tile",
    "toothbrush",
    "transistor",
    "wood",
    "zipper",
)


def load_mvtec(
    root: Path,
    *,
    name: str = "mvtec_ad",
    categories: Iterable[str] | None = None,
    synthetic: bool = False,
) -> Dataset:
    """Load a dataset in the layout of MVTec AD.

    Parameters
    ----------
    root
        The folder that holds the category folders.
    name
        Name of the dataset.
    categories
        Which categories to load; None = all that are there. The 15 official ones come first and
        in the order of the papers, others follow sorted.
    synthetic
        Whether the images are drawn by ``datasets.synthetic``.

    Returns
    -------
    Dataset
        An anomalous image without a mask file has ``mask_path`` None; the scan reports it.

    Raises
    ------
    DataError
        ``root`` holds no category or is itself one. An empty category raises when it is used
        (`Dataset.category`).
    UnknownNameError
        A wanted category is not there.
    """
    present = _present_categories(root)
    chosen = choose(name, categories, present)
    members = {each: _load_category(root, name, each) for each in chosen}
    return Dataset(name=name, root=root, categories=chosen, synthetic=synthetic, members=members)


def labelled_test_refs(root: Path, folder: Path, mask_roots: Iterable[Path]) -> list[ImageRef]:
    """Return all images of ``<folder>/test`` with the masks found below ``mask_roots``."""
    mask_roots = tuple(mask_roots)
    refs: list[ImageRef] = []
    for defect in subfolders(folder / "test"):
        masks = mask_finder(each / defect.name for each in mask_roots)
        # "Good" or "GOOD" would otherwise turn nominal images into a defect of that name.
        label = GOOD if defect.name.casefold() == GOOD else defect.name
        refs += folder_refs(root, defect, "test", label, masks)
    return refs


def folder_refs(
    root: Path, folder: Path, split: Split, defect: str, masks: dict[str, Path]
) -> list[ImageRef]:
    """Return the images directly inside one folder."""
    return [
        ImageRef(
            id=file_id(root, path),
            split=split,
            defect=defect,
            path=path,
            mask_path=masks.get(path.stem),
        )
        for path in image_files(folder)
    ]


def _present_categories(root: Path) -> tuple[str, ...]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected one that holds <category>/train/good")
    if (root / "train" / GOOD).is_dir():
        raise DataError(f"{root}: is itself one category; give its parent {root.resolve().parent}")
    found = {each.name for each in subfolders(root) if (each / "train" / GOOD).is_dir()}
    if not found:
        raise DataError(f"{root}: holds no category; expected <category>/train/good below it")
    official = tuple(each for each in MVTEC_CATEGORIES if each in found)
    return official + tuple(sorted(found - set(official)))


def _load_category(root: Path, dataset: str, name: str) -> Category:
    folder = root / name
    train = folder_refs(root, folder / "train" / GOOD, "train", GOOD, {})
    test = labelled_test_refs(root, folder, [folder / "ground_truth"])
    return Category(dataset=dataset, name=name, train=by_id(train), test=by_id(test))
