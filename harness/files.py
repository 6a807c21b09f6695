"""Durable file writing: a file is either the old one or the whole new one, also after a crash."""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets import atomic
from ..datasets.errors import StoreError, UsageError
from .cell import canonical_json


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


def write_signed(path: Path, body: Mapping[str, Any]) -> None:
    """Write a JSON document together with its checksum, whole or not at all."""
    text = canonical_json(body)
    signed = canonical_json({"body": body, "sha256": sha256(text.encode())})
    write_atomic(path, signed.encode())


def read_signed(path: Path, key: str) -> dict[str, Any]:
    """Read what `write_signed` wrote.

    Raises
    ------
    ValueError
        Not there, damaged, or about something else than ``key``; a few words say what.
    """
    try:
        raw = path.read_bytes()
        signed = json.loads(raw)
        body = signed["body"]
        good = sha256(canonical_json(body).encode()) == signed["sha256"]
        good = good and raw == canonical_json(signed).encode()
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise ValueError(f"{path.name} cannot be read") from err
    if not good or set(signed) != {"body", "sha256"}:
        raise ValueError(f"{path.name} does not match its checksum")
    if body.get("key") != key:
        raise ValueError(f"{path.name} belongs to another cell")
    return body


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
