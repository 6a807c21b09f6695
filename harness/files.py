"""Durable file writing: a file is either the old one or the whole new one, also after a crash."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..datasets import atomic
from ..datasets.errors import StoreError, UsageError


def write_atomic(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``: the old content stays, or the whole new one takes its place.

    Raises
    ------
    StoreError
        The folder cannot be written or the device is full; the old content is untouched.
    """
    try:
        atomic.write_atomic(path, data)
    except OSError as err:
        raise StoreError(f"cannot write {path}: {err.strerror or err}") from err


def require_writable(folder: Path, option: str) -> None:
    """Refuse a folder that cannot be made or written, without making it.

    Parameters
    ----------
    folder
        The folder; it need not exist.
    option
        The command-line option that named it, for the message.

    Raises
    ------
    UsageError
        A file is in the way, or the nearest existing folder cannot be written.
    """
    nearest = folder.absolute()
    while not os.path.lexists(nearest):
        nearest = nearest.parent
    if not nearest.is_dir():
        raise UsageError(f"{option} {folder}: {nearest} is not a folder; give another one")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UsageError(f"{option} {folder}: {nearest} cannot be written; give another one")


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Pack arrays as ``.npz`` whose bytes depend on the arrays only (NumPy's carry the time).

    Raises
    ------
    ValueError
        An array of Python objects, which would need pickle.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in sorted(arrays):
            member = io.BytesIO()
            np.lib.format.write_array(member, np.asanyarray(arrays[name]), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue(), 8, 1)
    return buffer.getvalue()


def sha256(data: bytes) -> str:
    """Hash bytes; hexadecimal."""
    return hashlib.sha256(data).hexdigest()
