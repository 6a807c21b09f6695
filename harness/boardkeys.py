"""The keys of the plan that a board is about, in a file beside it that is written once.

What the board has heard says how far its own run is; what became of the cells since, by other runs
of the same and of other plans, is known by their keys alone.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from ..datasets.owners import temporary_name

# The first so many digits of a key tell it from all others: two of 100,000 cells are the same in
# these with a probability of 3e-10.
DIGITS = 16
# A file without a board that is younger than this may be that of a run whose board is on its way.
YOUNG_S = 3600.0
# Nobody writes a longer file here: keys of four million cells, a board of many in flight.
LONGEST = 64 * 2**20
_LINES = re.compile(rb"(?:[0-9a-f]{%d}\n)*" % DIGITS)


def write_keys(folder: Path, plan: str, keys: Iterable[str]) -> None:
    """Write the keys of a plan, a line each; 1.7 MB for 100,000.

    Parameters
    ----------
    folder
        Where the boards lie.
    plan
        The plan's name, a hash.
    keys
        Its cells' keys.
    """
    text = "".join(f"{key[:DIGITS]}\n" for key in sorted(keys))
    replace_whole(_file(folder, plan), text.encode())


def left_of(folder: Path, plan: str, settled: Collection[str], total: int) -> int | None:
    """Return how many cells of a plan are not among those that have run.

    None where that cannot be told: no keys are kept, or not those of all of its cells.

    Parameters
    ----------
    folder, plan
        As of `write_keys`.
    settled
        The keys of cells that are done or have failed, `DIGITS` of each.
    total
        How many cells the plan has, each key counted once.
    """
    try:
        data = read_bounded(_file(folder, plan))
    except OSError:
        return None
    keys = set(data.decode("ascii").split()) if _LINES.fullmatch(data) else set()
    # One line too few or too many, or one twice: it is not the file that was written.
    whole = len(keys) == total == len(data) // (DIGITS + 1)
    return len(keys.difference(settled)) if whole else None


def read_bounded(path: Path) -> bytes:
    """Return a regular file's content; what lies in a shared folder may be anything.

    Raises
    ------
    OSError
        It cannot be read, is a pipe or a device, or is longer than `LONGEST`.
    """
    seen = path.stat()
    if not stat.S_ISREG(seen.st_mode):  # opening a pipe would last until somebody writes into it
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if seen.st_size > LONGEST:
        raise OSError(errno.EFBIG, "longer than any that is written", str(path))
    with path.open("rb") as stream:
        return stream.read(LONGEST)


def sweep_keys(folder: Path, plans: Collection[str]) -> None:
    """Remove the keys of other plans than these, but for young ones."""
    kept = {_file(folder, plan) for plan in plans}
    for path in folder.glob("*.keys"):
        with contextlib.suppress(OSError):
            if path not in kept and time.time() - path.stat().st_mtime >= YOUNG_S:
                path.unlink()


def _file(folder: Path, plan: str) -> Path:
    return folder / f"{plan[:32]}.keys"


def replace_whole(path: Path, data: bytes) -> None:
    """Write a file whole, but do not wait for the disk: it is of use to the living only."""
    temporary = path.with_name(temporary_name(path.name))
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(data)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
