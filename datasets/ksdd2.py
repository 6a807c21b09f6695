"""Loader for KolektorSDD2: ``{train,test}/NNNNN.png`` with ``NNNNN_GT.png`` beside each image.

An image is defective exactly when its mask is non-empty, so the masks are read on loading. Where
a mask is missing or unreadable its image has no label: it is marked so, and the scan reports it
as an error together with everything else that is wrong. The
official archive also carries a stray ``… (copy)`` pair, which is left out by name, and pickled
split lists (``*.pyb``), which are never opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import DataError
from .layout import by_id, choose, file_id, image_files
from .types import GOOD, Category, Dataset, ImageRef, Split

CATEGORY = "ksdd2"
DEFECT = "defect"
_MASK_END = "_GT"
_STRAY_END = "(copy)"
_SPLITS: tuple[Split, Split] = ("train", "test")


def load_ksdd2(
    root: Path,
    *,
    name: str = "ksdd2",
    categories: Iterable[str] | None = None,
    synthetic: bool = False,
) -> Dataset:
    """Load KolektorSDD2 or a dataset in its layout; it has one category, ``ksdd2``.

    Parameters
    ----------
    root
        The folder that holds ``train`` and ``test``.
    name
        Name of the dataset.
    categories
        None or ``["ksdd2"]``.
    synthetic
        Whether the images are drawn by ``datasets.synthetic``.

    Raises
    ------
    DataError
        A split is missing. An empty one raises when it is used (`Dataset.category`).
    """
    for split in _SPLITS:
        if not (root / split).is_dir():
            raise DataError(f"{root}: no folder '{split}'; expected train/ and test/ below it")
    train, test = (_load_split(root, split) for split in _SPLITS)
    category = Category(dataset=name, name=CATEGORY, train=by_id(train), test=by_id(test))
    members = dict.fromkeys(choose(name, categories, [CATEGORY]), category)
    return Dataset(
        name=name, root=root, categories=tuple(members), synthetic=synthetic, members=members
    )


def _load_split(root: Path, split: Split) -> list[ImageRef]:
    files = [path for path in image_files(root / split) if not path.stem.endswith(_STRAY_END)]
    masks = {p.stem.removesuffix(_MASK_END): p for p in files if p.stem.endswith(_MASK_END)}
    images = [path for path in files if not path.stem.endswith(_MASK_END)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        defective = list(pool.map(_is_non_empty, [masks.get(path.stem) for path in images]))
    return [
        ImageRef(
            id=file_id(root, path),
            split=split,
            defect=DEFECT if bad else GOOD,
            path=path,
            mask_path=masks.get(path.stem),
            labelled=bad is not None,
        )
        for path, bad in zip(images, defective, strict=True)
    ]


def _is_non_empty(mask: Path | None) -> bool | None:
    """Whether a mask marks anything; None if it cannot be told."""
    if mask is None:
        return None
    from PIL import Image

    from .images import DECODE_ERRORS, MAX_PIXELS, mask_values

    try:
        with Image.open(mask) as handle:
            if handle.width * handle.height > MAX_PIXELS:
                return None
            return bool(mask_values(handle).any())
    except DECODE_ERRORS:
        return None  # the scan says why
