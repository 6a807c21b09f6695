"""Download one file: resumable, only over https, never at its final name before its hash is right.

The bytes go to ``<name>.part``. An interrupted transfer goes on from there where the server
allows ranges, and starts over where it does not. Plain http is refused, at the start and on every
redirect; only this machine (127.0.0.1, localhost) is excepted.
"""

from __future__ import annotations

import http.client
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .entries import Archive
from .errors import DataError
from .images import file_sha256

Progress = Callable[[int, int | None], None]

_CHUNK = 1 << 18
_TIMEOUT_S = 60
_LOCAL = frozenset({"127.0.0.1", "::1", "localhost"})
_NETWORK_ERRORS = (OSError, http.client.HTTPException)
_PARTIAL, _RANGE_NOT_SATISFIABLE, _TOO_MANY_REQUESTS = 206, 416, 429


class _BrokenTransferError(Exception):
    """The transfer broke; trying again may help."""


def download(
    archive: Archive,
    target: Path,
    *,
    attempts: int = 5,
    progress: Progress | None = None,
    sleep: Callable[[float], None] | None = None,
) -> Path:
    """Download an archive and check its hash.

    Parameters
    ----------
    archive
        Address, sha256 and, where known, size.
    target
        Where it shall lie. A file that is already there is hashed, not trusted.
    attempts
        How many attempts in a row may fail without a new byte; the wait between them doubles from
        one second.
    progress
        Called with the bytes there are and the bytes there will be (None if unknown).
    sleep
        Waits so many seconds; None = ``time.sleep``.

    Raises
    ------
    DataError
        Refused address, no connection, wrong size or wrong hash. After a wrong hash the part is
        deleted; after a broken connection it stays, to go on from.
    """
    check_url(archive.url)
    if target.exists():
        return _check_present(archive, target)
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _transfer_all(archive, part, attempts, progress, sleep or time.sleep)
        found = file_sha256(part)
        if found != archive.sha256:
            told = _wrong_hash(archive, found, part)
            part.unlink()
            raise DataError(f"{archive.url}: {told}; the part was deleted")
        part.replace(target)
    except OSError as err:
        raise DataError(f"{target}: cannot be written ({err.strerror})") from err
    return target


def check_url(url: str, *, origin: str | None = None) -> None:
    """Refuse any address but https, or http on this machine.

    Parameters
    ----------
    url
        The address.
    origin
        The address that redirected here; from https nothing may lead to http.

    Raises
    ------
    DataError
        The address is refused.
    """
    parts = urlsplit(url)
    secure_origin = origin is not None and urlsplit(origin).scheme == "https"
    local = parts.scheme == "http" and parts.hostname in _LOCAL and not secure_origin
    if parts.scheme != "https" and not local:
        where = f"{origin} redirects to {url}" if origin else url
        raise DataError(f"{where}: refused, only https is allowed")


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: urllib.request.Request, *rest: Any, **named: Any) -> Any:
        # The new address comes last: (fp, code, msg, headers, newurl).
        check_url(named.get("newurl") or rest[-1], origin=req.full_url)
        return super().redirect_request(req, *rest, **named)


def _check_present(archive: Archive, target: Path) -> Path:
    found = file_sha256(target)
    if found != archive.sha256:
        told = _wrong_hash(archive, found, target)
        raise DataError(f"{target}: {told}; delete it or move it away")
    return target


def _wrong_hash(archive: Archive, found: str, path: Path) -> str:
    with path.open("rb") as handle:
        page = handle.read(64).lstrip().startswith(b"<")
    hint = " (it looks like a web page)" if page else ""
    return f"sha256 is {found}{hint}, expected {archive.sha256}"


def _transfer_all(
    archive: Archive,
    part: Path,
    attempts: int,
    progress: Progress | None,
    sleep: Callable[[float], None],
) -> None:
    failures = 0
    while True:
        before = _size(part)
        try:
            _transfer(archive, part, progress)
            return
        except _BrokenTransferError as err:
            failures = 1 if _size(part) > before else failures + 1
            if failures >= attempts:
                raise DataError(f"{archive.url}: download failed ({err})") from err
            sleep(2.0 ** (failures - 1))


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _transfer(archive: Archive, part: Path, progress: Progress | None) -> None:
    """Make one attempt to bring the part to its full length."""
    start = _size(part)
    if archive.size is not None and start == archive.size:
        return
    if archive.size is not None and start > archive.size:
        part.unlink()
        start = 0
    # Compressed transfer would make ranges and lengths mean something else.
    headers = {"User-Agent": "adrepro", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    request = urllib.request.Request(archive.url, headers=headers)  # noqa: S310 - scheme checked
    opener = urllib.request.build_opener(_SafeRedirects)
    try:
        response = opener.open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as err:
        _on_status(archive, err, part)
        return
    except _NETWORK_ERRORS as err:
        raise _BrokenTransferError(_reason(err)) from err
    with response:
        resumed = response.status == _PARTIAL and _range_start(response) == start
        if response.status == _PARTIAL and not resumed:
            part.unlink(missing_ok=True)
            raise _BrokenTransferError("the server sent another range than asked for")
        _receive(archive, response, part, start if resumed else 0, progress)


def _on_status(archive: Archive, err: urllib.error.HTTPError, part: Path) -> None:
    if err.code == _RANGE_NOT_SATISFIABLE:
        # The part is complete already, or longer than the file: the hash will tell.
        total = (err.headers.get("Content-Range") or "").rpartition("/")[2]
        if total == str(_size(part)):
            return
        part.unlink(missing_ok=True)
    elif err.code < 500 and err.code != _TOO_MANY_REQUESTS:
        raise DataError(f"{archive.url}: the server says {err.code} {err.reason}") from err
    raise _BrokenTransferError(f"the server says {err.code} {err.reason}") from err


def _reason(err: Exception) -> str:
    reason = getattr(err, "reason", None) or err
    return " ".join(str(reason).split()) or type(err).__name__


def _range_start(response: Any) -> int | None:
    text = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(text) if text.isdigit() else None


def _receive(
    archive: Archive, response: Any, part: Path, start: int, progress: Progress | None
) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else archive.size
    if archive.size is not None and total != archive.size:
        told = f"the server offers {total} bytes, expected {archive.size}"
        raise DataError(f"{archive.url}: {told}; the archive was replaced or is not there")
    free = shutil.disk_usage(part.parent).free
    if total is not None and total - start > free:
        raise DataError(f"{part.parent}: {free} bytes free, the download needs {total - start}")
    done = start
    with part.open("ab" if start else "wb") as sink:
        while chunk := _read(response):
            sink.write(chunk)
            done += len(chunk)
            if total is not None and done > total:
                raise DataError(f"{archive.url}: sends more than the {total} bytes announced")
            if progress:
                progress(done, total)
    if total is not None and done < total:
        raise _BrokenTransferError(f"the connection broke after {done} of {total} bytes")


def _read(response: Any) -> bytes:
    try:
        return response.read(_CHUNK)
    except _NETWORK_ERRORS as err:
        raise _BrokenTransferError(_reason(err)) from err
