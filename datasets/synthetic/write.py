"""Put drawn images on disk, in the folder layout of MVTec AD or of KolektorSDD2.

A category is drawn into a hidden folder beside its place and renamed into it, with a stamp that
says by which generator and with which settings it was drawn. A folder whose stamp matches is left
as it is; one that was drawn otherwise is replaced; one that was not drawn by us is never touched.
Image files hold the same pixels everywhere; their compressed bytes may follow the zlib in use.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from ..errors import DataError, UnknownNameError
from .jobs import Counts, Job, file_count, ksdd2_jobs, mvtec_jobs
from .scene import CATEGORIES, SMALLEST

VERSION = "1"
STAMP = "synthetic.json"
KSDD2_CATEGORY = "ksdd2"
# Grain repeats nothing but runs: looking for no more is faster, to write and to read.
RUNS = zlib.Z_RLE

_GENERATOR = "adrepro.datasets.synthetic"
_GREY = frozenset({"grid", "screw", "zipper"})  # single channel in MVTec AD too

Kind = Literal["mvtec", "ksdd2"]


def materialise(
    root: Path,
    kind: Kind,
    *,
    categories: Iterable[str] | None = None,
    size: int = 256,
    counts: Counts | None = None,
    seed: int = 0,
) -> Path:
    """Draw a dataset into a folder, unless it is there already.

    Parameters
    ----------
    root
        The dataset's folder; made if need be.
    kind
        ``"mvtec"``: one folder per category as of MVTec AD; grid, screw and zipper are single
        channel. ``"ksdd2"``: ``train`` and ``test`` as of KolektorSDD2.
    categories
        Which categories to draw; None = all. Of ``"ksdd2"`` there is only one, ``ksdd2``.
    size
        Side of an image in pixels. A steel strip is 0.9 times as wide and about 2.5 times as
        high: 230 × 630 at the default, like the real ones.
    counts
        How many images; None = `Counts` as it is.
    seed
        Another seed gives other images.

    Returns
    -------
    Path
        ``root``.

    Raises
    ------
    UnknownNameError
        An unknown kind or category.
    DataError
        The size is too small, the folder cannot be written, or it holds something that was not
        drawn by this generator.
    """
    counts = counts or Counts()
    if kind not in ("mvtec", "ksdd2"):
        raise UnknownNameError("synthetic layout", kind, ("mvtec", "ksdd2"))
    if size < SMALLEST:
        raise DataError(f"synthetic images of {size} pixels: give a size of at least {SMALLEST}")
    known = CATEGORIES if kind == "mvtec" else (KSDD2_CATEGORY,)
    wanted = known if categories is None else tuple(categories)
    for name in wanted:
        if name not in known:
            raise UnknownNameError("synthetic category", name, known)
    for name in wanted:
        folder = root / name if kind == "mvtec" else root
        if kind == "mvtec":
            jobs = list(mvtec_jobs(name, size, counts, seed))
        else:
            jobs = list(ksdd2_jobs(size, counts, seed))
        stamp = {"generator": _GENERATOR, "version": VERSION, "category": name, "seed": seed}
        stamp |= {"size": size, "counts": asdict(counts), "files": file_count(jobs)}
        try:
            _ensure(folder, stamp, jobs, grey=name in _GREY)
        except OSError as err:
            raise DataError(
                f"{folder}: synthetic images cannot be written ({err.strerror or err});"
                " give --data-root a folder on a writable disk with free space"
            ) from err
    return root


def _ensure(folder: Path, stamp: dict, jobs: list[Job], *, grey: bool) -> None:
    if _is_current(folder, stamp):
        return
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = _aside(folder)
    try:
        _write_all(draft, jobs, grey=grey)
        (draft / STAMP).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
        _install(draft, folder, stamp)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.{uuid.uuid4().hex}.tmp"


def _is_current(folder: Path, stamp: dict) -> bool:
    if _read_stamp(folder) != stamp:
        return False
    # A cheap look at whether somebody deleted images since.
    return sum(1 for _ in folder.rglob("*.png")) == stamp["files"]


def _read_stamp(folder: Path) -> dict | None:
    try:
        found = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _refuse_foreign(folder: Path) -> None:
    """Raise unless the folder is absent, empty or drawn by this generator."""
    if not folder.exists() or (_read_stamp(folder) or {}).get("generator") == _GENERATOR:
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise DataError(
            f"{folder}: exists and was not drawn by this generator (no valid {STAMP});"
            " give another folder or move it away"
        )


def _write_all(folder: Path, jobs: list[Job], *, grey: bool) -> None:
    for parent in {(folder / name).parent for job in jobs for name in job[:2] if name}:
        parent.mkdir(parents=True, exist_ok=True)

    def write(job: Job) -> None:
        image, mask = job.make()
        pixels = image[..., 0] if grey else image
        Image.fromarray(pixels).save(folder / job.image, compress_level=1, compress_type=RUNS)
        if job.mask:
            Image.fromarray(mask * np.uint8(255)).save(folder / job.mask, compress_level=1)

    # Threads, not processes: numpy and zlib let go of the interpreter lock, and drawing depends
    # on nothing but its arguments.
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        for _ in pool.map(write, jobs):
            pass


def _install(draft: Path, folder: Path, stamp: dict) -> None:
    """Rename the draft into place; another process may be doing the same."""
    for _ in range(5):
        try:
            os.rename(draft, folder)
        except OSError:
            if _is_current(folder, stamp):
                return  # the other one was first, with the same images
            _refuse_foreign(folder)
            _discard(folder)
        else:
            return
    raise DataError(f"{folder}: another process keeps replacing it; run one at a time")


def _discard(folder: Path) -> None:
    old = _aside(folder)
    try:
        os.rename(folder, old)
    except FileNotFoundError:
        return  # the other process took it away first
    shutil.rmtree(old, ignore_errors=True)
