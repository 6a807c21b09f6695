"""Unpack archives that may be hostile.

Nothing is left to the extraction helpers of the standard library, whose safety differs between
Python 3.11 and 3.13: each member's name and type is checked, its bytes are copied under a budget,
and permissions, owners and times in the archive are ignored. The members go to a fresh folder
beside the target, which takes the target's name only when everything is there.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from .errors import DataError
from .owners import left_behind, owner_tag

_CHUNK = 1 << 20
_DRIVE = re.compile(r"[A-Za-z]:")
_DECOMPRESSORS: tuple[tuple[bytes, Callable[[Path], Any]], ...] = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"BZh", bz2.open),
)
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_TAR_BLOCK = 512
_DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much an archive may hold before it is taken for an attack.

    Attributes
    ----------
    members
        Number of files and folders.
    total_bytes
        Of all files, unpacked.
    ratio
        Unpacked bytes per archive byte; images hardly compress, so 100 is generous.
    ratio_floor_bytes
        The ratio is not looked at below this many unpacked bytes.
    """

    members: int = 200_000
    total_bytes: int = 64 << 30
    ratio: float = 100.0
    ratio_floor_bytes: int = 16 << 20


class _Budget:
    """Counts unpacked bytes and members; refuses beyond the limits."""

    def __init__(self, archive: Path, limits: Limits) -> None:
        self._limits = limits
        by_ratio = max(limits.ratio_floor_bytes, int(archive.stat().st_size * limits.ratio))
        self._allowed = min(limits.total_bytes, by_ratio)
        self._bytes = self._members = 0

    def spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > self._allowed:
            raise DataError(f"unpacks to more than {self._allowed} bytes (a decompression bomb?)")

    def member(self) -> None:
        self._members += 1
        if self._members > self._limits.members:
            raise DataError(f"holds more than {self._limits.members} members")


class _Metered:
    """A decompressed stream that spends the budget on every read, headers included."""

    def __init__(self, stream: IO[bytes], budget: _Budget) -> None:
        self._stream, self._budget = stream, budget
        self.tail = b""

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(_CHUNK if size < 0 else size)
        self._budget.spend(len(data))
        self.tail = (self.tail + data[-_TAR_BLOCK:])[-_TAR_BLOCK:]
        return data


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    is_folder: bool
    open: Callable[[], IO[bytes]]


def extract(
    archive: Path,
    target: Path,
    *,
    limits: Limits | None = None,
    prepare: Callable[[Path], Path] | None = None,
) -> Path:
    """Unpack a tar (plain, gz, xz, bz2) or zip archive.

    Parameters
    ----------
    archive
        The archive; its kind is told by its first bytes, not by its name.
    target
        The folder to make; it must not exist, or be empty.
    limits
        Refused beyond these; None = the defaults.
    prepare
        Called with the unpacked folder before it takes the target's name; returns the folder in
        it that shall take the name. What it raises undoes the extraction.

    Returns
    -------
    Path
        ``target``.

    Raises
    ------
    DataError
        The archive is damaged, too large, or has a member with a path outside, a link, a device,
        a setuid file or a name given twice. Nothing of it is left on disk then.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target}: already exists and is not empty; move it away first")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep_orphans(target)
        fresh = target.with_name(f".{target.name}.extract{owner_tag()}")
        fresh.mkdir()
    except OSError as err:
        raise DataError(f"{target}: cannot be made ({err.strerror})") from err
    try:
        _unpack(archive, fresh, limits or Limits())
        source = prepare(fresh) if prepare else fresh
        if target.exists():
            target.rmdir()  # empty; Windows does not rename over it
        source.replace(target)
    except OSError as err:
        raise DataError(f"{target}: cannot be put in place ({err.strerror})") from err
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _sweep_orphans(target: Path) -> None:
    """Remove what killed extractions left behind, and nothing of one that may still be running."""
    started = target.parent.glob(f".{glob.escape(target.name)}.extract*")
    for orphan in left_behind(started, target.parent):
        shutil.rmtree(orphan, ignore_errors=True)


def _unpack(archive: Path, folder: Path, limits: Limits) -> None:
    try:
        budget = _Budget(archive, limits)
        members = _zip_members if _starts_with(archive, *_ZIP) else _tar_members
        seen: dict[str, bool] = {}
        for member in members(archive, budget):
            budget.member()
            _write(member, folder, seen)
    except DataError as err:
        raise DataError(f"{archive}: refused: {err}") from err
    except _DAMAGE as err:
        told = " ".join(str(err).split()) or type(err).__name__
        raise DataError(f"{archive}: cannot be unpacked ({told}); fetch it again") from err


def _write(member: _Member, folder: Path, seen: dict[str, bool]) -> None:
    parts = _safe_parts(member.name)
    if not parts:  # "./", the folder itself
        return
    path = folder.joinpath(*parts)
    # Compared without case, because some file systems cannot keep both.
    name = "/".join(parts).casefold()
    if name in seen and not (member.is_folder and seen[name]):
        raise DataError(f"member name given twice: '{member.name}'")
    seen[name] = member.is_folder
    if member.is_folder:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, path.open("xb") as sink:
        shutil.copyfileobj(source, sink, _CHUNK)


def _safe_parts(name: str) -> tuple[str, ...]:
    """Split a member's name; refuse one that could lead outside on any operating system."""
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    outside = name.startswith("/") or "\\" in name or _DRIVE.match(name) or ".." in parts
    if outside or "\0" in name:
        raise DataError(f"member path leads outside: {name!r}")
    return parts


