"""Claims: who is at which cell, so that several runs on one store share the work.

A claim is a file named after the cell that appears whole or not at all: a hard link to its owner's
file, which says who that is and counts up as long as the owner lives. Whoever finds a claim takes
it over when the owner is known to be dead (on the same machine since its last start: no such
process), or when its count has stood still for a lease, measured by the finder's own clock that
nobody can set. Claims save work and protect nothing: if two run the same cell, the first result
stays.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from ..datasets.errors import StoreError
from ..datasets.owners import FOREIGN_AGE_S
from .machine import describe, is_dead, is_here
from .store import Store

BEAT_S = 5.0
LEASE_S = 90.0  # far above what a network folder holds back
COUNT_WIDTH = 12
OWNER = ".owner"


class Claims:
    """The claims of one run on one store; a context manager that lets go of all of them.

    Parameters
    ----------
    store
        The store.
    lease_s, beat_s
        Seconds after which a silent owner elsewhere counts as dead; seconds between its signs.

    Raises
    ------
    StoreError
        The store cannot be written.
    """

    def __init__(self, store: Store, *, lease_s: float = LEASE_S, beat_s: float = BEAT_S) -> None:
        self._folder, self._lease_s, self._beat_s = store.root / "claims", lease_s, beat_s
        self.token = uuid.uuid4().hex
        self._own = self._folder / f"{self.token}{OWNER}"
        self._who = describe() | {"token": self.token}
        self._held: set[str] = set()
        self._seen: dict[str, tuple[bytes, float]] = {}
        self._end = threading.Event()
        self._count = 0
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._own.write_bytes(self._document())
        except OSError as err:
            raise StoreError(f"cannot write {self._own}: {err.strerror or err}") from err
        self._sweep()
        self._pulse = threading.Thread(target=self._beat, daemon=True)
        self._pulse.start()

    def __enter__(self) -> Claims:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        self._pulse.join()
        for key in list(self._held):
            self.release(key)
        self._own.unlink(missing_ok=True)

    def take(self, key: str) -> bool:
        """Claim a cell; False if another run is at it."""
        if key in self._held or self._make(key):
            self._held.add(key)
            return True
        raw = self._stale(key)
        if raw is not None and self._set_aside(key, raw) and self._make(key):
            self._held.add(key)
            return True
        return False

    def release(self, key: str) -> None:
        """Let go of a cell, unless the claim has passed to another run."""
        self._held.discard(key)
        if _owner(_read(self._folder / key)).get("token") == self.token:
            (self._folder / key).unlink(missing_ok=True)

    def holder(self, key: str) -> str:
        """Return who is at a cell, for people; empty if nobody is."""
        owner = _owner(_read(self._folder / key))
        return f"process {owner.get('pid')} on {owner.get('host')}" if owner else ""

    def others_here(self) -> bool:
        """Say whether another run on this store is at work on this machine, as far as is known."""
        owners = [_owner(_read(path)) for path in self._folder.glob(f"*{OWNER}")]
        return any(
            owner.get("token") != self.token and is_here(owner) and not is_dead(owner)
            for owner in owners
        )

    def _make(self, name: str) -> bool:
        path = self._folder / name
        try:
            os.link(self._own, path)
        except FileExistsError:
            return False
        except OSError:
            return self._make_without_links(path)
        return True

    def _make_without_links(self, path: Path) -> bool:
        try:
            with path.open("xb") as handle:
                handle.write(self._document())
        except FileExistsError:
            return False
        except OSError as err:
            raise StoreError(f"cannot write {path}: {err.strerror or err}") from err
        return True

    def _stale(self, key: str) -> bytes | None:
        """Return the content of a claim whose owner is dead or has been silent for a lease."""
        raw = _read(self._folder / key)
        owner = _owner(raw)
        dead = is_dead(owner) if owner else None
        if dead is not None:
            self._seen.pop(key, None)
            return raw if dead else None
        # Where links cannot be had, the claim itself stands still and the owner's file counts.
        sign = raw + _read(self._folder / f"{owner.get('token', '')}{OWNER}")
        before, since = self._seen.get(key, (b"", 0.0))
        now = time.monotonic()
        if not since or sign != before:
            self._seen[key] = (sign, now)
            return None
        return raw if now - since > self._lease_s else None

    def _set_aside(self, key: str, judged: bytes) -> bool:
        """Remove a stale claim; of several that try, one does.

        The right to remove it is a file of its own, named after the claim that was judged: without
        it, one that comes late would move the new claim away, and a third could claim in between.
        """
        token = _owner(judged).get("token")
        right = f".{key}.{token or 'unread'}.stale"
        if not self._make(right):
            return False
        path, aside = self._folder / key, self._folder / f".{uuid.uuid4().hex}.stale"
        try:
            if _owner(_read(path)).get("token") != token:
                return not path.exists()  # let go of, or already another's
            os.rename(path, aside)
            if _owner(_read(aside)).get("token") != token:
                # Let go of and claimed anew at this very moment: put back.
                with contextlib.suppress(OSError):
                    os.link(aside, path)
                return False
        except FileNotFoundError:
            return True  # let go of; whoever makes the next one has it
        finally:
            aside.unlink(missing_ok=True)
            (self._folder / right).unlink(missing_ok=True)
        self._seen.pop(key, None)
        return True

    def _sweep(self) -> None:
        """Remove what dead runs have left; of those that cannot be seen, what is very old.

        A live run's files are as young as its last sign of life, by the clock of the file system.
        """
        now = self._own.stat().st_mtime
        for path in self._folder.iterdir():
            raw = _read(path)
            owner = _owner(raw)
            dead = is_dead(owner) if owner else None
            if path.name.endswith((OWNER, ".stale")):
                if dead is None and owner:
                    with contextlib.suppress(OSError):
                        dead = now - path.stat().st_mtime > FOREIGN_AGE_S
                if dead:
                    path.unlink(missing_ok=True)
            elif dead:
                self._set_aside(path.name, raw)

    def _beat(self) -> None:
        while not self._end.wait(self._beat_s):
            self._count += 1
            # A full disk stops no run: if others take over what is at work, it is done twice.
            with contextlib.suppress(OSError), self._own.open("r+b") as handle:
                handle.write(self._document())

    def _document(self) -> bytes:
        """Return the owner's file; of one length always, as it is written over in place."""
        who = self._who | {"count": f"{self._count:0{COUNT_WIDTH}d}"}
        return json.dumps(who, sort_keys=True).encode()


def live_owners(store: Store) -> list[str]:
    """Return the processes that work on a store and are not known to be dead, for people."""
    owners = [_owner(_read(path)) for path in (store.root / "claims").glob(f"*{OWNER}")]
    return sorted(f"process {o['pid']} on {o['host']}" for o in owners if o and not is_dead(o))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _owner(raw: bytes) -> dict[str, Any]:
    """Return who a claim is of; nothing if it cannot be read."""
    try:
        owner = json.loads(raw)
        int(owner["pid"])
        return owner
    except (ValueError, KeyError, TypeError):
        return {}
