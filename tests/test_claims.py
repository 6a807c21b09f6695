"""Claims: one run at a time is at a cell, dead ones are replaced, clocks do not matter."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

import pytest
from engine_world import plan_of, run_plan
from test_store import IDENTITY

from adrepro.datasets import owners
from adrepro.datasets.owners import FOREIGN_AGE_S
from adrepro.harness import claims as claims_module
from adrepro.harness.claims import Claims, live_owners
from adrepro.harness.engines import local
from adrepro.harness.machine import describe, is_dead, process_start
from adrepro.harness.store import Status, Store

KEY = "a" * 64
DAY = 86_400


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store", create=True)


def leave_claim(store, key=KEY, **changes):
    """Leave a claim of another process behind, as if that had died or ran elsewhere."""
    folder = store.root / "claims"
    folder.mkdir(exist_ok=True)
    who = describe() | {"token": "other", "count": "0" * 12} | changes
    (folder / "other.owner").write_text(json.dumps(who))
    os.link(folder / "other.owner", folder / key)
    return folder / "other.owner"


def dead_pid() -> int:
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return pid


def hides_processes(real):
    """Return a reader that sees of /proc what hidepid=2 leaves of other users' processes."""
    return lambda path: "" if str(path).endswith("/stat") else real(path)


def test_one_of_two_has_a_cell(store):
    """Who comes second waits until the first lets go; ends of runs let go of everything."""
    with Claims(store) as first, Claims(store) as second:
        assert first.take(KEY)
        assert first.take(KEY)
        assert not second.take(KEY)
        assert str(os.getpid()) in second.holder(KEY)
        assert len(live_owners(store)) == 2
        first.release(KEY)
        assert second.take(KEY)
        first.release(KEY)
        assert second.holder(KEY), "a claim that has passed on is not the first one's to drop"
    assert not list((store.root / "claims").iterdir())


@pytest.mark.parametrize(
    "changes",
    [{"pid": None}, {"start": "1"}],
    ids=["dead", "number used again"],
)
def test_claim_of_a_dead_run_is_taken_at_once(store, changes):
    """No such process, or a new process under the old number."""
    if "pid" in changes:
        changes = {"pid": dead_pid()}
    leave_claim(store, **changes)
    with Claims(store, lease_s=1e9) as mine:
        assert mine.take(KEY)


def test_claim_of_a_zombie_is_taken(store):
    """A parent that was killed but not yet waited for is dead."""
    pid = os.fork()
    if not pid:
        time.sleep(0.2)
        os._exit(0)
    born = process_start(pid)
    leave_claim(store, pid=pid, start=born)
    assert not is_dead(describe() | {"pid": pid, "start": born}) or process_start(pid) is None
    deadline = time.monotonic() + 60
    while process_start(pid) is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    with Claims(store, lease_s=1e9) as mine:
        assert mine.take(KEY)
    os.waitpid(pid, 0)


@pytest.mark.parametrize(
    "where",
    [{"machine": "elsewhere"}, {"boot": "another boot"}, {"namespace": "pid:[1]"}, {"start": ""}],
    ids=["host", "copy of this machine", "container", "start unknown"],
)
def test_live_run_elsewhere_is_respected_until_it_falls_silent(store, where):
    """What cannot be seen from here counts up while it lives; a lease after the last sign it goes.

    Times on files, a day back or ahead, and the clock play no part.
    """
    owner = leave_claim(store, pid=1, **where)
    lease = 1.0
    with Claims(store, lease_s=lease) as mine:
        for count in range(1, 6):
            assert not mine.take(KEY)
            time.sleep(0.4)
            shift = (-1) ** count * DAY
            os.utime(owner, (time.time() + shift, time.time() + shift))
            text = owner.read_text().replace(f'"{count - 1:012d}"', f'"{count:012d}"')
            with owner.open("r+") as handle:  # in place, as its owner does
                handle.write(text)
        assert not mine.take(KEY)
        time.sleep(1.5 * lease)
        assert mine.take(KEY)


def test_hidden_run_is_respected_until_it_falls_silent(store, monkeypatch):
    """Another user's process that /proc hides (hidepid) keeps its claim while it counts up."""
    owner = leave_claim(store, pid=1, start="5")

    def forbidden(_pid, _number):
        raise PermissionError

    monkeypatch.setattr(owners, "read_text", hides_processes(owners.read_text))
    monkeypatch.setattr(owners.os, "kill", forbidden)
    assert is_dead(json.loads(owner.read_text())) is None
    with Claims(store, lease_s=0.5) as mine:
        assert owner.exists(), "swept while it may live"
        assert not mine.take(KEY)
        time.sleep(0.6)
        owner.write_text(owner.read_text().replace("0" * 12, "0" * 11 + "1"))
        assert not mine.take(KEY)
        time.sleep(0.6)
        assert mine.take(KEY)


def test_clock_that_jumps_makes_nothing_stale(store, monkeypatch):
    """The system's time a day ahead or back: a live claim of this machine stays."""
    with Claims(store, lease_s=5.0) as first:
        assert first.take(KEY)
        real = time.time
        for shift in (-DAY, DAY):
            monkeypatch.setattr(time, "time", lambda shift=shift: real() + shift)
            with Claims(store, lease_s=5.0) as second:
                assert not second.take(KEY)


