"""Scan a dataset: decode every image and mask once, and list everything that is wrong.

The record of each file is kept in a cache, so that a second scan only asks the file system whether
a file was touched. Nothing is skipped or replaced: `Manifest.raise_if_broken` stops a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from .atomic import write_atomic
from .catalog import cache_root
from .checks import check_category, check_leftovers
from .layout import choose, file_id
from .manifest import FileRecord, Manifest, Problem, ProblemKind, Role, Severity
from .probe import probe
from .types import Dataset

# Raise it whenever `probe` sees or hashes something differently.
CACHE_SCHEMA = 2

Progress = Callable[[int, int], None]


def scan(
    dataset: Dataset,
    categories: Iterable[str] | None = None,
    *,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Decode every image and mask of a dataset and check them against each other.

    Parameters
    ----------
    dataset
        As a loader returned it.
    categories
        Which of its categories; None = all.
    cache
        A JSON file that keeps the records between scans; a record counts only while the file's
        size and times are unchanged. An unreadable or damaged cache is rebuilt; one that cannot
        be written is done without.
    workers
        Threads (Pillow decodes without holding the interpreter's lock); None = up to 8.
    progress
        Called with the number of files done and the number of files.

    Returns
    -------
    Manifest
        With everything that is wrong; a damaged file is a problem in it, not an exception.

    Raises
    ------
    UnknownNameError
        A category is not in the dataset.
    """
    chosen = choose(dataset.name, categories, dataset.categories)
    part = replace(
        dataset, categories=chosen, members={each: dataset.members[each] for each in chosen}
    )
    roles = _roles(part)
    known = _read_cache(cache, dataset.root) if cache else {}
    records = {each: known[each] for each in roles if _is_fresh(known.get(each), roles, dataset)}
    reused = len(records)
    try:
        _probe_rest(dataset.root, roles, records, workers, progress)
    finally:  # an interrupted scan keeps what it has seen
        if cache and len(records) > reused:
            _write_cache(cache, dataset.root, known | records)
    return Manifest(
        dataset=dataset.name,
        root=dataset.root,
        categories=chosen,
        records={each: records[each] for each in roles},
        problems=_check(part, records),
        reused=reused,
    )


def default_cache(root: Path) -> Path:
    """Return the user's cache file for the dataset at ``root``; datasets may be read-only."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return cache_root() / "scan" / f"{digest}.json"


def _roles(dataset: Dataset) -> dict[str, Role]:
    roles: dict[str, Role] = {}
    for category in dataset.members.values():
        for ref in (*category.train, *category.test):
            roles[ref.id] = "image"
            if ref.mask_path is not None:
                roles[file_id(dataset.root, ref.mask_path)] = "mask"
    return roles


def _is_fresh(record: FileRecord | None, roles: dict[str, Role], dataset: Dataset) -> bool:
    if record is None or record.role != roles[record.id]:
        return False
    try:
        stat = (dataset.root / record.id).stat()
    except OSError:
        return False
    # The change time catches what a tool hides that sets the modification time back.
    now = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
    return now == (record.size, record.mtime_ns, record.ctime_ns)


def _probe_rest(
    root: Path,
    roles: dict[str, Role],
    records: dict[str, FileRecord],
    workers: int | None,
    progress: Progress | None,
) -> None:
    rest = [each for each in roles if each not in records]
    pool = ThreadPoolExecutor(workers or min(8, os.cpu_count() or 1))
    try:
        jobs = [pool.submit(probe, root / each, each, roles[each]) for each in rest]
        for job in as_completed(jobs):
            record = job.result()
            records[record.id] = record
            if progress:
                progress(len(records), len(roles))
    finally:
        pool.shutdown(cancel_futures=True)


def _check(dataset: Dataset, records: dict[str, FileRecord]) -> tuple[Problem, ...]:
    problems: dict[Problem, None] = {}  # an ordered set: two images may share one mask
    for category in dataset.members.values():
        problems |= dict.fromkeys(check_category(category, dataset.root, records))
    problems |= dict.fromkeys(check_leftovers(dataset))
    order = list(Severity)
    return tuple(sorted(problems, key=lambda each: order.index(each.severity)))


def _checksum(files: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _write_cache(path: Path, root: Path, records: dict[str, FileRecord]) -> None:
    # Through JSON once, so that the checksum is over what a reader will see.
    files = json.loads(json.dumps({key: asdict(value) for key, value in records.items()}))
    document = {
        "schema": CACHE_SCHEMA,
        "root": str(root.resolve()),
        "checksum": _checksum(files),
        "files": files,
    }
    with contextlib.suppress(OSError):  # only time is lost, at the next scan
        write_atomic(path, json.dumps(document).encode())


def _read_cache(path: Path, root: Path) -> dict[str, FileRecord]:
    try:
        document = json.loads(path.read_bytes())
        if (document["schema"], document["root"]) != (CACHE_SCHEMA, str(root.resolve())):
            return {}
        files = document["files"]
        if document["checksum"] != _checksum(files):
            return {}
        return {key: _record(value) for key, value in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # missing or damaged: only time is lost


def _record(values: dict[str, Any]) -> FileRecord:
    if set(values) != {each.name for each in fields(FileRecord)}:
        raise ValueError("a record of another version")
    findings = tuple((ProblemKind(kind), str(detail)) for kind, detail in values["findings"])
    restored: dict[str, Any] = values | {"findings": findings}
    return FileRecord(**restored)
