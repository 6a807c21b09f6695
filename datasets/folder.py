"""Loader for a user's own images.

A category is a folder with training images and a ``test`` folder::

    <category>/train/good/*  or  <category>/train/*  or  <category>/good/*     nominal
    <category>/test/good/*                                                     nominal
    <category>/test/<defect>/*                                                 anomalous
    <category>/ground_truth/<defect>/<stem>_mask.*  or  <category>/masks/…     optional

The first training folder that exists is used. The root is either one category, named like the
folder, or holds several.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import DataError
from .layout import by_id, choose, subfolders
from .mvtec import folder_refs, labelled_test_refs
from .types import GOOD, Category, Dataset

_TRAIN_FOLDERS = (f"train/{GOOD}", "train", GOOD)
_MASK_FOLDERS = ("ground_truth", "masks")


def load_folder(
    root: Path, *, name: str = "folder", categories: Iterable[str] | None = None
) -> Dataset:
    """Load a user's own images; see the module docstring for the layout.

    Parameters
    ----------
    root
        One category, or a folder of categories.
    name
        Name of the dataset.
    categories
        Which categories to load; None = all.

    Raises
    ------
    DataError
        No category is found. An empty one raises when it is used (`Dataset.category`).
    UnknownNameError
        A wanted category is not there.
    """
    folders = _category_folders(root)
    chosen = choose(name, categories, folders)
    members = {each: _load_category(root, folders[each], name, each) for each in chosen}
    return Dataset(name=name, root=root, categories=chosen, members=members)


def _category_folders(root: Path) -> dict[str, Path]:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; expected your images in train/ and test/ below")
    if _is_category(root):
        return {root.resolve().name: root}
    found = {each.name: each for each in subfolders(root) if _is_category(each)}
    if not found:
        raise DataError(
            f"{root}: holds no images in a known layout; expected train/good, test/good and"
            " test/<defect>, there or in sub-folders (one per category)"
        )
    return found


def _train_folder(folder: Path) -> Path | None:
    candidates = (folder / each for each in _TRAIN_FOLDERS)
    return next((each for each in candidates if each.is_dir()), None)


def _is_category(folder: Path) -> bool:
    return (folder / "test").is_dir() and _train_folder(folder) is not None


def _load_category(root: Path, folder: Path, dataset: str, name: str) -> Category:
    source = _train_folder(folder)
    assert source is not None, "only category folders get here"
    train = folder_refs(root, source, "train", GOOD, {})
    test = labelled_test_refs(root, folder, [folder / each for each in _MASK_FOLDERS])
    return Category(dataset=dataset, name=name, train=by_id(train), test=by_id(test))
