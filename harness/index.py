"""An index of a store: what its cells said when they were last read, so as to ask again in seconds.

The cells stay the truth. A cell's line counts only while the cell's folder, its result or failure
and its scores (`WATCHED`) have the times and sizes they had when it was read; a cell that is new,
changed or gone is read again, checksums included. A folder's time changes whenever a file in it is
added, removed or replaced, which is all that a store ever does; so these few tell of everything
but an edit *in place* of a log, an image list, maps or the environment. That, and what leaves no
trace in times and sizes, such as a bit that flips on the disk, is found by a full read alone: every
run does one, and so does ``--full`` of the commands that use the index. An index that is missing,
damaged, or made by another version of this code is made anew, and a store that cannot be written
works without one.

Who asks for a few keys of many (``asked``) gets the truth about these; what the index says of the
others, e.g. how long they took, is believed then.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby, islice
from operator import attrgetter
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
# Of a cell's files, those whose times and sizes are looked at beside the folder's: each look costs
# a third of a second for 100,000 cells.
WATCHED = ("failure.json", "result.json", "scores.npz")
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


_PROOF = ("key", "stamp", "files")  # what tells whether a line still holds
_FACTS = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size")


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """What the cells of a store say, a line each, sorted by key.

    Attributes
    ----------
    table
        The columns that were asked for, of those of the tidy frame and ``label``.
    read
        How many cells had to be read; the others were as they had been.
    """

    table: pa.Table
    read: int

    def frame(self) -> pd.DataFrame:
        """Return the tidy frame of the store, the same as `frames.store_frame` reads.

        It has those of its columns that the index was opened with; ``status`` must be one.
        """
        seen = self.table.select([name for name in self.table.column_names if name in COLUMNS])
        if Status.PENDING.value in (states := seen["status"].to_pylist()):
            seen = seen.filter(pa.array([state != Status.PENDING.value for state in states]))
        return settle(seen.to_pandas())

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
    columns: Sequence[str] | None = None,
    asked: Collection[str] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Index:
    """Return the index of a store, brought up to date; it is kept in the store where that can be.

    Parameters
    ----------
    where
        The store.
    full
        Read every cell, whatever an index says.
    columns
        Of the tidy frame, and ``label``; None = all. Few of them are read in a tenth of the time.
    asked
        The keys that the caller wants the truth about; None = all. Any other cell that the index
        knows and the store still lists is taken to be as it was, without a look at its files.
    progress
        Called with the number of cells that have been read, and that are to be read.

    Raises
    ------
    StoreError
        A cell's row does not fit the columns of a result.
    """
    wanted = list(dict.fromkeys(("label", *COLUMNS) if columns is None else columns))
    known = _Known(b"") if full else _load(where.root / NAME)
    kept, stale = _compare(where, known.lines(_PROOF), asked)
    gone = known.count - len(kept)
    if not stale and not gone and not full:
        return Index(table=known.lines(wanted), read=0)
    news = [_read_chunk(where, chunk) for chunk in _chunks(stale, progress)]
    table = pa.concat_tables([known.lines(SCHEMA.names).take(pa.array(kept, pa.int64())), *news])
    table = table.sort_by("key")
    if full or max(len(stale), gone) > WORTH_WRITING * len(table):
        _save(where.root / NAME, table)
    return Index(table=table.select(wanted), read=len(stale))


def _compare(
    where: Store, known: pa.Table, asked: Collection[str] | None
) -> tuple[list[int], list[str]]:
    """Return which known lines hold still, and the keys of the cells that must be read."""
    names = [_split(listed) for listed in known["files"].to_pylist()]
    stamps = known["stamp"].to_pylist()
    places = {key: place for place, key in enumerate(known["key"].to_pylist())}
    kept, stale = [], []
    if asked is None:
        looked: Iterable[str] = where
    else:
        asked = frozenset(asked)
        listed = list(where)
        kept = [
            place for key in listed if key not in asked and (place := places.get(key)) is not None
        ]
        looked = [key for key in listed if key in asked or key not in places]
    for group, keys in groupby(looked, key=lambda key: key[:2]):
        with _opened(where.root / "cells" / group) as parent:
            for key in keys:
                place = places.get(key)
                if place is not None and stamps[place] == _stamp(key, names[place], parent=parent):
                    kept.append(place)
                else:
                    stale.append(key)
    return kept, stale


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int | None]:
    """Open a folder, from which a look at its files is shorter; None where it is gone."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


@cache
def _split(listed: bytes) -> tuple[str, ...]:
    return tuple(name for name in listed.decode().split("/") if name)


def _stamp(
    folder: str, names: Sequence[str], read_at_ns: int | None = None, parent: int | None = None
) -> int | None:
    """Return one number for the times and sizes of a folder and of files in it.

    None where one is gone, or so young at ``read_at_ns`` that a change could leave no trace. The
    change time cannot be set by hand: neither ``touch`` nor unpacking an archive feigns it.
    ``parent`` is an open folder that ``folder`` is relative to.
    """
    look = os.stat
    facts: list[int] = []
    try:
        facts += _FACTS(look(folder, dir_fd=parent))
        for name in names:
            facts += _FACTS(look(f"{folder}/{name}", dir_fd=parent))
    except OSError:
        return None
    if read_at_ns is not None:
        times = (time for place, time in enumerate(facts) if place % 3 < 2)
        if max(times) > read_at_ns - SETTLED_NS:
            return None
    return hash(tuple(facts))


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
    names = [name for name in WATCHED if (folder / name).exists()]
    # The stamp comes first: what changes while the cell is read makes it stale, not wrong.
    stamp = _stamp(str(folder), names, time.time_ns())
    record = where.read(key)
    (row,) = finish_rows([record_row(record)])
    label = cell.Cell(**record.document["cell"]).label() if record.document else key[:16]
    return row | {"stamp": stamp, "files": "/".join(names).encode(), "label": label}


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


@dataclass(frozen=True, slots=True)
class _Known:
    """The lines of an index, packed; ``body`` is Parquet, empty where there are none."""

    body: bytes | memoryview

    @property
    def count(self) -> int:
        return self._file().metadata.num_rows if self.body else 0

    def lines(self, columns: Sequence[str]) -> pa.Table:
        if not self.body:
            return SCHEMA.empty_table().select(list(columns))
        return self._file().read(columns=list(columns)).select(list(columns))

    def _file(self) -> Any:
        import pyarrow.parquet as pq

        # Not `read_table`, which loads pandas and the machinery for folders of files.
        return pq.ParquetFile(pa.BufferReader(self.body))


def _load(path: Path) -> _Known:
    """Return the lines of an index that can be used; an unusable one has none."""
    try:
        raw = path.read_bytes()
        made_by, checksum, body = raw[:32], raw[32:64], memoryview(raw)[64:]
        if made_by != _made_by() or checksum != hashlib.sha256(body).digest():
            return _Known(b"")
    except OSError:
        return _Known(b"")
    # Whole, and written by this very code: its columns are those of `SCHEMA`.
    return _Known(body)


def _save(path: Path, table: pa.Table) -> None:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table.filter(table["stamp"].is_valid()), sink)
    body = sink.getvalue().to_pybytes()
    with contextlib.suppress(StoreError):  # a store that can only be read needs none
        files.write_atomic(path, _made_by() + hashlib.sha256(body).digest() + body)
