"""An index of a store: what its cells said when they were last read, so as to ask again in seconds.

The cells stay the truth. A cell's line counts only while the folder of the cell and every file in
it have the times and sizes they had when it was read; whatever is new, changed or gone is read
again, checksums included. An index that is missing, damaged, or made by another version of this
code is made anew, and a store that cannot be written works without one. What leaves no trace in
times and sizes, such as a bit that flips on the disk, is found by a full read alone: every run
does one, and so does ``--full`` of the commands that use the index.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ..datasets.errors import StoreError
from . import cell, evaluations, files, fingerprint, frames, store
from .frames import BOOLEANS, COLUMNS, FLOATS, INTEGERS, finish_rows, record_row, settle
from .store import Status, Store

if TYPE_CHECKING:
    import pandas as pd

NAME = "index.bin"
# Read this many cells, then pack them: memory does not grow with the documents of all cells.
CHUNK = 2000
# A file that is younger than this when it is read may change again within the clock's grain.
SETTLED_NS = 2_000_000_000
# Rewriting costs as much as reading some hundred cells: fewer news than this share can wait.
WORTH_WRITING = 0.01

_TYPED = ((FLOATS, pa.float64()), (INTEGERS, pa.int64()), (BOOLEANS, pa.bool_()))
_KINDS = {name: kind for names, kind in _TYPED for name in names}
SCHEMA = pa.schema(
    [
        ("stamp", pa.int64()),  # null = too young to be remembered
        ("files", pa.binary()),
        ("label", pa.string()),
        *((name, _KINDS.get(name, pa.string())) for name in COLUMNS),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the cells of a store say, a line each, sorted by key.

    Attributes
    ----------
    table
        The columns of the tidy frame, the cell's label, and what the line was read from.
    read
        How many cells had to be read; the others were as they had been.
    """

    table: pa.Table
    read: int

    def frame(self) -> pd.DataFrame:
        """Return the tidy frame of the store, the same as `frames.store_frame` reads."""
        import pyarrow.compute as pc

        seen = self.table.filter(pc.field("status") != Status.PENDING.value)
        return settle(seen.select(list(COLUMNS)).to_pandas())

    def statuses(self) -> dict[str, Status]:
        """Return key → status of every cell that left a trace."""
        named = {status.value: status for status in Status}
        keys, states = (self.table[name].to_pylist() for name in ("key", "status"))
        return {key: named[state] for key, state in zip(keys, states, strict=True)}

    def rows(self, *columns: str) -> Iterable[tuple[Any, ...]]:
        """Yield these columns of every cell, ``label`` among those there are."""
        return zip(*(self.table[name].to_pylist() for name in columns), strict=True)


