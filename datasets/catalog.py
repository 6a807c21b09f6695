"""The datasets known by name: where they lie, and how to open them.

The entries themselves are in ``entries.py``; one's own images need none (``folder=/my/images``).
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from .entries import CATALOG, Archive, Counts, DatasetInfo, Layout
from .errors import DataError, UnknownNameError
from .types import Dataset

__all__ = [
    "CATALOG",
    "DATA_ROOT_VARIABLE",
    "Archive",
    "Counts",
    "DatasetInfo",
    "Layout",
    "dataset_info",
    "find_dataset",
    "load",
    "locate",
    "open_dataset",
    "parse_dataset_spec",
    "resolve_data_root",
]

DATA_ROOT_VARIABLE = "ADREPRO_DATA"


def dataset_info(name: str) -> DatasetInfo:
    """Return a catalogue entry; an unknown name raises ``UnknownNameError``."""
    if name not in CATALOG:
        raise UnknownNameError("dataset", name, CATALOG)
    return CATALOG[name]


def synthetic_categories(layout: Layout) -> tuple[str, ...]:
    """Return the categories that can be drawn in a layout."""
    published = "ksdd2" if layout is Layout.KSDD2 else "mvtec_ad"
    return tuple(CATALOG[published].counts)


def parse_dataset_spec(text: str) -> tuple[str, Path | None]:
    """Split ``NAME`` or ``NAME=PATH`` and check the name.

    Raises
    ------
    UnknownNameError
        The name is not in the catalogue.
    DataError
        The path after ``=`` is empty.
    """
    name, equals, path = text.partition("=")
    info = dataset_info(name)
    if equals and not path:
        raise DataError(f"dataset '{text}': no path after '='; give {name}=/path/to/images")
    return info.name, Path(path).expanduser() if path else None


def resolve_data_root(data_root: Path | None = None) -> Path:
    """Return the data root: the one given, else ``$ADREPRO_DATA``, else ``./data``."""
    if data_root is not None:
        return data_root
    return Path(os.environ.get(DATA_ROOT_VARIABLE) or "data")


def cache_root() -> Path:
    """Return the project's folder in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "adrepro"


def _base(info: DatasetInfo, data_root: Path | None) -> Path:
    """Return what a dataset's folders lie below: drawn images get into no folder but a given one.

    ``$ADREPRO_DATA`` and ``./data`` are the user's own; what is drawn goes into the cache instead.
    """
    if info.synthetic and data_root is None:
        return cache_root() / "drawn"
    return resolve_data_root(data_root)


def locate(info: DatasetInfo, data_root: Path | None = None) -> Path | None:
    """Return the first of the dataset's folders that exists below its root, or None."""
    candidates = (_base(info, data_root) / each for each in info.folders)
    return next((each for each in candidates if each.is_dir()), None)


def open_dataset(
    name: str,
    data_root: Path | None = None,
    path: Path | None = None,
    *,
    categories: Iterable[str] | None = None,
) -> Dataset:
    """Open a dataset by name.

    Parameters
    ----------
    name
        A name of the catalogue, or ``NAME=PATH``.
    data_root
        Folder of all datasets; None = ``$ADREPRO_DATA``, else ``./data``, and the user's cache for
        a synthetic dataset.
    path
        The dataset's own folder, instead of a search below the data root.
    categories
        Which categories to load (and, for a synthetic dataset, to draw); None = all.

    Returns
    -------
    Dataset
        With its members loaded; pixels are not read yet.

    Raises
    ------
    UnknownNameError
        The dataset or a category is not known.
    DataError
        The dataset is not where it was looked for, or its layout is not as expected.
    """
    name, given = parse_dataset_spec(name)
    if given is not None and path is not None and given != path:
        raise DataError(f"dataset '{name}': two paths given, {given} and {path}; give one")
    info, path = dataset_info(name), given or path
    wanted = None if categories is None else tuple(categories)
    if info.synthetic:
        root = path or _base(info, data_root) / info.folders[0]
        return load(info, _draw(info, root, wanted), categories=wanted)
    return load(info, path or _find(info, data_root), categories=wanted)


def load(info: DatasetInfo, root: Path, *, categories: Iterable[str] | None = None) -> Dataset:
    """Read a dataset's folder with the loader of its layout; see the loaders for the errors."""
    if info.layout is Layout.KSDD2:
        from .ksdd2 import load_ksdd2

        return load_ksdd2(root, name=info.name, categories=categories, synthetic=info.synthetic)
    if info.layout is Layout.FOLDER:
        from .folder import load_folder

        return load_folder(root, name=info.name, categories=categories)
    from .mvtec import load_mvtec

    return load_mvtec(root, name=info.name, categories=categories, synthetic=info.synthetic)


def _draw(info: DatasetInfo, root: Path, categories: tuple[str, ...] | None) -> Path:
    from .synthetic import materialise

    drawn = categories if info.layout is Layout.MVTEC else None
    kind = "ksdd2" if info.layout is Layout.KSDD2 else "mvtec"
    return materialise(root, kind, categories=drawn)


def find_dataset(name: str, data_root: Path | None = None) -> Path:
    """Return the folder of a dataset of the catalogue that is no drawn one; reads nothing in it.

    Raises
    ------
    UnknownNameError
        No such dataset.
    DataError
        It is not there: where it was looked for, and how it can be had.
    """
    return _find(dataset_info(name), data_root)


def _find(info: DatasetInfo, data_root: Path | None) -> Path:
    base = resolve_data_root(data_root)
    if not info.folders:
        raise DataError(f"dataset '{info.name}' needs a path: give {info.name}=/path/to/images")
    found = locate(info, data_root)
    if found is None:
        raise DataError(
            f"{info.title} not found: looked for {base / info.folders[0]}"
            f" (or {', '.join(info.folders[1:])}); run `reproduce data fetch {info.name}"
            f" --data-root {base}` (licence {info.licence}), or give {info.name}=PATH,"
            f" or download it from {info.homepage}"
        )
    return found
