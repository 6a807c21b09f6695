"""A store that cannot be written: refused before anything is computed, and read as ever."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from here import plan_here, run_here

from adrepro.harness.index import NAME
from adrepro.harness.requests import write_request
from adrepro.harness.store import Store
from toys import PixelMean

TRUSTED = ("--allow-method", "toys:PixelMean", "--jobs", "1", "--device", "cpu")
MORE = ("-c", "bottle", "--noise", "0", "--seeds", "2")
ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def read_only_disk(world):
    """Put the store on a small disk of its own; return what has the disk refuse every write."""
    if not ROOT:
        pytest.skip("only root may mount")
    disk = world.root / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    world.store = disk / "store"
    yield lambda: subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    subprocess.run(["umount", disk], check=True)


@pytest.fixture
def read_only_rights(world):
    """Return what takes the right to write the store from its own user."""
    if ROOT:
        pytest.skip("root may write whatever the rights say")
    changed: dict[Path, int] = {}

    def take() -> None:
        for path in (world.store, *world.store.rglob("*")):
            changed[path] = stat.S_IMODE(path.stat().st_mode)
            path.chmod(changed[path] & ~0o222)

    yield take
    for path, mode in changed.items():
        path.chmod(mode)


@pytest.fixture(params=["disk", "rights"])
def read_only(request):
    """Return what makes the store read-only, in either way."""
    return request.getfixturevalue(f"read_only_{request.param}")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def output_of(world, *arguments) -> str:
    assert world.reproduce(*arguments) == 0, world.stderr
    return world.stdout


def assert_refused(world, code: int) -> None:
    """One line that names the store, and no result."""
    assert code == 2
    (line,) = world.stderr.splitlines()
    assert line.startswith("error: ")
    assert str(world.store) in line
    assert not world.stdout


def test_store_that_cannot_be_written(world, read_only):
    """`run` and `worker` refuse in one line; what only reads works, and says what it said.

    Nothing is computed, and not a byte of the store is another.
    """
    store = Store(world.store, create=True)
    assert run_here(plan_here(world.data), store) == []
    write_request(store, plan_here(world.data, seeds=2), keep_maps=False)
    reads = [(command, "--store", world.store) for command in ("status", "export")]
    said = [output_of(world, *read) for read in reads]
    assert "toys:PixelMean" in said[0]
    (world.store / NAME).unlink()
    read_only()
    whole = contents(world.store)
    refused = (
        lambda: world.run(*MORE, "--jobs", "1"),
        lambda: world.run(*MORE, "--engine", "worker", "--device", "auto"),
        lambda: world.reproduce(
            "worker", "--store", world.store, "--data-root", world.data, *TRUSTED
        ),
    )
    for ask in refused:
        assert_refused(world, ask())
    assert not world.out.exists()
    assert [output_of(world, *read) for read in reads] == said
    output_of(world, "report", "--store", world.store, "--out", world.out, *TRUSTED[:2])
    assert PixelMean.title in (world.out / "run.html").read_text()
    assert contents(world.store) == whole
