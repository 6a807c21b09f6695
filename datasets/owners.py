"""Whose a temporary file is, told by its name, so that nobody removes what a live process writes.

An age cannot tell that: it compares two clocks that anybody may set. The name carries the machine,
its boot, the name space of process numbers, the process and when that began.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import uuid
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

# Of a machine that cannot be asked: longer than anything is written, and than clocks jump.
FOREIGN_AGE_S = 7 * 24 * 3600.0
_LETTERS = 40  # of the final name; the whole must stay below the 255 bytes of file systems
_PART = "([0-9a-f]{8})"
_TAG = re.compile(rf"\.{_PART}-{_PART}-{_PART}-(\d+)-{_PART}\.[0-9a-f]{{8}}(?:\.tmp)?$")


@cache
def machine_id() -> str:
    """Return a name of this machine that outlives a restart; copies of an image may share it."""
    return f"{platform.node()}/{read_text('/etc/machine-id')}"


@cache
def boot_id() -> str:
    """Return a name of this machine's present boot; empty where the system has none."""
    return read_text("/proc/sys/kernel/random/boot_id")


@cache
def pid_namespace() -> str:
    """Return the name space that process numbers of this process mean something in."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid")
    return ""


def process_start(pid: int) -> str | None:
    """Return when a process began, in a form that no clock can change.

    A number is used again in time: number and start together name a process. None if it does not
    live; empty if it does, or may, and its start cannot be seen: ``/proc`` hides other users'
    processes where it is mounted with ``hidepid``.
    """
    stat = read_text(f"/proc/{pid}/stat")
    if stat:
        # Behind the name, which may hold anything, stand the state and, as the 20th, the start.
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    if os.path.isdir("/proc/self"):
        return "" if _answers(pid) else None
    import psutil

    try:
        return repr(psutil.Process(pid).create_time())
    except psutil.AccessDenied:
        return ""
    except psutil.NoSuchProcess:
        return None


def _answers(pid: int) -> bool:
    """Say whether a signal could reach a process, this user's or another's."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def has_ended(began: str | None, same: bool) -> bool | None:
    """Say whether a process has ended, by what `process_start` says of its number.

    Parameters
    ----------
    began
        What it says.
    same
        Whether that is the start of the process in question.

    Returns
    -------
    bool or None
        None where the start cannot be seen: under the number lives the same process or another.
    """
    if began is None:
        return True
    return None if not began else not same


def owner_tag() -> str:
    """Return what makes a name this process's and unique: ``.machine-boot-space-pid-start.drawn``.

    Everything but the process's number is hashed: hosts do not show in names.
    """
    parts = [*map(_short, _here()), str(os.getpid()), _short(process_start(os.getpid()))]
    return f".{'-'.join(parts)}.{uuid.uuid4().hex[:8]}"


def temporary_name(name: str) -> str:
    """Return a name for a file that this process writes now and renames to ``name`` then."""
    return f".{name[:_LETTERS]}{owner_tag()}.tmp"


def is_left_behind(name: str) -> bool | None:
    """Say by its name whether whoever was writing a temporary file has ended.

    None where that cannot be seen from here: it ran on another machine, in another container or
    in another boot, it is hidden from this user, or the name has no owner. Another boot is no
    proof: copies of one virtual machine have one name, and each has its boot.
    """
    found = _TAG.search(name)
    if not found:
        return None
    machine, boot, space, pid, start = found.groups()
    here = [_short(part) for part in _here()]
    if [machine, boot, space] != here or start == _short(None):
        return None
    began = process_start(int(pid))
    return has_ended(began, _short(began) == start)


def left_behind(
    paths: Iterable[Path], folder: Path, older_than_s: float = FOREIGN_AGE_S
) -> Iterator[Path]:
    """Yield the temporary files that nobody is writing any more.

    Parameters
    ----------
    paths
        Temporary files or folders.
    folder
        Where a file is made, if it is needed, to see the time by the clock that dates them.
    older_than_s
        Age at which those go whose owner cannot be asked.
    """
    now: float | None = None
    for path in paths:
        dead = is_left_behind(path.name)
        if dead is None:
            with contextlib.suppress(OSError):
                now = _file_time(folder) if now is None else now
                dead = now - path.stat().st_mtime > older_than_s
        if dead:
            yield path


def _file_time(folder: Path) -> float:
    """Return the time as the file system that holds ``folder`` has it."""
    path = folder / temporary_name("clock")
    try:
        path.touch(exist_ok=False)
        return path.stat().st_mtime
    finally:
        path.unlink(missing_ok=True)


def _here() -> tuple[str, str, str]:
    return machine_id(), boot_id(), pid_namespace()


def _short(text: str | None) -> str:
    return hashlib.sha256((text or "").encode()).hexdigest()[:8]


def read_text(path: str) -> str:
    """Return what a small file of the system says; empty where there is none."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