def _zip_members(archive: Path, budget: _Budget) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as handle:
        for info in handle.infolist():
            # `filename` is already cleaned up (cut at NUL); judge what is really written there.
            name = info.orig_filename
            mode = info.external_attr >> 16
            kind = stat.S_IFMT(mode)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"member is a link or device: {name!r}")
            _refuse_setuid(name, mode, is_folder=info.is_dir())
            if info.flag_bits & 0x1:
                raise DataError(f"member is encrypted: {name!r}")

            def opener(info: zipfile.ZipInfo = info) -> IO[bytes]:
                return _ZipStream(handle.open(info), budget)  # type: ignore[return-value]

            yield _Member(name, info.is_dir(), opener)


class _ZipStream(_Metered):
    def __enter__(self) -> _ZipStream:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _tar_members(archive: Path, budget: _Budget) -> Iterator[_Member]:
    with _decompressed(archive) as raw:
        metered = _Metered(raw, budget)
        # Read as a stream: one pass, and an xz archive is decompressed once.
        with tarfile.open(fileobj=metered, mode="r|") as handle:  # type: ignore[call-overload]
            for info in handle:
                if not (info.isreg() or info.isdir()) or info.issparse():
                    raise DataError(f"member is a link, device or sparse file: {info.name!r}")
                _refuse_setuid(info.name, info.mode, is_folder=info.isdir())

                def opener(info: tarfile.TarInfo = info) -> IO[bytes]:
                    stream = handle.extractfile(info)
                    assert stream is not None, "regular files have content"
                    return stream

                yield _Member(info.name, info.isdir(), opener)
        while metered.read(_CHUNK):  # to the end: the checksum of gz and xz comes last
            pass
        # tarfile takes a cut at a member's border for the end; a whole archive ends in zeros.
        if any(metered.tail):
            raise tarfile.ReadError("unexpected end of data")


def _decompressed(archive: Path) -> IO[bytes]:
    for magic, opener in _DECOMPRESSORS:
        if _starts_with(archive, magic):
            return opener(archive)
    return archive.open("rb")


def _starts_with(archive: Path, *magics: bytes) -> bool:
    with archive.open("rb") as handle:
        return handle.read(8).startswith(magics)


def _refuse_setuid(name: str, mode: int, *, is_folder: bool) -> None:
    if not is_folder and mode & (stat.S_ISUID | stat.S_ISGID):
        raise DataError(f"member is setuid or setgid: {name!r}")
