"""The keys of the plan that a board is about, in a file beside it that is written once.

What the board has heard says how far its own run is; what became of the cells since, by other runs
of the same and of other plans, is known by their keys alone.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterable
from pathlib import Path

from ..datasets.owners import temporary_name

# The first so many digits of a key tell it from all others: two of 100,000 cells are the same in
# these with a probability of 3e-10.
DIGITS = 16
# A file without a board that is younger than this may be that of a run whose board is on its way.
YOUNG_S = 3600.0


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


def left_of(folder: Path, plan: str, settled: Collection[str]) -> int:
    """Return how many cells of a plan are not among those that have run; 0 where no keys are kept.

    Parameters
    ----------
    folder, plan
        As of `write_keys`.
    settled
        The keys of cells that are done or have failed, `DIGITS` of each.
    """
    try:
        keys = _file(folder, plan).read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return 0
    return len(set(keys).difference(settled))


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
