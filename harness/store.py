"""The result store: a folder whose files are the only truth about what has been done.

A cell is done if and only if ``result.json`` parses, its own checksum and key match, and so do
the checksums of its siblings. There is no pickle anywhere. What lies where: see `storefolder`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.errors import StoreError
from .cell import Identity, canonical_json
from .files import npz_bytes, read_signed, sha256, write_atomic, write_signed
from .locking import locked
from .npz import CELL_ARRAYS, read_npz
from .redact import redacted, redacted_values
from .storefolder import StoreFolder


class Status(Enum):
    """What the files of a cell say."""

    DONE = "done"
    FAILED = "failed"
    PENDING = "pending"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a cell failed.

    Attributes
    ----------
    kind
        Exception class, ``"oom"`` (out of memory), ``"crash"`` or ``"timeout"``.
    message
        One line.
    phase
        ``tune``, ``load``, ``fit``, ``score``, ``metrics``, ``write``, or ``run`` of a crash.
    traceback
        The last lines, for the log.
    batch_scale
        What the batches for scoring were multiplied with, see `Context.batch_scale`.
    peak_memory_mb
        Of a cell that ran out of memory, where it is known: peak in MB, measured as in rows.
    """

    kind: str
    message: str
    phase: str
    traceback: str = ""
    batch_scale: float = 1.0
    peak_memory_mb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the store holds about one cell.

    Attributes
    ----------
    status
        What the files say; ``reason`` explains anything but done and pending.
    document
        The key's JSON document, where one could be read.
    row
        Metrics, counts and timings of a finished cell.
    """

    key: str
    status: Status
    reason: str = ""
    document: Mapping[str, Any] | None = None
    row: Mapping[str, Any] | None = None


class Store(StoreFolder):
    """A folder of finished cells: what its files say, and how they come there.

    It is opened as `StoreFolder` says.
    """

    def write_result(
        self,
        identity: Identity,
        row: Mapping[str, Any],
        arrays: Mapping[str, Mapping[str, np.ndarray]],
        documents: Mapping[str, Any],
        log: str,
    ) -> None:
        """Publish a finished cell; ``result.json`` is written last.

        Parameters
        ----------
        identity
            The cell and its hashes.
        row
            Metrics, counts and timings: plain JSON values, finite.
        arrays
            File stem → arrays, written as ``<stem>.npz``.
        documents
            File stem → JSON value, written as ``<stem>.json``.
        log
            What the cell printed.

        Two runs may have had the same cell at work: the result that was there first stays, and no
        file of it is touched, unless the new one holds files that it lacks.
        """
        files = {f"{stem}.npz": npz_bytes(value) for stem, value in arrays.items()}
        files |= {
            f"{stem}.json": canonical_json(value).encode() for stem, value in documents.items()
        }
        files["log.txt"] = redacted(log).encode("utf-8", "replace")
        folder = self._make(identity.key)
        with self._publishing(identity.key):
            if not self._published(folder, identity.key, set(files)):
                self._write_files(folder, identity, row, files)

    @contextlib.contextmanager
    def _publishing(self, key: str) -> Iterator[None]:
        """Hold the lock under which the files of a cell are written."""
        try:
            with locked(self.root / "locks" / key[:2]):
                yield
        except OSError as err:
            raise StoreError(f"cannot write {self.root}: {err.strerror or err}") from err

    def _published(self, folder: Path, key: str, names: set[str]) -> bool:
        """Say whether a cell has a valid result with at least these files."""
        if not (folder / "result.json").exists() or self.read(key).status is not Status.DONE:
            return False
        return all((folder / name).is_file() for name in names)

    def _write_files(
        self, folder: Path, identity: Identity, row: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> None:
        for name, data in files.items():
            write_atomic(folder / name, data)
        body = {
            "key": identity.key,
            "document": identity.document(),
            "row": {n: redacted_values(v) if n == "warnings" else v for n, v in row.items()},
            "files": {name: sha256(data) for name, data in files.items()},
        }
        write_signed(folder / "result.json", body)
        (folder / "failure.json").unlink(missing_ok=True)

    def write_failure(self, identity: Identity, failure: Failure) -> None:
        """Record why a cell failed; a result that is already there stays valid."""
        body = {
            "key": identity.key,
            "document": identity.document(),
            "failure": {name: _shown(getattr(failure, name)) for name in Failure.__slots__},
        }
        write_signed(self._make(identity.key) / "failure.json", body)

    def _make(self, key: str) -> Path:
        folder = self.folder(key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as err:
            raise StoreError(f"cannot write {folder}: {err.strerror or err}") from err
        return folder

    def read(self, key: str) -> Record:
        """Say what the store holds about a cell; damaged files are reported, never believed."""
        folder = self.folder(key)
        if (folder / "result.json").exists():
            return self._read_result(folder, key)
        return self.read_failure(key)

    def read_failure(self, key: str) -> Record:
        """Say how a cell failed last, even beside a result: it may have run again for its maps."""
        folder = self.folder(key)
        if not (folder / "failure.json").exists():
            return Record(key=key, status=Status.PENDING)
        try:
            body = read_signed(folder / "failure.json", key)
        except ValueError as err:
            return Record(key=key, status=Status.DAMAGED, reason=str(err))
        failure = body["failure"]
        reason = f"{failure['kind']} in {failure['phase']}: {failure['message']}"
        return Record(key=key, status=Status.FAILED, reason=reason, document=body["document"])

    def _read_result(self, folder: Path, key: str) -> Record:
        try:
            body = read_signed(folder / "result.json", key)
            for name, expected in body["files"].items():
                if sha256((folder / name).read_bytes()) != expected:
                    raise ValueError(f"{name} does not match its checksum")
        except FileNotFoundError as err:
            name = Path(err.filename).name
            return Record(key=key, status=Status.DAMAGED, reason=f"{name} is missing")
        except (ValueError, OSError) as err:
            return Record(key=key, status=Status.DAMAGED, reason=str(err))
        return Record(key=key, status=Status.DONE, document=body["document"], row=body["row"])

    def load_json(self, key: str, stem: str) -> Any:
        """Read ``<stem>.json`` of a finished cell."""
        return json.loads((self.folder(key) / f"{stem}.json").read_bytes())

    def load_arrays(self, key: str, stem: str) -> dict[str, np.ndarray]:
        """Read ``<stem>.npz`` of a finished cell, without pickle.

        Raises
        ------
        StoreError
            It holds something else than such a file does, or claims what it does not hold.
        """
        path = self.folder(key) / f"{stem}.npz"
        try:
            return read_npz(path, CELL_ARRAYS.get(stem))
        except (OSError, ValueError) as err:
            reason = getattr(err, "strerror", None) or err
            raise StoreError(
                f"cannot read {path}: {reason}; delete its folder and run the same command again"
            ) from err


def _shown(value: Any) -> Any:
    return redacted(value) if isinstance(value, str) else value
