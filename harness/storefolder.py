"""A store as a folder: what lies where in it, how it is made, opened and swept.

Layout::

    store.json                         marks the folder as a store, with its schema
    index.bin                          what the cells said when last read; may be deleted
    manifests/, features/              what scans and frozen backbones found; may be deleted
    claims/, locks/, requests/         who is at what, and what workers are to run (see `claims`)
    live/<run>.json, <plan>.keys       what runs are at, for watchers (see `board`)
    tuning/<key>.json                  what a tuning chose, with its own checksum (see `tuned`)
    cells/<key[:2]>/<key>/
        scores.npz                     scores and labels of the test and training images
        images.json                    which images, by id and hash, and which were injected
        maps.npz                       optional: raw anomaly maps
        env.json, log.txt              where and how it ran
        result.json                    written last; carries the checksums of all the others
        failure.json                   instead of a result: why the cell failed

What the files of a cell say is for `store`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from ..datasets.errors import StoreError
from ..datasets.owners import FOREIGN_AGE_S, left_behind
from .cell import SCHEMA, canonical_json
from .files import write_atomic

MARK = "store.json"
# Folders in which files are written under a temporary name first.
WRITTEN = ("", "cells/??/*/", "features/*/??/", "live/", "manifests/", "requests/", "tuning/")


class StoreFolder:
    """The folder of a store.

    Parameters
    ----------
    root
        The folder. With ``create`` it is made and must be writable; without, it must be a store.

    Raises
    ------
    StoreError
        Not a store, a newer store, or not writable.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root = root
        if create:
            self._create()
        elif not (root / MARK).is_file():
            raise StoreError(
                f"no results in {root}: it is not a result store; give --store the folder of a run"
            )
        self._check_schema()

    def _create(self) -> None:
        try:
            entries = list(self.root.iterdir()) if self.root.exists() else []
            if entries and not (self.root / MARK).is_file():
                raise StoreError(
                    f"{self.root} holds other files; give --store a new or an empty folder"
                )
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            reason = err.strerror or err
            raise StoreError(f"cannot make the store {self.root}: {reason}") from err
        text = canonical_json({"adrepro_store": SCHEMA}).encode()
        if entries:
            probe = self.root / ".writable"
            write_atomic(probe, b"")
            probe.unlink(missing_ok=True)
        else:
            # The mark comes first: a run that dies right here leaves a store, not a stray folder.
            write_atomic(self.root / MARK, text)

    def _check_schema(self) -> None:
        try:
            schema = json.loads((self.root / MARK).read_text())["adrepro_store"]
            if type(schema) is not int:
                raise TypeError(f"adrepro_store is {schema!r}, expected a whole number")
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StoreError(f"{self.root / MARK} is damaged ({err})") from err
        if schema > SCHEMA:
            raise StoreError(f"{self.root} was made by a newer adrepro (schema {schema}): upgrade")

    @property
    def manifests(self) -> Path:
        """Return the folder where scans keep what they know of image files."""
        return self.root / "manifests"

    @property
    def features(self) -> Path:
        """Return the folder of the frozen-feature cache."""
        return self.root / "features"

    @property
    def tuning(self) -> Path:
        """Return the folder of what tunings chose."""
        return self.root / "tuning"

    def folder(self, key: str) -> Path:
        """Return the folder of a cell."""
        return self.root / "cells" / key[:2] / key

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of all cells that left any trace, sorted."""
        yield from sorted(
            cell.name
            for group in _folders(self.root / "cells")
            if len(group.name) == 2
            for cell in _folders(group)
        )

    def sweep(self, older_than_s: float = FOREIGN_AGE_S) -> int:
        """Remove temporary files that killed runs have left behind; return how many.

        Those of a process that lives stay, whatever their age: clocks jump, and work waits.

        Parameters
        ----------
        older_than_s
            Age at which those go whose owner cannot be asked: another machine's.
        """
        removed = 0
        found = (path for folder in WRITTEN for path in self.root.glob(f"{folder}.*.tmp"))
        for orphan in left_behind(found, self.root, older_than_s):
            with contextlib.suppress(OSError):
                orphan.unlink()
                removed += 1
        return removed

    def has(self, key: str, name: str) -> bool:
        """Say whether a cell's folder holds a file, e.g. ``"maps.npz"``."""
        return (self.folder(key) / name).is_file()


def _folders(parent: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the folders in a folder; none where there is none."""
    with contextlib.suppress(FileNotFoundError), os.scandir(parent) as entries:
        yield from (entry for entry in entries if entry.is_dir())
