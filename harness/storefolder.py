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
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from ..datasets.errors import StoreError
from ..datasets.owners import FOREIGN_AGE_S, left_behind
from .cell import SCHEMA, canonical_json
from .files import read_signed, write_atomic

MARK = "store.json"
# Folders in which files are written under a temporary name first.
WRITTEN = ("", "cells/??/*/", "features/*/??/", "live/", "manifests/", "requests/", "tuning/")


class StoreFolder:
    """The folder of a store.

    Parameters
    ----------
    root
        The folder. With ``create`` it is made and must be writable; without, it must be a store.

    Attributes
    ----------
    note
        What was put right when the store was opened, in one line; else empty. A mark that is
        missing, empty or cut short is written anew with ``create``, if a result can be read.

    Raises
    ------
    StoreError
        Not a store, a newer store, one without a mark that can be read, or not writable.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self.root, self.note = root, ""
        if create:
            self._create()
        if lost := self._lost():
            if not create:
                raise StoreError(self._remedy(lost))
            self._write_anew(lost)
        self._check_schema()

    def _create(self) -> None:
        try:
            entries = list(self.root.iterdir()) if self.root.exists() else []
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            reason = err.strerror or err
            raise StoreError(f"cannot make the store {self.root}: {reason}") from err
        if not entries:
            # The mark comes first: a run that dies right here leaves a store, not a stray folder.
            write_atomic(self.root / MARK, _mark(SCHEMA))
        elif not self._lost():
            probe = self.root / ".writable"
            write_atomic(probe, b"")
            probe.unlink(missing_ok=True)

    def _lost(self) -> str:
        """Say in a word or two why nothing can be read from the mark; empty if it can be."""
        path = self.root / MARK
        try:
            if not path.is_file():
                return "missing"
            text = path.read_bytes()
        except OSError as err:
            raise StoreError(f"cannot read {path}: {err.strerror or err}") from err
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return "cut short or overwritten" if text else "empty"
        return ""

    def _write_anew(self, lost: str) -> None:
        """Write a mark that was lost, with the schema that a result names."""
        schema = _schema_of_cells(self.root)
        if schema is None:
            what = "holds other files" if lost == "missing" else f"has a {MARK} that is {lost}"
            raise StoreError(f"{self.root} {what}; give --store a new or an empty folder")
        if schema <= SCHEMA:
            write_atomic(self.root / MARK, _mark(schema))
            self.note = f"{self.root / MARK} was {lost}: written anew, by what the results say"
        else:
            self._refuse_newer(schema)

    def _remedy(self, lost: str) -> str:
        """Return what to do about a mark that was lost, without a change of the folder."""
        schema = _schema_of_cells(self.root)
        if schema is None:
            what = "it is not a result store"
            what = what if lost == "missing" else f"its {MARK} is {lost}"
            return f"no results in {self.root}: {what}; give --store the folder of a run"
        if schema > SCHEMA:
            self._refuse_newer(schema)
        root, mark = shlex.quote(str(self.root)), self.root / MARK
        typed = f"echo '{_mark(schema).decode()}' > {shlex.quote(str(mark))}"
        return (
            f"{mark} is {lost}, but results lie beside it: any `reproduce run` with "
            f"--store {root} writes it anew, or type: {typed}"
        )

    def _check_schema(self) -> None:
        try:
            schema = json.loads((self.root / MARK).read_text())["adrepro_store"]
            if type(schema) is not int:
                raise TypeError(f"adrepro_store is {schema!r}, expected a whole number")
        except (OSError, ValueError, KeyError, TypeError) as err:
            raise StoreError(
                f"{self.root / MARK} is damaged ({err}): nobody but adrepro should write it; move "
                "it away, and a run on the store writes it anew by what the results say"
            ) from err
        if schema > SCHEMA:
            self._refuse_newer(schema)

    def _refuse_newer(self, schema: int) -> NoReturn:
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
        return _folder(self.root, key)

    def __iter__(self) -> Iterator[str]:
        """Yield the keys of all cells that left any trace, sorted."""
        yield from _keys(self.root)

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


def is_store(root: Path) -> bool:
    """Say whether a folder has the mark of a store, whatever is in it, or results without one."""
    return (root / MARK).is_file() or _schema_of_cells(root) is not None


def _folder(root: Path, key: str) -> Path:
    return root / "cells" / key[:2] / key


def _keys(root: Path) -> list[str]:
    """Return the names of all cells' folders, sorted."""
    return sorted(
        cell.name
        for group in _folders(root / "cells")
        if len(group.name) == 2
        for cell in _folders(group)
    )


def _schema_of_cells(root: Path) -> int | None:
    """Return the schema that a cell's own file names; None if none can be read.

    One that this version knows settles it: whoever wrote that cell could open the store, so its
    mark named no later schema.
    """
    later = None
    for key in _keys(root):
        for name in ("result.json", "failure.json"):
            try:
                schema = read_signed(_folder(root, key) / name, key)["document"]["schema"]
            except (ValueError, KeyError, TypeError, AttributeError):
                continue
            if type(schema) is int and schema <= SCHEMA:
                return schema
            later = schema if type(schema) is int else later
    return later


def _mark(schema: int) -> bytes:
    return canonical_json({"adrepro_store": schema}).encode()


def _folders(parent: Path | os.DirEntry[str]) -> Iterator[os.DirEntry[str]]:
    """Yield the folders in a folder; none where there is none."""
    absent = contextlib.suppress(FileNotFoundError, NotADirectoryError)
    with absent, os.scandir(parent) as entries:
        yield from (entry for entry in entries if entry.is_dir())
