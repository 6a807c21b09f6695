"""Temporary files: a live writer's stays whatever the clocks say, a dead one's goes at once."""

import os
import signal
import time

import numpy as np
import pytest
from test_claims import dead_pid, hides_processes
from test_datasets_archives import CONTENT, good_tar, tree
from test_store import IDENTITY, publish

from adrepro.datasets import atomic, owners
from adrepro.datasets.archives import extract
from adrepro.datasets.owners import FOREIGN_AGE_S, is_left_behind, temporary_name
from adrepro.harness.store import Status, Store
from adrepro.methods import cache

DAY = 86_400.0


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


def start_writer(store, *, dies: bool) -> tuple[int, int]:
    """Have a process publish a cell; it stands still, or is killed, in the midst of a file.

    Returns its number and the end of a pipe whose closing lets it go on.
    """
    begun, tell = os.pipe()
    wait, go_on = os.pipe()
    pid = os.fork()
    if pid:
        os.close(tell)
        os.close(wait)
        os.read(begun, 1)
        os.close(begun)
        return pid, go_on
    os.close(go_on)
    real = os.fsync

    def stand_still(descriptor: int) -> None:
        atomic.os.fsync = real
        real(descriptor)
        if dies:
            os.kill(os.getpid(), signal.SIGKILL)
        os.write(tell, b".")
        os.read(wait, 1)

    code = 1
    try:
        atomic.os.fsync = stand_still
        publish(store)
        code = 0
    finally:
        os._exit(code)


def temporaries(store) -> list:
    return list(store.root.rglob(".*.tmp"))


@pytest.mark.parametrize("shift", [-400 * DAY, -DAY, DAY, 400 * DAY])
def test_live_writer_is_left_alone(store, monkeypatch, shift):
    """A file that a live process writes survives any age and any clock; its cell is published."""
    pid, go_on = start_writer(store, dies=False)
    (half,) = temporaries(store)
    os.utime(half, (time.time() + shift, time.time() + shift))
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() - shift)
    assert store.sweep() == 0
    assert store.sweep(older_than_s=-1e9) == 0
    os.close(go_on)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.read(IDENTITY.key).status is Status.DONE
    assert temporaries(store) == []


def test_dead_writer_is_swept_at_once(store):
    """What a process that was killed in the midst of a file left goes, however young it is."""
    pid, go_on = start_writer(store, dies=True)
    os.close(go_on)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    (half,) = temporaries(store)
    os.utime(half, (time.time() + DAY, time.time() + DAY))
    assert store.sweep() == 1
    assert temporaries(store) == []
    assert store.read(IDENTITY.key).status is Status.PENDING


@pytest.mark.parametrize("what", ["machine_id", "boot_id", "pid_namespace"])
def test_foreign_writer_goes_by_the_clock_of_the_files(store, monkeypatch, what):
    """Who ran on another machine, in another boot or container has a week by the files' clock."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(owners, what, lambda: "elsewhere")
        name = temporary_name("result.json")
    half = store.root / name
    half.write_bytes(b"half")
    (store.root / ".old-version.0123.tmp").write_bytes(b"half")  # its owner is not known
    real = time.time
    for jump in (-1000 * DAY, 1000 * DAY):  # of this machine's clock: no part in it
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert store.sweep() == 0
    for age, gone in ((-400 * DAY, 0), (DAY, 0), (FOREIGN_AGE_S - 60, 0), (FOREIGN_AGE_S + 60, 2)):
        for path in temporaries(store):
            os.utime(path, (real() - age, real() - age))
        assert store.sweep() == gone, age
    assert temporaries(store) == []


def test_names_tell_who_is_dead(monkeypatch):
    """Dead are an ended process and one under a number used again; another boot proves nothing.

    Copies of one virtual machine have the same name, and each has its boot.
    """
    name = temporary_name("a" * 300)
    assert len(name.encode()) < 128
    assert is_left_behind(name) is False
    assert is_left_behind(name.replace(f"-{os.getpid()}-", f"-{dead_pid()}-")) is True
    # Number one runs, but not since this process does.
    assert is_left_behind(name.replace(f"-{os.getpid()}-", "-1-")) is True
    assert is_left_behind(".result.json.0123.tmp") is None
    monkeypatch.setattr(owners, "boot_id", lambda: "another")
    assert is_left_behind(name) is None


@pytest.mark.parametrize(
    ("answer", "dead"), [(None, None), (PermissionError, None), (ProcessLookupError, True)]
)
def test_hidden_process_is_not_taken_for_dead(monkeypatch, answer, dead):
    """Where /proc hides others' processes (hidepid), a number that answers may be the writer's."""
    name = temporary_name("result.json")
    asked = []

    def kill(pid, number):
        asked.append((pid, number))
        if answer:
            raise answer

    with monkeypatch.context() as hidden:
        hidden.setattr(owners, "read_text", hides_processes(owners.read_text))
        hidden.setattr(owners.os, "kill", kill)
        assert is_left_behind(name) is dead
        assert asked == [(os.getpid(), 0)]
        assert (owners.process_start(os.getpid()) is None) is bool(dead)
    assert is_left_behind(name) is False


def test_machines_that_cannot_tell_a_start_are_believed_nothing(monkeypatch):
    """A name written where the own start could not be read is not told from another's."""
    with monkeypatch.context() as blind:
        blind.setattr(owners, "process_start", lambda _pid: "")
        name = temporary_name("result.json")
    assert is_left_behind(name) is None


def test_longest_names_are_written(tmp_path):
    """A file whose own name is as long as the system allows is written whole or not at all."""
    path = tmp_path / ("x" * 255)
    atomic.write_atomic(path, b"whole")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"whole"]


def test_features_of_a_dead_writer_are_swept(store, monkeypatch):
    """Feature files are written under such names too, and what a killed process left goes."""
    folder = store.features / ("f" * 32) / "ab"

    def killed(_source, target):
        raise KeyboardInterrupt

    arrays = {"x": np.zeros(3, dtype=np.float32)}
    monkeypatch.setattr(cache.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.write_arrays(folder / "ab.safetensors", arrays)
    assert list(folder.iterdir()) == [], "one that is interrupted cleans up itself"
    half = folder / temporary_name("ab.safetensors")
    half.write_bytes(b"half")
    assert store.sweep() == 0
    half.rename(half.with_name(half.name.replace(f"-{os.getpid()}-", f"-{dead_pid()}-")))
    assert store.sweep() == 1


def test_extraction_that_runs_is_left_alone(tmp_path):
    """A second unpacking to the same place removes what a dead one left, not what a live one has.

    A bracket in the target's name is no pattern.
    """
    archive, target = tmp_path / "archive", tmp_path / "set[1]"
    archive.write_bytes(good_tar())
    live = tmp_path / f".{target.name}.extract{owners.owner_tag()}"
    dead = live.with_name(live.name.replace(f"-{os.getpid()}-", f"-{dead_pid()}-"))
    for folder in (live, dead):
        folder.mkdir()
        (folder / "half.png").write_bytes(b"")
        os.utime(folder, (1, 1))
    extract(archive, target)
    assert tree(target) == CONTENT
    assert live.exists()
    assert not dead.exists()
