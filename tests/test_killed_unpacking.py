"""A process that is killed while it unpacks a dataset: nobody takes the half for the whole."""

import hashlib
import io
import os
import random
import signal
import tarfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from engine_world import kill_after, wait_for
from test_datasets_archives import tree

from adrepro.datasets import archives
from adrepro.datasets.catalog import CATALOG, locate, open_dataset
from adrepro.datasets.entries import Archive, DatasetInfo
from adrepro.datasets.errors import DataError
from adrepro.datasets.fetch import DOWNLOADS, fetch
from conftest import write_mvtec

KILLS = 8


def packed(folder: Path, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as handle:
            for path in sorted(folder.rglob("*")):
                handle.write(path, path.relative_to(folder))
    else:
        with tarfile.open(fileobj=buffer, mode="w:gz") as handle:
            handle.add(folder, arcname="around" if kind == "tar with a folder around" else "./")
    return buffer.getvalue()


@pytest.fixture(params=["tar", "tar with a folder around", "zip"])
def asked(request, tmp_path) -> tuple[DatasetInfo, Path, dict[str, bytes]]:
    """A dataset that has been downloaded and not yet unpacked, and what it holds."""
    made = write_mvtec(tmp_path / "made", categories=("bottle",), train=60, good=20, anomalous=40)
    whole, body = tree(made), packed(made, request.param)
    known = Archive(
        url="https://localhost/none", filename="set", sha256=hashlib.sha256(body).hexdigest()
    )
    info = replace(CATALOG["mvtec_ad"], archive=known)
    kept = tmp_path / "root" / DOWNLOADS / known.filename
    kept.parent.mkdir(parents=True)
    kept.write_bytes(body)
    return info, tmp_path / "root", whole


def start_fetching(info: DatasetInfo, root: Path, pause_s: float = 0.0) -> int:
    """Fetch in a process of its own that waits a little before each file; return its number."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    write = archives._write

    def slowly(*arguments) -> None:
        time.sleep(pause_s)
        write(*arguments)

    try:
        archives._write = slowly
        fetch(info, root, consent=lambda _question: True)
        code = 0
    finally:
        os._exit(code)


def files_in(folders: set[Path]) -> int:
    """Count files, of a folder that may go at this moment too."""
    return sum(len(files) for folder in folders for _, _, files in os.walk(folder))


def assert_nothing_or_all(info: DatasetInfo, root: Path, whole: dict[str, bytes]) -> bool:
    """Nobody finds a dataset, or all of it; return which."""
    found = locate(info, root)
    if found is None:
        with pytest.raises(DataError):
            open_dataset("mvtec_ad", root)
        return False
    assert tree(found) == whole
    assert len(open_dataset("mvtec_ad", root).categories) == 1
    return True


def assert_comes_whole(info: DatasetInfo, root: Path, whole: dict[str, bytes]) -> None:
    """The same command once more gives the whole and leaves nothing else."""
    assert wait_for(start_fetching(info, root)) == 0
    assert assert_nothing_or_all(info, root, whole)
    assert {path.name for path in root.iterdir()} == {DOWNLOADS, "mvtec_ad"}


def test_killed_in_the_midst_of_files(asked):
    """Killed after some number of files, again and again: no dataset; then a whole one."""
    info, root, whole = asked
    drawn = random.Random(36)
    for _ in range(KILLS):
        wanted, before = drawn.randrange(1, len(whole) // 2), set(root.iterdir())
        pid = start_fetching(info, root, pause_s=0.002)
        deadline = time.monotonic() + 60
        while files_in(set(root.iterdir()) - before) < wanted:
            assert time.monotonic() < deadline
            time.sleep(0.001)
        os.kill(pid, signal.SIGKILL)
        assert wait_for(pid) == -signal.SIGKILL
        assert not assert_nothing_or_all(info, root, whole)
        half = set(root.iterdir()) - before
        assert wanted <= files_in(half) < len(whole), "not killed while it unpacked"
        assert len(list(root.iterdir())) == 2, "what the one before had left is gone"
    assert_comes_whole(info, root, whole)


def test_killed_at_random_instants(asked):
    """Killed at any instant, the last ones included: all or nothing is there, and then all."""
    info, root, whole = asked
    began = time.perf_counter()
    assert_comes_whole(info, root, whole)
    took = time.perf_counter() - began
    drawn = random.Random(37)
    for _ in range(KILLS):
        if (root / "mvtec_ad").exists():
            os.rename(root / "mvtec_ad", root.parent / f"done-{time.monotonic_ns()}")
        kill_after(start_fetching(info, root), drawn.uniform(0.0, 1.2 * took))
        assert_nothing_or_all(info, root, whole)
    assert_comes_whole(info, root, whole)
