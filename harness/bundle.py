"""Bundles: the scores, settings, environment and hashes behind a table, in one zip file.

Layout::

    bundle.json                  what the bundle is of, and the sha256 of every other file
    paper/                       the paper's folder: printed numbers, layout, margin
    cells/<key>/                 result.json, scores.npz, images.json and env.json as in the store;
                                 maps.npz where maps were asked for and the store has them
    masks/<sha256>               mask files that those maps are measured against
    table.csv, check.json        the table and the verdicts as they were

A bundle holds no image and no weights, and maps and masks only if asked for. It is written with
fixed times and order, so that the same results give the same bytes.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import UsageError
from .cell import canonical_json
from .files import sha256
from .npz import CELL_ARRAYS, read_npz
from .store import Record, Status
from .task import image_list_sha256

if TYPE_CHECKING:
    import numpy as np

SCHEMA = 1
MANIFEST = "bundle.json"
PARTS = ("result.json", "scores.npz", "images.json", "env.json")
MAPS, MASKS = "maps.npz", "masks"
_KEY = re.compile(r"[0-9a-f]{64}")
# A member larger than this is no score file of ours; it is not unpacked.
MAX_MEMBER = 256_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """An opened bundle whose files match their checksums.

    Attributes
    ----------
    manifest
        ``bundle.json``: target, preset, methods, ``cells`` (key and the target's method name of
        each) and ``failed`` (key → reason and key document).
    files
        Name → content, without the manifest.
    """

    manifest: Mapping[str, Any]
    files: Mapping[str, bytes]

    def record(self, key: str) -> Record:
        """Return a cell's record; failed ones are in the manifest.

        Raises
        ------
        ValueError
            The result is not that of its key, or not signed as the store signs.
        """
        failed = self.manifest["failed"].get(key)
        if failed is not None:
            return Record(
                key=key,
                status=Status.FAILED,
                reason=failed["reason"],
                document=failed["document"],
            )
        signed = json.loads(self.files[f"cells/{key}/result.json"])
        body = signed["body"]
        document = body["document"]
        if sha256(canonical_json(body).encode()) != signed["sha256"] or body["key"] != key:
            raise ValueError("result.json does not match its checksum or key")
        if sha256(canonical_json(document).encode()) != key:
            raise ValueError("the key is not the hash of what was asked for")
        for name in (*PARTS[1:], *([MAPS] if self.has_maps(key) else [])):
            if sha256(self.files[f"cells/{key}/{name}"]) != body["files"][name]:
                raise ValueError(f"{name} is not the one that the result was written with")
        images = self.images(key)
        if image_list_sha256(images["train"], images["test"]) != document["hashes"]["images"]:
            raise ValueError("images.json does not list the images that the key was made from")
        return Record(key=key, status=Status.DONE, document=document, row=body["row"])

    def has_maps(self, key: str) -> bool:
        """Say whether a cell's maps are packed."""
        return f"cells/{key}/{MAPS}" in self.files

    def mask(self, sha: str) -> bytes:
        """Return a mask file by its hash.

        Raises
        ------
        ValueError
            It is another file; `KeyError` where there is none.
        """
        data = self.files[f"{MASKS}/{sha}"]
        if sha256(data) != sha:
            raise ValueError(f"mask {sha[:12]} does not match its hash")
        return data

    def arrays(self, key: str, part: str = "scores.npz") -> dict[str, np.ndarray]:
        """Return a cell's ``scores.npz``, or its maps, read without pickle.

        Raises
        ------
        ValueError
            It holds something else than such a file does, or claims what it does not hold.
        """
        try:
            return read_npz(self.files[f"cells/{key}/{part}"], CELL_ARRAYS[Path(part).stem])
        except ValueError as err:
            raise ValueError(f"{part}: {err}") from err

    def images(self, key: str) -> Mapping[str, Any]:
        """Return a cell's ``images.json``."""
        return json.loads(self.files[f"cells/{key}/images.json"])


def pack(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a bundle; equal content gives equal bytes.

    Raises
    ------
    UsageError
        A file is larger than `unpack` takes.
    """
    for name, data in files.items():
        if len(data) > MAX_MEMBER:
            raise UsageError(f"{name} has {len(data)} bytes, a bundle takes {MAX_MEMBER} a file")
    hashes = {name: sha256(data) for name, data in files.items()}
    body = dict(manifest) | {"schema": SCHEMA, "files": hashes}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in [(MANIFEST, canonical_json(body).encode()), *sorted(files.items())]:
            member = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    return out.getvalue()


def unpack(path: Path) -> Bundle:
    """Read a bundle into memory; nothing of it is written to disk.

    Raises
    ------
    UsageError
        No bundle, a newer one, or a file that is missing, added, too large or altered; one line.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            large = [m.filename for m in archive.infolist() if m.file_size > MAX_MEMBER]
            if large or len(set(names)) < len(names):
                raise ValueError(f"{(large or ['a name'])[0]} is too large or stands twice")
            manifest = json.loads(archive.read(MANIFEST))
            files = {name: archive.read(name) for name in names if name != MANIFEST}
        _check(manifest, files)
    except OSError as err:
        raise UsageError(f"cannot read the bundle {path}: {err.strerror or err}") from err
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError, RecursionError,
            NotImplementedError, RuntimeError, EOFError) as err:  # fmt: skip
        raise UsageError(
            f"{path} is no sound bundle ({type(err).__name__}: {err}): expected a file that "
            "`reproduce bundle` wrote"
        ) from err
    return Bundle(manifest=manifest, files=files)


def _check(manifest: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
    if manifest["schema"] != SCHEMA:
        raise ValueError(f"schema {manifest['schema']}, expected {SCHEMA}")
    wrong = [
        name
        for name in sorted(files.keys() | manifest["files"].keys())
        if name not in files or manifest["files"].get(name) != sha256(files[name])
    ]
    if wrong:
        raise ValueError(f"{wrong[0]} does not match its checksum ({len(wrong)} in all)")
    for owner in manifest["cells"]:
        key = owner["key"]
        if not _KEY.fullmatch(key) or not isinstance(owner["method"], str):
            raise ValueError(f"cell {key!s:.70} has no valid key")
        parts = [f"cells/{key}/{part}" for part in PARTS]
        if key not in manifest["failed"] and any(part not in files for part in parts):
            raise ValueError(f"cell {key[:12]} lacks one of {', '.join(PARTS)}")
    for name, kind in (("target", str), ("preset", str), ("adrepro", str), ("methods", list)):
        if not isinstance(manifest[name], kind):
            raise TypeError(f"{name} is {manifest[name]!r:.60}")
