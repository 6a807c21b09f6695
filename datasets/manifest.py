"""What a scan finds out: a record per file, the list of problems, and a file to compare with."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from .atomic import write_atomic
from .errors import DataError
from .layout import file_id

MANIFEST_SCHEMA = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")

Role = Literal["image", "mask"]


class Severity(StrEnum):
    """How much a problem matters."""

    ERROR = "error"
    """Results would be wrong or impossible: nothing runs on such data."""
    WARNING = "warning"
    """Usable by a stated rule, but worth knowing."""
    NOTE = "note"
    """For information."""


class ProblemKind(StrEnum):
    """What can be wrong with a file."""

    UNREADABLE = "unreadable"
    EMPTY_FILE = "empty file"
    BROKEN_LINK = "broken link"
    LINK_LOOP = "link loop"
    TOO_LARGE = "too large"
    TOO_SMALL = "too small"
    TOO_DEEP = "too deep"
    EMPTY_CATEGORY = "empty category"
    MASK_MISSING = "mask missing"
    MASK_SIZE = "mask size"
    MASK_EMPTY = "mask empty"
    MASK_NOT_BINARY = "mask not binary"
    MASK_ON_NOMINAL = "mask on nominal"
    SIXTEEN_BIT = "more than 8 bit"
    CMYK = "cmyk"
    EXIF_ROTATED = "exif rotation"
    ALPHA = "alpha channel"
    PALETTE = "palette"
    TRAIN_TEST_LEAK = "in train and test"
    LABEL_CONFLICT = "nominal and anomalous"
    DUPLICATE = "duplicate"
    UNUSED = "unused file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with one file.

    Attributes
    ----------
    kind, severity
        What, and how much it matters.
    file
        Posix path below the dataset's root, or the category where that is what is wrong.
    detail
        What was found, what was expected, in a few words.
    """

    kind: ProblemKind
    severity: Severity
    file: str
    detail: str

    def line(self) -> str:
        """Return the problem as one line of text."""
        return f"{self.file}: {self.kind.value}: {self.detail}"

    def as_dict(self) -> dict[str, str]:
        """Return the problem as plain values."""
        return {
            "kind": self.kind.value,
            "severity": self.severity.value,
            "file": self.file,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRecord:
    """What was seen in one file.

    Attributes
    ----------
    id
        Posix path below the dataset's root.
    role
        Whether it was read as an image or as a mask.
    size, mtime_ns, ctime_ns
        Bytes, and the times that tell whether the file was touched since, in ns.
    sha256
        Of the bytes, hexadecimal; empty if they could not be read.
    pixels
        sha256 of the size and the decoded RGB pixels (of the {0, 1} pixels for a mask),
        hexadecimal: equal for re-encoded duplicates; empty if it could not be decoded.
    width, height, mode
        In pixels, as decoded; Pillow's mode before conversion.
    levels, foreground
        Of a mask: number of distinct grey levels, and of non-zero pixels.
    findings
        What is wrong with the file taken by itself: kind and detail.
    """

    id: str
    role: Role
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    sha256: str = ""
    pixels: str = ""
    width: int = 0
    height: int = 0
    mode: str = ""
    levels: int = 0
    foreground: int = 0
    findings: tuple[tuple[ProblemKind, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The outcome of scanning a dataset.

    Attributes
    ----------
    dataset, root, categories
        What was scanned.
    records
        A record per image and mask, by id.
    problems
        Everything that is wrong, errors first.
    reused
        How many records came from the cache.
    """

    dataset: str
    root: Path
    categories: tuple[str, ...]
    records: dict[str, FileRecord] = field(repr=False)
    problems: tuple[Problem, ...]
    reused: int = 0

    def record(self, path: Path) -> FileRecord:
        """Return the record of an image or mask by its path; an unscanned one is a KeyError."""
        return self.records[file_id(self.root, path)]

    def of(self, severity: Severity) -> tuple[Problem, ...]:
        """Return the problems of one severity."""
        return tuple(each for each in self.problems if each.severity is severity)

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems that nothing may run with."""
        return self.of(Severity.ERROR)

    def raise_if_broken(self) -> None:
        """Stop where the data has errors.

        Raises
        ------
        DataError
            One line: how many, the first, and the command that lists all.
        """
        if not self.errors:
            return
        count = len(self.errors)
        plural = "error" if count == 1 else "errors"
        raise DataError(
            f"{self.dataset}: {count} {plural} in the images, first: {self.errors[0].line()};"
            f" all: `reproduce data scan {self.dataset}={self.root}`"
        )

    def write(self, path: Path) -> None:
        """Record the content hashes in a file to verify another copy against.

        The file holds no times and no local path.

        Raises
        ------
        DataError
            A file of the dataset could not be read, or the manifest cannot be written.
        """
        unread = [each.id for each in self.records.values() if not each.sha256]
        if unread:
            told = f"{len(unread)} files of {self.dataset} could not be read, first {unread[0]}"
            raise DataError(f"{path}: no manifest written: {told}; replace them first")
        files = {
            each.id: {"sha256": each.sha256, "size": each.size} for each in self.records.values()
        }
        document = {"schema": MANIFEST_SCHEMA, "dataset": self.dataset, "files": files}
        try:
            write_atomic(path, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
        except OSError as err:
            raise DataError(f"{path}: cannot write the manifest ({err.strerror})") from err


def read_manifest(path: Path) -> dict[str, str]:
    """Read a file that `Manifest.write` wrote.

    Returns
    -------
    dict
        sha256 of each file, hexadecimal, by id.

    Raises
    ------
    DataError
        The file is missing, not a manifest, or of a newer version.
    """
    expected = "expected a file made by `reproduce data scan NAME --write-manifest FILE`"
    try:
        document: Any = json.loads(path.read_bytes())
    except OSError as err:
        raise DataError(f"{path}: cannot be read ({err.strerror}); {expected}") from err
    except ValueError as err:
        raise DataError(f"{path}: not JSON ({err}); {expected}") from err
    schema = document.get("schema") if isinstance(document, dict) else None
    if isinstance(schema, int) and schema > MANIFEST_SCHEMA:
        raise DataError(f"{path}: manifest of version {schema}; upgrade adrepro to read it")
    try:
        hashes = {str(key): value["sha256"] for key, value in document["files"].items()}
        valid = all(_SHA256.fullmatch(each) for each in hashes.values())
    except (AttributeError, KeyError, TypeError):
        valid, hashes = False, {}
    if schema != MANIFEST_SCHEMA or not valid:
        raise DataError(f"{path}: not a manifest; {expected}")
    return hashes
