"""What lies queued in a store for workers, for ``reproduce status``."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from rich.console import Console

from ...datasets.errors import StoreError
from ..requests import list_requests, read_request
from ..store import Store


def queued_cells(
    store: Store, settled: AbstractSet[str], asked: AbstractSet[str] | None, notes: Console
) -> dict[str, Any]:
    """Return how many cells wait for workers, and the command that starts one here.

    Parameters
    ----------
    store
        The store, with the requests of all runs.
    settled
        Keys of cells that are done or have failed, and so wait no more; one that is done and waits
        for its maps alone is not counted.
    asked
        Keys of the cells that count; None = all.
    notes
        Told of requests that cannot be read; the others are counted.

    Returns
    -------
    dict
        ``cells`` and ``command``, which is empty where no cell waits.
    """
    waiting = _waiting(store, notes) - settled
    count = len(waiting if asked is None else waiting & asked)
    command = shlex.join(("reproduce", "worker", "--store", str(store.root)))
    return {"cells": count, "command": command if count else ""}


def how_to_serve(queued: Mapping[str, Any]) -> str:
    """Return one line of what `queued_cells` found."""
    what = "cell is" if queued["cells"] == 1 else "cells are"
    return f"{queued['cells']} {what} queued for workers: {queued['command']}"


def _waiting(store: Store, notes: Console) -> set[str]:
    """Return the keys of the cells of all requests."""
    keys: set[str] = set()
    for name in list_requests(store):
        try:
            request = read_request(store, name)
        except StoreError as err:
            notes.print(f"note: {err}", markup=False, highlight=False, soft_wrap=True)
            continue
        keys |= request.cells.keys() if request else set()
    return keys