def test_others_on_this_machine_are_seen(store):
    """A second live run here shares the cores; a dead one, and one on another machine, do not."""
    with Claims(store) as mine:
        assert not mine.others_here()
        with Claims(store) as second:
            assert mine.others_here()
            assert second.others_here()
        assert not mine.others_here()
        leave_claim(store, "b" * 64, machine="elsewhere")
        assert not mine.others_here()
        (store.root / "claims" / "other.owner").unlink()
        leave_claim(store, "c" * 64, boot="another boot")
        assert not mine.others_here(), "a copy of this machine, or one before its restart"
        (store.root / "claims" / "other.owner").unlink()
        leave_claim(store, pid=dead_pid())
        assert not mine.others_here()


def test_cells_beside_another_run_are_not_marked_exclusive(world, monkeypatch):
    """With one process a cell's times count, unless another run on the store is at work here."""
    given = []

    def note(_context, batch, *_arguments):
        given.append([task.exclusive for task in batch.tasks])
        raise InterruptedError

    monkeypatch.setattr(local, "start_worker", note)
    plan = plan_of(world, noise=(0.0,), seeds=1, categories=("bottle",))
    made = Store(world.store, create=True)
    with pytest.raises(InterruptedError):
        run_plan(plan, made, jobs=1)
    with Claims(made), pytest.raises(InterruptedError):
        run_plan(plan, made, jobs=1)
    assert given == [[True], [False]]


def test_of_many_that_take_over_one_wins(store):
    """Sixteen runs find one stale claim at once: exactly one has the cell, every time."""
    with ExitStack() as stack:
        runs = [stack.enter_context(Claims(store)) for _ in range(16)]
        pool = stack.enter_context(ThreadPoolExecutor(16))
        for attempt in range(20):
            key = f"{attempt:064x}"
            leave_claim(store, key, pid=dead_pid()).unlink()
            won = list(pool.map(lambda run, key=key: run.take(key), runs))
            assert sum(won) == 1, won


def test_claims_without_hard_links(store, monkeypatch):
    """A file system that knows no links: claims work all the same, and one wins."""

    def refuse(*_arguments):
        raise PermissionError("no links here")

    monkeypatch.setattr(claims_module.os, "link", refuse)
    with Claims(store) as first, Claims(store) as second:
        assert [first.take(KEY), second.take(KEY)] == [True, False]
        first.release(KEY)
        assert second.take(KEY)


def test_owner_gives_signs_of_life(store):
    """The count goes up, in the claim as well as in the owner's file, at the same length."""
    with Claims(store, beat_s=0.02) as mine:
        assert mine.take(KEY)
        path = store.root / "claims" / KEY
        first = path.read_bytes()
        deadline = time.monotonic() + 60
        while path.read_bytes() == first:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert len(path.read_bytes()) == len(first)


def test_what_dead_runs_left_is_swept(store):
    """A new run removes files of dead ones, and touches nothing of those that it cannot see."""
    leave_claim(store, pid=dead_pid())
    foreign = leave_claim_elsewhere(store)
    with Claims(store) as mine:
        left = {path.name for path in (store.root / "claims").iterdir()}
        assert left == {f"{mine.token}.owner", *foreign}


def test_what_nobody_can_ask_goes_when_it_is_very_old(store):
    """Owners' files of a machine that was started again, or is gone, do not pile up for ever."""
    owner = leave_claim(store, boot="another boot")
    for age, left in ((FOREIGN_AGE_S - 3600, True), (FOREIGN_AGE_S + 3600, False)):
        os.utime(owner, (time.time() - age, time.time() - age))
        with Claims(store):
            assert owner.exists() is left


def leave_claim_elsewhere(store) -> set[str]:
    folder = store.root / "claims"
    who = describe() | {"token": "far", "count": "0" * 12, "machine": "elsewhere"}
    (folder / "far.owner").write_text(json.dumps(who))
    os.link(folder / "far.owner", folder / ("f" * 64))
    return {"far.owner", "f" * 64}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid": "x"}', b"\xff\xfe"])
def test_unreadable_claim_is_respected_for_a_lease(store, content):
    """A claim cut short by a crash is nobody's; it goes when nothing has changed for a lease."""
    (store.root / "claims").mkdir()
    (store.root / "claims" / KEY).write_bytes(content)
    with Claims(store, lease_s=0.1) as mine:
        assert not mine.take(KEY)
        time.sleep(0.2)
        assert mine.take(KEY)


def test_first_result_stays(store):
    """A second run of the same cell touches no file of it, whatever its timings were."""
    store.write_result(IDENTITY, {"fit_s": 1.0}, {}, {"env": {"host": 1}}, "first")
    folder = store.folder(IDENTITY.key)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    store.write_result(IDENTITY, {"fit_s": 2.0}, {}, {"env": {"host": 2}}, "second")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    store.write_result(IDENTITY, {"fit_s": 3.0}, {}, {"env": {}, "more": {}}, "third")
    assert dict(store.read(IDENTITY.key).row or {}) == {"fit_s": 3.0}, "it held more files"


def test_results_published_at_once_are_whole(store):
    """Several processes publish one cell again and again: at no instant is it damaged."""
    identity = replace(IDENTITY, hashes={"images": "b"})
    writers = [_publisher(store, identity, number) for number in range(3)]
    deadline = time.monotonic() + 2
    seen = set()
    while time.monotonic() < deadline:
        status = store.read(identity.key).status
        assert status in {Status.DONE, Status.PENDING}
        seen.add(status)
    for pid in writers:
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert store.read(identity.key).status is Status.DONE
    assert Status.DONE in seen


def _publisher(store, identity, number: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        for attempt in range(15):
            row = {"fit_s": float(number), "attempt": attempt}
            store.write_result(identity, row, {}, {"env": {"host": number}}, f"{number} {attempt}")
        code = 0
    finally:
        os._exit(code)
