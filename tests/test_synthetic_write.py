"""The drawn dataset on disk: readable, resumable, and safe with several writers."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest
from PIL import Image

from adrepro.datasets.errors import DataError, UnknownNameError
from adrepro.datasets.ksdd2 import load_ksdd2
from adrepro.datasets.mvtec import load_mvtec
from adrepro.datasets.synthetic import Counts, defects, draw, jobs, materialise, write

FEW = Counts(train=3, train_anomalous=2, test_good=2, test_anomalous=5)


def test_mvtec_layout_loads(tmp_path):
    """The loader finds every image with its mask; grey categories have a single channel."""
    root = materialise(tmp_path / "s", "mvtec", categories=["wood", "grid"], size=64, counts=FEW)
    dataset = load_mvtec(root, synthetic=True)
    assert dataset.categories == ("grid", "wood")
    for name, mode in (("wood", "RGB"), ("grid", "L")):
        category = dataset.category(name)
        sizes = len(category.train), len(category.test_nominal), len(category.test_anomalous)
        assert sizes == (3, 2, 5)
        assert {r.defect for r in category.test_anomalous} <= set(defects(name))
        with Image.open(category.train[0].path) as picture:
            assert picture.mode == mode
        for ref in category.test_anomalous:
            assert ref.mask_path is not None
            mask = np.asarray(Image.open(ref.mask_path))
            assert set(np.unique(mask)) == {0, 255}
    assert not [p for p in root.iterdir() if p.name.startswith(".")]


def test_no_image_is_drawn_twice(tmp_path):
    """All images of a category differ, so that nothing of the test set is in training."""
    root = materialise(tmp_path, "mvtec", categories=["wood"], size=64, counts=FEW)
    files = [*root.glob("wood/train/good/*.png"), *root.glob("wood/test/*/*.png")]
    assert len({np.asarray(Image.open(f)).tobytes() for f in files}) == len(files) == 10


def test_ksdd2_layout_loads(tmp_path):
    """Defective and flawless strips come mixed in both splits, with the counts asked for."""
    root = materialise(tmp_path / "k", "ksdd2", size=64, counts=FEW)
    category = load_ksdd2(root, synthetic=True).category("ksdd2")
    assert (len(category.train_nominal), len(category.train_anomalous)) == (3, 2)
    assert (len(category.test_nominal), len(category.test_anomalous)) == (2, 5)
    assert category.train[0].id == "train/10000.png"
    with Image.open(category.train[0].path) as picture:
        assert picture.width == 58
        assert 2.3 < picture.height / 64 < 2.6


def _times(root):
    return {p: p.stat().st_mtime_ns for p in root.rglob("*.png")}


def test_materialise_returns_what_is_there_and_redraws_what_is_not(tmp_path):
    """A matching stamp draws nothing; other settings or a lost image draw the category again."""
    settings_ = {"categories": ["tile"], "size": 64, "counts": FEW}
    materialise(tmp_path, "mvtec", **settings_)
    before = _times(tmp_path)
    materialise(tmp_path, "mvtec", **settings_)
    assert _times(tmp_path) == before
    first = (tmp_path / "tile/train/good/000.png").read_bytes()
    materialise(tmp_path, "mvtec", **settings_, seed=1)
    assert (tmp_path / "tile/train/good/000.png").read_bytes() != first
    assert json.loads((tmp_path / "tile" / write.STAMP).read_text())["seed"] == 1
    (tmp_path / "tile/train/good/001.png").unlink()
    materialise(tmp_path, "mvtec", **settings_, seed=1)
    assert len(_times(tmp_path)) == len(before)


def test_another_version_redraws(tmp_path, monkeypatch):
    """Images of an older generator are replaced."""
    settings_ = {"categories": ["tile"], "size": 64, "counts": FEW}
    materialise(tmp_path, "mvtec", **settings_)
    monkeypatch.setattr(write, "VERSION", "next")
    materialise(tmp_path, "mvtec", **settings_)
    assert json.loads((tmp_path / "tile" / write.STAMP).read_text())["version"] == "next"


@pytest.mark.parametrize("kind", ["mvtec", "ksdd2"])
def test_foreign_folders_are_left_alone(tmp_path, kind):
    """A folder that holds someone's images is refused and stays as it is."""
    root = tmp_path / "root"
    theirs = (root / "tile" if kind == "mvtec" else root) / "train" / "mine.png"
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"photo")
    names = ["tile"] if kind == "mvtec" else None
    with pytest.raises(DataError, match="was not drawn by this generator"):
        materialise(root, kind, categories=names, size=64, counts=FEW)
    assert theirs.read_bytes() == b"photo"


def test_materialise_refuses_what_it_does_not_know(tmp_path):
    """Unknown layouts and categories are named before anything is drawn."""
    with pytest.raises(UnknownNameError, match="wood"):
        materialise(tmp_path, "mvtec", categories=["tile", "woood"], size=64, counts=FEW)
    with pytest.raises(UnknownNameError):
        materialise(tmp_path, "ksdd2", categories=["tile"], size=64, counts=FEW)
    with pytest.raises(UnknownNameError):
        materialise(tmp_path, "coco", size=64)  # type: ignore[arg-type]
    with pytest.raises(DataError, match="at least 48"):
        materialise(tmp_path, "mvtec", size=32)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    """An interruption half-way leaves no category and no draft."""
    drawn = []

    def fail(category, index, **rest):
        drawn.append(index)
        if len(drawn) > 4:
            raise KeyboardInterrupt
        return draw(category, index, **rest)

    monkeypatch.setattr(jobs, "draw", fail)
    with pytest.raises(KeyboardInterrupt):
        materialise(tmp_path, "mvtec", categories=["wood"], size=64, counts=FEW)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["mvtec", "ksdd2"])
@pytest.mark.parametrize("stale", [False, True])
def test_two_at_once_are_harmless(tmp_path, kind, stale):
    """Four writers of the same dataset, on empty or stale ground, leave one whole copy."""
    root = tmp_path / "root"
    names = ["wood"] if kind == "mvtec" else None
    if stale:
        materialise(root, kind, categories=names, size=64, counts=FEW, seed=5)
    errors, barrier = [], threading.Barrier(4)

    def work():
        barrier.wait()
        try:
            materialise(root, kind, categories=names, size=64, counts=FEW)
        except BaseException as err:
            errors.append(err)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    folder = root / "wood" if kind == "mvtec" else root
    stamp = json.loads((folder / write.STAMP).read_text())
    assert stamp["seed"] == 0
    assert len(list(folder.rglob("*.png"))) == stamp["files"]
    assert not [p for p in (*tmp_path.iterdir(), *root.iterdir()) if p.name.endswith(".tmp")]
