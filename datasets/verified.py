"""Files whose content is held against its hash while it is read.

A file may be changed, and put back, at any instant: a hash asked for before or after reading says
nothing of what was read. So the open file itself is looked at, before and after. Its time of
inode change cannot be set by hand, and a file put in its place is another one; as long as both are
those at which it was hashed, no hash is computed again.

What times cannot tell goes unnoticed: a change on a file server whose clock goes more than
`SETTLED_NS` behind this machine's, within that of the moment the file was hashed; or a clock that
was set back meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

from .errors import DataError

Stamp = tuple[int, int, int, int, int]
Made = TypeVar("Made")

# A change within one tick of the file system's clock leaves no trace in times; the coarsest count
# whole or every other second.
SETTLED_NS = 2_000_000_000
_known: dict[Path, tuple[Stamp, str]] = {}


def known_sha256(path: Path) -> str:
    """Hash a file's content, once for as long as it is the same file and unchanged; hexadecimal.

    Raises
    ------
    OSError
        It cannot be read.
    """
    known = _known.get(path)
    if known is not None and known[0] == _stamp(path.stat()):
        return known[1]
    with _opened(path) as stream:
        before = _stamp(os.fstat(stream.fileno()))
        found = hashlib.file_digest(stream, "sha256").hexdigest()
        _remember(path, before, stream, found)
    return found


def read_verified(path: Path, sha256: str, read: Callable[[BinaryIO], Made]) -> Made:
    """Return what is read from a file, all of it from the content that is expected.

    Parameters
    ----------
    path
        The file.
    sha256
        Of its content, hexadecimal.
    read
        Called with the open file; with its content in memory where that has to be hashed first.

    Raises
    ------
    DataError
        Its content is another.
    OSError
        It cannot be read.
    """
    with _opened(path) as stream:
        before = _stamp(os.fstat(stream.fileno()))
        if _known.get(path) == (before, sha256):
            try:
                made = read(stream)
            except Exception:
                if _stamp(os.fstat(stream.fileno())) == before:
                    raise
            else:
                if _stamp(os.fstat(stream.fileno())) == before:
                    return made
            stream.seek(0)
        content = stream.read()
        found = hashlib.sha256(content).hexdigest()
        _remember(path, before, stream, found)
    if found != sha256:
        raise DataError(
            f"{path}: its content is not what it was when the run was planned; run the same "
            "command again"
        )
    return read(io.BytesIO(content))


def _opened(path: Path) -> io.BufferedReader:
    """Open a regular file; reading from a pipe or a device might never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    return path.open("rb")


def _remember(path: Path, before: Stamp, stream: BinaryIO, sha256: str) -> None:
    """Remember a hash if the file was the same before and after, and is not too new to tell."""
    settled = time.time_ns() - before[-1] > SETTLED_NS  # nor from the future
    if settled and _stamp(os.fstat(stream.fileno())) == before:
        _known[path] = (before, sha256)


def _stamp(seen: os.stat_result) -> Stamp:
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)