def open_index(
    where: Store,
    *,
    full: bool = False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Index:
    """Return the index of a store, brought up to date; it is kept in the store where that can be.

    Parameters
    ----------
    where
        The store.
    full
        Read every cell, whatever an index says.
    progress
        Called with the number of cells that have been read, and that are to be read.

    Raises
    ------
    StoreError
        A cell's row does not fit the columns of a result.
    """
    known = SCHEMA.empty_table() if full else _load(where.root / NAME)
    kept, stale = _compare(where, known)
    news = [_read_chunk(where, chunk) for chunk in _chunks(stale, progress)]
    table = pa.concat_tables(
        [known if len(kept) == len(known) else known.take(pa.array(kept, pa.int64())), *news]
    )
    table = table.sort_by("key") if news else table
    gone = len(known) - len(kept)
    if full or max(len(stale), gone) > WORTH_WRITING * len(table):
        _save(where.root / NAME, table)
    return Index(table=table, read=len(stale))


def _compare(where: Store, known: pa.Table) -> tuple[list[int], list[str]]:
    """Return which known lines hold still, and the keys of the cells that must be read."""
    names = [_split(listed) for listed in known["files"].to_pylist()]
    stamps = known["stamp"].to_pylist()
    places = {key: place for place, key in enumerate(known["key"].to_pylist())}
    root = str(where.root / "cells")
    kept, stale = [], []
    for key in where:
        place = places.get(key)
        if place is not None and stamps[place] == _stamp(f"{root}/{key[:2]}/{key}", names[place]):
            kept.append(place)
        else:
            stale.append(key)
    return kept, stale


@cache
def _split(listed: bytes) -> tuple[str, ...]:
    return tuple(os.fsdecode(name) for name in listed.split(b"/") if name)


def _stamp(folder: str, names: Sequence[str], read_at_ns: int | None = None) -> int | None:
    """Return one number for the times and sizes of a folder and of files in it.

    None where one is gone, or so young at ``read_at_ns`` that a change could leave no trace. The
    change time cannot be set by hand: neither ``touch`` nor unpacking an archive feigns it.
    """
    try:
        entries = [os.stat(folder), *(os.stat(f"{folder}/{name}") for name in names)]
    except OSError:
        return None
    if read_at_ns is not None and any(
        max(entry.st_mtime_ns, entry.st_ctime_ns) > read_at_ns - SETTLED_NS for entry in entries
    ):
        return None
    return hash(tuple((e.st_mtime_ns, e.st_ctime_ns, e.st_size) for e in entries))


def _chunks(keys: list[str], progress: Callable[[int, int], None]) -> Iterable[list[str]]:
    left = iter(keys)
    done = 0
    while chunk := list(islice(left, CHUNK)):
        progress(done, len(keys))
        yield chunk
        done += len(chunk)


def _read_chunk(where: Store, keys: Iterable[str]) -> pa.Table:
    lines = [_read_line(where, key) for key in keys]
    try:
        return pa.Table.from_pylist(lines, schema=SCHEMA)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        for line in lines:
            _refuse_misfit(where, line)
        raise


def _read_line(where: Store, key: str) -> dict[str, Any]:
    folder = where.folder(key)
    names: list[str] = []
    with contextlib.suppress(OSError):
        names = sorted(os.listdir(folder))
    # The stamp comes first: what changes while the cell is read makes it stale, not wrong.
    stamp = _stamp(str(folder), names, time.time_ns())
    record = where.read(key)
    (row,) = finish_rows([record_row(record)])
    label = cell.Cell(**record.document["cell"]).label() if record.document else key[:16]
    return row | {"stamp": stamp, "files": b"/".join(map(os.fsencode, names)), "label": label}


def _refuse_misfit(where: Store, line: Mapping[str, Any]) -> None:
    for column in SCHEMA:
        try:
            pa.array([line.get(column.name)], type=column.type)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as err:
            raise StoreError(
                f"{where.folder(line['key']) / 'result.json'}: {column.name} is "
                f"{line[column.name]!r}, expected {column.type}; delete the folder to run it again"
            ) from err


@cache
def _made_by() -> bytes:
    """Return a hash of the code that decides what a line says."""
    digest = hashlib.sha256()
    for module in (cell, evaluations, files, fingerprint, frames, store):
        digest.update(Path(str(module.__file__)).read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.digest()


def _load(path: Path) -> pa.Table:
    """Return the lines of an index that can be used; an unusable one has none."""
    import pyarrow.parquet as pq

    try:
        raw = path.read_bytes()
        made_by, checksum, body = raw[:32], raw[32:64], memoryview(raw)[64:]
        if made_by != _made_by() or checksum != hashlib.sha256(body).digest():
            return SCHEMA.empty_table()
        table = pq.read_table(pa.BufferReader(body))
    except (OSError, pa.ArrowException):
        return SCHEMA.empty_table()
    return table if table.schema.equals(SCHEMA) else SCHEMA.empty_table()


def _save(path: Path, table: pa.Table) -> None:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table.filter(pc.field("stamp").is_valid()), sink)
    body = sink.getvalue().to_pybytes()
    with contextlib.suppress(StoreError):  # a store that can only be read needs none
        files.write_atomic(path, _made_by() + hashlib.sha256(body).digest() + body)
