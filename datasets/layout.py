"""Which entries of a folder count: the listing rules that all loaders share.

Hidden entries (``.DS_Store``, ``._000.png``), archive debris (``__MACOSX``) and files without an
image suffix (``Thumbs.db``, ``readme.txt``) are not part of a dataset. A link that leads nowhere
keeps its place, so that the scan can report it instead of the image count shrinking unseen.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from .errors import DataError, UnknownNameError
from .types import Category, ImageRef

IMAGE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff"})
_DEBRIS = frozenset({"__MACOSX"})


def visible(path: Path) -> bool:
    """Whether an entry is neither hidden nor debris."""
    return not path.name.startswith(".") and path.name not in _DEBRIS


def is_image_name(path: Path) -> bool:
    """Whether a visible entry has an image suffix, in upper or lower case."""
    return visible(path) and path.suffix.lower() in IMAGE_SUFFIXES


def entries(folder: Path) -> list[Path]:
    """List a folder sorted by name.

    Raises
    ------
    DataError
        The folder cannot be listed.
    """
    try:
        return sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as err:
        raise DataError(f"{folder}: cannot be listed ({err.strerror}); give a folder") from err


def image_files(folder: Path) -> list[Path]:
    """List the image files directly inside a folder, sorted by name; none if it is absent."""
    if not folder.is_dir():
        return []
    return [entry for entry in entries(folder) if is_image_name(entry) and not entry.is_dir()]


def subfolders(folder: Path) -> list[Path]:
    """List the visible folders directly inside a folder, sorted by name; none if it is absent."""
    if not folder.is_dir():
        return []
    return [entry for entry in entries(folder) if visible(entry) and entry.is_dir()]


def mask_finder(folders: Iterable[Path]) -> dict[str, Path]:
    """Index mask files by the stem of the image that they belong to.

    ``<stem>_mask.<suffix>`` goes before ``<stem>.<suffix>``, an earlier folder before a later one.
    """
    exact: dict[str, Path] = {}
    plain: dict[str, Path] = {}
    for folder in folders:
        for path in image_files(folder):
            if path.stem.endswith("_mask"):
                exact.setdefault(path.stem.removesuffix("_mask"), path)
            plain.setdefault(path.stem, path)
    return plain | exact


def file_id(root: Path, path: Path) -> str:
    """Return the posix path of a file below the dataset's root."""
    return path.relative_to(root).as_posix()


def by_id(refs: Iterable[ImageRef]) -> tuple[ImageRef, ...]:
    """Sort image references by id."""
    return tuple(sorted(refs, key=lambda ref: ref.id))


def empty_split(category: Category) -> str | None:
    """Say which split holds no images, in words; None if both hold some."""
    suffixes = " ".join(sorted(IMAGE_SUFFIXES))
    for split, refs in (("training", category.train_nominal), ("test", category.test)):
        if not refs:
            return f"no {split} images (expected files with one of {suffixes})"
    return None


def require_images(category: Category, root: Path) -> Category:
    """Return the category unchanged if both splits hold images.

    Raises
    ------
    DataError
        The training or the test split is empty.
    """
    lacking = empty_split(category)
    if lacking:
        raise DataError(f"{root}: empty category '{category.name}': {lacking}")
    return category


def choose(dataset: str, wanted: Iterable[str] | None, known: Iterable[str]) -> tuple[str, ...]:
    """Return the wanted categories in the order of the known ones; None means all.

    Raises
    ------
    UnknownNameError
        A wanted category is not known.
    """
    names = tuple(known)
    if wanted is None:
        return names
    asked = tuple(wanted)
    for name in asked:
        if name not in names:
            raise UnknownNameError(f"category of {dataset}", name, names)
    return tuple(name for name in names if name in asked)
