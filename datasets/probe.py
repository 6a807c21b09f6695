"""Look at one file: decode it whole and write down what was seen. No other file is consulted."""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from . import images
from .manifest import FileRecord, ProblemKind, Role

# Below this side length in pixels nothing can be seen in an image; 1×1 files are placeholders.
MIN_SIDE = 4

_EXIF_ORIENTATION = 0x0112
_UPRIGHT = (0, 1)  # 0 is written by cameras that do not know

Finding = tuple[ProblemKind, str]


def probe(path: Path, file_id: str, role: Role) -> FileRecord:
    """Read one image or mask completely.

    Parameters
    ----------
    path
        The file.
    file_id
        Its id in the dataset.
    role
        What the loader takes it for.

    Returns
    -------
    FileRecord
        With findings instead of exceptions: a damaged file never stops a scan.
    """
    try:
        stat = path.stat()
        size, mtime_ns, ctime_ns = stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
        if size == 0:
            finding = (ProblemKind.EMPTY_FILE, "zero bytes")
            return FileRecord(
                id=file_id, role=role, mtime_ns=mtime_ns, ctime_ns=ctime_ns, findings=(finding,)
            )
        sha256 = images.file_sha256(path)
    except OSError as err:
        return FileRecord(id=file_id, role=role, findings=(_access_finding(path, err),))
    seen = _look(path, role)
    return FileRecord(
        id=file_id,
        role=role,
        size=size,
        mtime_ns=mtime_ns,
        ctime_ns=ctime_ns,
        sha256=sha256,
        **seen,
    )


def link_finding(path: Path) -> Finding | None:
    """Say what is wrong with a link; None for anything that can be reached."""
    if not path.is_symlink():
        return None
    try:
        path.stat()
    except OSError as err:
        return _access_finding(path, err)
    return None


def _access_finding(path: Path, err: OSError) -> Finding:
    if err.errno == errno.ELOOP:
        return ProblemKind.LINK_LOOP, "a link that leads back to itself"
    if path.is_symlink():
        return ProblemKind.BROKEN_LINK, "a link that leads nowhere"
    return ProblemKind.UNREADABLE, err.strerror or str(err)


def _look(path: Path, role: Role) -> dict:
    try:
        with Image.open(path) as handle:
            if handle.width * handle.height > images.MAX_PIXELS:
                return {"findings": (_too_large(f"{handle.width}×{handle.height} pixels"),)}
            return _look_at_mask(handle) if role == "mask" else _look_at_image(handle)
    except images.DepthError as err:
        return {"findings": ((ProblemKind.TOO_DEEP, str(err)),)}
    except Image.DecompressionBombError:
        return {"findings": (_too_large("a decompression bomb"),)}
    except images.DECODE_ERRORS as err:
        # Pillow repeats the path in some messages; the finding is read next to the id.
        detail = str(err).replace(str(path), path.name) or type(err).__name__
        return {"findings": ((ProblemKind.UNREADABLE, " ".join(detail.split())),)}


def _too_large(what: str) -> Finding:
    return ProblemKind.TOO_LARGE, f"{what}, over the limit of {images.MAX_PIXELS}"


def _look_at_image(handle: Image.Image) -> dict:
    mode = handle.mode
    rgb, reduced = images.to_rgb(handle)  # first: reading EXIF drops what it needs of the header
    findings = list(_header_findings(handle, mode))
    if reduced:
        findings.append((ProblemKind.SIXTEEN_BIT, reduced))
    findings += _size_findings(rgb)
    return _seen(np.asarray(rgb), mode, findings)


def _look_at_mask(handle: Image.Image) -> dict:
    findings = _size_findings(handle)
    mode = handle.mode
    grey = images.mask_values(handle)
    levels = len(np.unique(grey))
    if levels > 2:
        findings.append(
            (ProblemKind.MASK_NOT_BINARY, f"{levels} grey levels; any non-zero pixel counts")
        )
    binary = (grey != 0).astype(np.uint8)
    seen = _seen(binary, mode, findings)
    return seen | {"levels": levels, "foreground": int(binary.sum())}


def _seen(array: np.ndarray, mode: str, findings: list[Finding]) -> dict:
    height, width = array.shape[:2]
    digest = hashlib.sha256(f"{width}x{height}:".encode())
    digest.update(np.ascontiguousarray(array).data)
    return {
        "pixels": digest.hexdigest(),
        "width": width,
        "height": height,
        "mode": mode,
        "findings": tuple(findings),
    }


def _size_findings(image: Image.Image) -> list[Finding]:
    if min(image.size) >= MIN_SIDE:
        return []
    return [(ProblemKind.TOO_SMALL, f"{image.width}×{image.height} pixels, a placeholder?")]


def _header_findings(handle: Image.Image, mode: str) -> Iterator[Finding]:
    if mode == "CMYK":
        yield ProblemKind.CMYK, "converted to RGB without a colour profile"
    if mode == "P":
        yield ProblemKind.PALETTE, "expanded to RGB"
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in handle.info:
        yield ProblemKind.ALPHA, "dropped"
    orientation = handle.getexif().get(_EXIF_ORIENTATION, 1)
    if orientation not in _UPRIGHT:
        yield ProblemKind.EXIF_ROTATED, f"orientation {orientation}, applied on reading"
