from __future__ import annotations

from pathlib import Path

import pytest
from tiny_datasets import mvtec, noise, save

from adrepro.datasets.catalog import CATALOG
from adrepro.datasets.errors import DataError
from adrepro.datasets.manifest import read_manifest
from adrepro.datasets.mvtec import load_mvtec
from adrepro.datasets.scan import scan
from adrepro.datasets.verify import verify_counts, verify_manifest

TRAIN = "bottle/train/good/000.png"
GOOD = "bottle/test/good/000.png"


def test_manifest_round_trip_and_verify(tmp_path: Path) -> None:
    """A recorded manifest tells missing, extra and changed files apart."""
    root, file = mvtec(tmp_path / "data"), tmp_path / "manifest.json"
    manifest = scan(load_mvtec(root))
    manifest.write(file)
    assert str(tmp_path) not in file.read_text()
    recorded = read_manifest(file)
    assert recorded == {key: each.sha256 for key, each in manifest.records.items()}
    assert verify_manifest(manifest, recorded) == []
    (root / GOOD).unlink()
    noise(99).save(root / TRAIN)
    save(noise(98), root / "bottle" / "train" / "good" / "new.png")
    differences = verify_manifest(scan(load_mvtec(root)), recorded)
    assert [(each.kind, each.where) for each in differences] == [
        ("missing", GOOD),
        ("changed", TRAIN),
        ("extra", "bottle/train/good/new.png"),
    ]


def test_manifest_of_unreadable_files_is_refused(tmp_path: Path) -> None:
    """No manifest is written of files whose bytes could not be read."""
    mvtec(tmp_path / "data")
    (tmp_path / "data" / TRAIN).write_bytes(b"")
    manifest = scan(load_mvtec(tmp_path / "data"))
    with pytest.raises(DataError, match=f"1 files of mvtec_ad could not be read, first {TRAIN}"):
        manifest.write(tmp_path / "manifest.json")
    assert not (tmp_path / "manifest.json").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        ("[1]", "not a manifest"),
        ('{"schema": 99}', "upgrade adrepro"),
        ('{"schema": 1, "files": {"a": {"sha256": "xyz"}}}', "not a manifest"),
        ('{"schema": 1, "files": {"a": 3}}', "not a manifest"),
        ('{"files": {}}', "not a manifest"),
    ],
)
def test_bad_manifest_files(tmp_path: Path, text: str, message: str) -> None:
    """A file that is no manifest is refused in one line."""
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(DataError, match=message) as error:
        read_manifest(path)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="cannot be read"):
        read_manifest(tmp_path / "absent.json")


def test_verify_counts(tmp_path: Path) -> None:
    """Missing categories, missing images and foreign categories are each named."""
    dataset = load_mvtec(mvtec(tmp_path, ("bottle", "teapot")))
    differences = verify_counts(dataset, CATALOG["mvtec_ad"])
    lines = [each.line() for each in differences]
    assert "bottle train_nominal: missing: 3 images, 209 expected" in lines
    assert "cable: missing: no such category, 374 images expected" in lines
    assert "teapot: extra: not a category of the official dataset" in lines
    assert len(lines) == 3 + 14 + 1
    assert verify_counts(dataset, CATALOG["folder"]) == []
