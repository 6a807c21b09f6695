"""Loader for KolektorSDD2: ``{train,test}/NNNNN.png`` with ``NNNNN_GT.png`` beside each image.

An image is defective exactly when its mask is non-empty, so the masks are read on loading. The
official archive also carries a stray ``… (copy)`` pair, which is left out by name, and pickled
split lists (``*.pyb``), which are never opened.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .errors import DataError
from .layout import by_id, choose, file_id, image_files, require_images
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
        A split is missing or empty, or a mask is missing or unreadable.
    """
    for split in _SPLITS:
        if not (root / split).is_dir():
            raise DataError(f"{root}: no folder '{split}'; expected train/ and test/ below it")
    train, test = (_load_split(root, split) for split in _SPLITS)
    category = Category(dataset=name, name=CATEGORY, train=by_id(train), test=by_id(test))
    members = {
        each: require_images(category, root) for each in choose(name, categories, [CATEGORY])
    }
    return Dataset(
        name=name, root=root, categories=tuple(members), synthetic=synthetic, members=members
    )


def _load_split(root: Path, split: Split) -> list[ImageRef]:
    files = [path for path in image_files(root / split) if not path.stem.endswith(_STRAY_END)]
    masks = {p.stem.removesuffix(_MASK_END): p for p in files if p.stem.endswith(_MASK_END)}
    images = [path for path in files if not path.stem.endswith(_MASK_END)]
    missing = [path for path in images if path.stem not in masks]
    if missing:
        raise DataError(
            f"{root / split}: {len(missing)} of {len(images)} images have no mask, first"
            f" {missing[0].name}; expected {missing[0].stem}{_MASK_END}.png beside it"
        )
    defective = _non_empty([masks[path.stem] for path in images])
    return [
        ImageRef(
            id=file_id(root, path),
            split=split,
            defect=DEFECT if bad else GOOD,
            path=path,
            mask_path=masks[path.stem],
        )
        for path, bad in zip(images, defective, strict=True)
    ]


def _non_empty(masks: Sequence[Path]) -> list[bool]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_is_non_empty, masks))


def _is_non_empty(mask: Path) -> bool:
    from PIL import Image

    from .images import DECODE_ERRORS

    try:
        with Image.open(mask) as handle:
            return handle.convert("L").getbbox() is not None
    except DECODE_ERRORS as err:
        raise DataError(f"{mask}: not a readable mask ({err}); fetch the dataset again") from err
