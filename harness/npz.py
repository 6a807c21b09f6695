"""Arrays from files that may lie: what they claim is held against their real size before reading.

A header of a few bytes can claim an array of terabytes, and so can a ZIP directory; NumPy believes
both and asks for the memory.
"""

from __future__ import annotations

import contextlib
import io
import math
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

# Arrays of a cell by the stem of their file.
CELL_ARRAYS: Mapping[str, Sequence[str]] = {
    "scores": (
        "test_scores", "test_labels", "train_scores", "train_injected", "threshold",
        "train_weights",
    ),
    "maps": ("maps",),
}  # fmt: skip
# Of all arrays of a file together: maps of 4,000 images of 1024 × 1024 pixels in float32.
MAX_BYTES = 16 * 2**30
# Deflate shrinks nothing further than this.
_DEFLATE = 1032
_KINDS = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: _DEFLATE}
_ENDING = ".npy"
# RuntimeError: encrypted members. What a header of nested brackets or of huge numbers raises is
# Python's parser's and NumPy's affair.
_UNSOUND = (
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OverflowError,
    SyntaxError, TypeError, ValueError,
)  # fmt: skip


def npz_names(source: Path | bytes) -> list[str]:
    """Return the names of the arrays in an NPZ archive; none of them is read.

    Raises
    ------
    ValueError
        No archive, or one that holds something else; one line without the file's name.
    OSError
        The file cannot be read.
    """
    with _one_line(), zipfile.ZipFile(_opened(source)) as archive:
        return [_name(member) for member in archive.infolist()]


def read_npz(
    source: Path | bytes, known: Collection[str] | None = None, *, limit: int = MAX_BYTES
) -> dict[str, np.ndarray]:
    """Read all arrays of an NPZ archive, without pickle.

    Nothing is read before the directory and the headers of all members are found to fit each
    other, the size of the archive and the limit.

    Parameters
    ----------
    source
        The file, or its content.
    known
        Names that may occur; None = any.
    limit
        Bytes that all arrays may have together.

    Raises
    ------
    ValueError
        What is wrong with it, in one line without the file's name.
    OSError
        The file cannot be read.
    """
    whole = len(source) if isinstance(source, bytes) else source.stat().st_size
    with _one_line(), zipfile.ZipFile(_opened(source)) as archive:
        members = {_name(member): member for member in archive.infolist()}
        if len(members) < len(archive.infolist()):
            raise ValueError("an array stands twice")
        unknown = [name for name in members if known is not None and name not in known]
        if unknown:
            raise ValueError(
                f"array '{unknown[0]:.40}' is unknown; expected {', '.join(known or ())}"
            )
        _check_sizes(members.values(), whole, limit)
        for name, member in members.items():
            with archive.open(member) as handle:
                _check_header(handle, member.file_size, name)
        found = {}
        for name, member in members.items():
            with archive.open(member) as handle:
                found[name] = np.lib.format.read_array(handle, allow_pickle=False)
        return found


def read_npy(path: Path, *, limit: int = MAX_BYTES) -> np.ndarray:
    """Read one array from an NPY file, without pickle; errors as of `read_npz`."""
    size = path.stat().st_size
    with _one_line(), path.open("rb") as handle:
        if size > limit:
            raise ValueError(f"it has {size} bytes; expected at most {limit}")
        _check_header(handle, size, path.stem)
        handle.seek(0)
        return np.lib.format.read_array(handle, allow_pickle=False)


def _opened(source: Path | bytes) -> Path | io.BytesIO:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _name(member: zipfile.ZipInfo) -> str:
    name = member.filename
    if not name.endswith(_ENDING):
        raise ValueError(f"it holds {name[:40]!r}, which is no array")
    return name.removesuffix(_ENDING)


def _check_sizes(members: Collection[zipfile.ZipInfo], whole: int, limit: int) -> None:
    """Refuse a directory that claims more than the archive's bytes, or the limit, can hold."""
    for member in members:
        if member.compress_type not in _KINDS:
            raise ValueError(f"'{_name(member):.40}' has an unknown kind of compression")
        if member.file_size > _KINDS[member.compress_type] * member.compress_size:
            raise ValueError(f"'{_name(member):.40}' claims more bytes than its part can hold")
    packed, claimed = (sum(getattr(m, n) for m in members) for n in ("compress_size", "file_size"))
    if packed > whole:
        raise ValueError(f"its arrays claim {packed} bytes of an archive of {whole}")
    if claimed > limit:
        raise ValueError(f"its arrays have {claimed} bytes; expected at most {limit}")


def _check_header(handle: IO[bytes], size: int, name: str) -> None:
    """Refuse an array whose header claims other than the bytes that follow it."""
    # Later versions allow headers of gigabytes, for arrays with thousands of named fields.
    if np.lib.format.read_magic(handle) != (1, 0):
        raise ValueError(f"'{name:.40}' is no array of format 1.0")
    shape, _, dtype = np.lib.format.read_array_header_1_0(handle)
    if dtype.hasobject:
        raise ValueError(f"'{name:.40}' holds Python objects: pickle is not allowed (allow_pickle)")
    if min(shape, default=0) < 0 or not dtype.itemsize:
        raise ValueError(f"'{name:.40}' has a shape or type that cannot be")
    claimed, there = math.prod(shape) * dtype.itemsize, size - handle.tell()
    if claimed != there:
        raise ValueError(f"'{name:.40}' claims {claimed} bytes and has {there}")


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn what the readers of ZIP files and headers raise into a ValueError of one line."""
    try:
        yield
    except MemoryError as err:
        raise ValueError("it does not fit into memory") from err
    except _UNSOUND as err:
        raise ValueError(f"{' '.join(str(err).split())[:160] or type(err).__name__}") from err
