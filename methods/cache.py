"""Feature files on disk: one safetensors file per image and view, verified when read.

A file is written to a temporary name in its own folder and renamed, so a reader sees all of it or
nothing, and two processes that write the same file do no harm. Its checksum lies in its header: a
damaged file counts as absent and is written anew.
"""

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..datasets.owners import temporary_name

Arrays = dict[str, np.ndarray]


def checksum(arrays: Mapping[str, np.ndarray]) -> str:
    """Hash names, shapes and values of float32 arrays; hexadecimal sha256."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], dtype=np.float32)
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.data)
    return digest.hexdigest()


def read_arrays(path: Path) -> Arrays | None:
    """Read a feature file through a memory map; None if it is absent or damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as handle:
            stored = (handle.metadata() or {}).get("sha256")
            arrays = {name: handle.get_tensor(name) for name in handle.keys()}  # noqa: SIM118
    except (OSError, SafetensorError):
        return None
    return arrays if stored == checksum(arrays) else None


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a feature file atomically and durably, with its checksum in the header."""
    from safetensors.numpy import save

    plain = {name: np.ascontiguousarray(a, dtype=np.float32) for name, a in arrays.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(temporary_name(path.name))
    try:
        with temporary.open("xb") as stream:
            stream.write(save(plain, metadata={"sha256": checksum(plain)}))
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


class Recent:
    """The most recently used features of this process, up to a number of bytes."""

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._items: OrderedDict[tuple[str, str], Arrays] = OrderedDict()

    @property
    def limit(self) -> int:
        """Return the bytes that may be held."""
        return self._limit

    @property
    def held(self) -> int:
        """Return the bytes held."""
        return self._held

    def get(self, key: tuple[str, str]) -> Arrays | None:
        """Return the features under ``key``, or None."""
        if key not in self._items:
            return None
        self._items.move_to_end(key)
        return self._items[key]

    def put(self, key: tuple[str, str], arrays: Arrays) -> None:
        """Keep features, letting go of the least recently used ones where space is short."""
        size = sum(a.nbytes for a in arrays.values())
        if size > self._limit or key in self._items:
            return
        self._items[key] = arrays
        self._held += size
        while self._held > self._limit:
            _, old = self._items.popitem(last=False)
            self._held -= sum(a.nbytes for a in old.values())
