"""Whatever happened to a store, the next run brings it to the state of one that nothing befell."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from here import plan_here, run_here
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from pandas.testing import assert_frame_equal

from adrepro.datasets import atomic
from adrepro.harness.frames import TIME_COLUMNS, store_frame
from adrepro.harness.index import open_index
from adrepro.harness.store import Failure, Status, Store
from conftest import grey_image, save, write_mvtec

IMAGE = "mvtec_ad/bottle/train/good/000.png"
# Shares of a length: files hold times, and are now and then a byte longer than in a replay.
PLACES = st.floats(0.0, 1.0, exclude_max=True)


class Killed(BaseException):
    """The process ended right here."""


@contextlib.contextmanager
def killed_at(count: int):
    """End the run at the ``count``-th file that takes its final name."""
    left, replace = count, os.replace

    def counted(source, target):
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        replace(source, target)

    atomic.os.replace = counted
    try:
        with contextlib.suppress(Killed):
            yield
    finally:
        atomic.os.replace = replace


def essence(store: Store, keys) -> dict:
    """Return what a run makes of cells, without how long it took."""
    found = {}
    for key in keys:
        record = store.read(key)
        row = {k: v for k, v in (record.row or {}).items() if k not in TIME_COLUMNS}
        folder = store.folder(key)
        found[key] = (
            record.status, record.document, row,
            *((folder / name).read_bytes() for name in ("scores.npz", "images.json", "env.json")),
            # A failure beside a result tells of a later try, e.g. for maps, and counts for nothing.
            sorted({p.name for p in folder.iterdir()} - {"failure.json"}),
        )  # fmt: skip
    return found


class History(RuleBasedStateMachine):
    """Run, kill, edit, delete and damage in any order."""

    template: Path
    clean: dict

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copytree(self.template, self.folder / "data")
        self.store = Store(self.folder / "store", create=True)
        self.keys = sorted(self.clean)
        self.edited = False

    def plan(self):
        return plan_here(self.folder / "data", categories=None, noise=(0.0, 50.0))

    @rule()
    def run(self) -> None:
        run_here(self.plan(), self.store)

    @rule(writes=st.integers(0, 24))
    def run_and_kill(self, writes: int) -> None:
        with killed_at(writes):
            run_here(self.plan(), self.store)

    @rule()
    def edit_an_image(self) -> None:
        self.edited = not self.edited
        self._write_image()

    def _write_image(self) -> None:
        path = self.folder / "data" / IMAGE
        if self.edited:
            save(path, grey_image(4711, spot=False)[0])
        else:
            shutil.copy(self.template / IMAGE, path)

    def _files(self) -> list[Path]:
        return sorted(p for p in self.store.root.glob("cells/??/*/*") if p.is_file())

    def _file(self, place: float) -> Path:
        files = self._files()
        return files[int(place * len(files))]

    @precondition(lambda self: self._files())
    @rule(which=PLACES, where=PLACES, flip=st.booleans())
    def damage_a_file(self, which: float, where: float, flip: bool) -> None:
        path = self._file(which)
        whole = path.read_bytes()
        place = int(where * len(whole))
        if not flip or not whole:
            path.write_bytes(whole[:place])
            return
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])

    @precondition(lambda self: self._files())
    @rule(which=PLACES, everything=st.booleans())
    def delete(self, which: float, everything: bool) -> None:
        path = self._file(which)
        shutil.rmtree(path.parent) if everything else path.unlink()

    @rule(number=st.integers(0, 3))
    def fail_a_cell(self, number: int) -> None:
        planned = self.plan().cells[number]
        failure = Failure(kind="crash", message="gone", phase="run")
        self.store.write_failure(planned.identity, failure)

    @rule()
    def look(self) -> None:
        assert_frame_equal(open_index(self.store).frame(), store_frame(self.store))

    def teardown(self) -> None:
        try:
            self.edited = False
            self._write_image()
            plan = self.plan()
            assert sorted(cell.key for cell in plan.cells) == self.keys
            assert run_here(plan, self.store) == []
            assert {self.store.read(key).status for key in self.keys} == {Status.DONE}
            self.store.sweep(older_than_s=-1)
            assert essence(self.store, self.keys) == self.clean
            assert plan.pending(self.store) == []
        finally:
            shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """The machine with its data, and what a run makes of it that nothing befell."""
    root = tmp_path_factory.mktemp("history")
    write_mvtec(root / "data/mvtec_ad", train=4, good=2, anomalous=13)
    plan = plan_here(root / "data", categories=None, noise=(0.0, 50.0))
    store = Store(root / "clean", create=True)
    assert run_here(plan, store) == []
    History.template = root / "data"
    History.clean = essence(store, [cell.key for cell in plan.cells])
    return History


QUIET = {"deadline": None, "suppress_health_check": list(HealthCheck)}


def test_any_history_ends_in_the_state_of_a_clean_run(history):
    """A few short histories of runs, kills, edits and damage."""
    run_state_machine_as_test(history, settings=settings(
        max_examples=6, stateful_step_count=8, derandomize=True, **QUIET))  # fmt: skip


@pytest.mark.slow
def test_many_histories_end_in_the_state_of_a_clean_run(history):
    """Hundreds of long ones."""
    run_state_machine_as_test(history, settings=settings(
        max_examples=200, stateful_step_count=25, **QUIET))  # fmt: skip
