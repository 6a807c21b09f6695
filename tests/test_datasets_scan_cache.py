from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tiny_datasets import mvtec

from adrepro.datasets.errors import UnknownNameError
from adrepro.datasets.images import file_sha256
from adrepro.datasets.mvtec import load_mvtec
from adrepro.datasets.scan import default_cache, scan

TRAIN = "bottle/train/good/000.png"


def test_second_scan_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a cache, untouched files are not opened again and the outcome is the same."""
    dataset, cache = load_mvtec(mvtec(tmp_path / "data")), tmp_path / "cache" / "scan.json"
    (tmp_path / "data" / TRAIN).write_bytes(b"junk")
    first = scan(dataset, cache=cache)
    monkeypatch.setattr("adrepro.datasets.scan.probe", None)  # calling it would fail
    second = scan(dataset, cache=cache)
    assert (first.reused, second.reused) == (0, 9)
    assert second.records == first.records
    assert second.problems == first.problems


def test_touched_files_are_read_again(tmp_path: Path) -> None:
    """A changed file is noticed even if its size and modification time are set back."""
    dataset, cache = load_mvtec(mvtec(tmp_path / "data")), tmp_path / "scan.json"
    path = tmp_path / "data" / TRAIN
    before = path.stat()
    first = scan(dataset, cache=cache)
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    second = scan(dataset, cache=cache)
    assert second.reused == 8
    assert second.record(path).sha256 == file_sha256(path) != first.record(path).sha256


def test_cache_keeps_other_categories(tmp_path: Path) -> None:
    """Scanning one category does not throw away what is known of another."""
    dataset = load_mvtec(mvtec(tmp_path / "data", ("bottle", "cable")))
    cache = tmp_path / "scan.json"
    assert scan(dataset, ["bottle"], cache=cache).categories == ("bottle",)
    assert scan(dataset, ["cable"], cache=cache).reused == 0
    assert scan(dataset, cache=cache).reused == 18
    with pytest.raises(UnknownNameError):
        scan(dataset, ["grid"], cache=cache)


def test_damaged_cache_is_rebuilt(tmp_path: Path) -> None:
    """A cache that is cut, altered in one hash or of another dataset counts for nothing."""
    dataset, cache = load_mvtec(mvtec(tmp_path / "data")), tmp_path / "scan.json"
    sound = scan(dataset, cache=cache)
    text = cache.read_text()
    wrong = json.loads(text)
    wrong["files"][TRAIN]["sha256"] = "0" * 64
    other = json.loads(text) | {"root": "/elsewhere"}
    damaged = [text[:100], "", "[]", "null", json.dumps(wrong), json.dumps(other)]
    for each in damaged:
        cache.write_text(each)
        again = scan(dataset, cache=cache)
        assert again.reused == 0
        assert again.records == sound.records
        assert cache.read_text() == text or json.loads(cache.read_text()) == json.loads(text)


@pytest.mark.filterwarnings("error")
def test_unwritable_cache_is_done_without(tmp_path: Path) -> None:
    """A cache that cannot be written costs time, not the scan, and raises no warning."""
    dataset = load_mvtec(mvtec(tmp_path / "data"))
    blocked = tmp_path / "file"
    blocked.write_text("")
    for _ in range(2):
        manifest = scan(dataset, cache=blocked / "scan.json")
        assert (manifest.problems, manifest.reused, len(manifest.records)) == ((), 0, 9)
    assert blocked.read_text() == ""


def test_default_cache_depends_on_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's cache has one file per dataset folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache(tmp_path / "a").is_relative_to(tmp_path)
    assert default_cache(tmp_path / "a") != default_cache(tmp_path / "b")
