"""Textures for synthetic anomalies."""

import numpy as np
import pytest
from PIL import Image

from adrepro.datasets.errors import DataError
from adrepro.methods.synthesis.patterns import KINDS, draw_pattern
from adrepro.methods.synthesis.textures import PHOTOGRAPHS, TextureSource, photograph


@pytest.mark.parametrize("size", [33, 128])
def test_textures_repeat_with_the_seed(size):
    """The same generator state gives the same texture, another one another."""
    source = TextureSource()
    first = [source.draw(size, np.random.default_rng(seed)) for seed in range(8)]
    again = [TextureSource().draw(size, np.random.default_rng(seed)) for seed in range(8)]
    for one, two in zip(first, again, strict=True):
        assert one.shape == (size, size, 3)
        assert one.dtype == np.uint8
        np.testing.assert_array_equal(one, two)
    assert len({texture.tobytes() for texture in first}) == 8


def test_textures_are_photographs_and_patterns():
    """About half of the draws touch a photograph, and all photographs come up."""
    seen = []
    source = TextureSource()
    generator = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "adrepro.methods.synthesis.textures.photograph",
            lambda name: seen.append(name) or photograph(name),
        )
        for _ in range(200):
            source.draw(16, generator)
    assert 70 < len(seen) < 130
    assert set(seen) == set(PHOTOGRAPHS)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_photographs_are_there_without_a_download(name):
    """Each is RGB and large enough for a crop."""
    pixels = photograph(name)
    assert pixels.dtype == np.uint8
    assert pixels.ndim == 3
    assert pixels.shape[2] == 3
    assert min(pixels.shape[:2]) >= 96


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_pattern_varies_within_an_image(kind, monkeypatch):
    """Every kind gives shares in [0, 1] that are not flat."""
    generator = np.random.default_rng(5)
    monkeypatch.setattr("adrepro.methods.synthesis.patterns.KINDS", (kind,))
    assert min(draw_pattern(64, generator).std(axis=(0, 1)).max() for _ in range(10)) > 4
    grid = np.mgrid[:64, :64] / 8
    share = kind(grid[0], grid[1], generator)
    assert share.shape == (64, 64)
    assert share.min() >= 0
    assert share.max() <= 1
    assert share.std() > 0.02


def test_folder_of_textures(tmp_path):
    """Pictures of a folder are found in its subfolders, resized by the shorter side and cropped."""
    (tmp_path / "banded").mkdir()
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, :20], wide[:, 20:40], wide[:, 40:] = 10, 100, 200
    Image.fromarray(wide).save(tmp_path / "banded" / "a.png")
    (tmp_path / "notes.txt").write_text("no picture")
    source = TextureSource(str(tmp_path))
    assert [path.name for path in source.files] == ["a.png"]
    texture = source.draw(40, np.random.default_rng(0))
    assert texture.shape == (40, 40, 3)
    assert set(np.unique(texture[:, 4:-4])) == {100}


def test_folder_without_textures(tmp_path):
    """An empty or missing folder is one line that names it and what to do."""
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(DataError, match="no JPEG or PNG file") as caught:
            TextureSource(folder)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_damaged_texture_is_named(tmp_path):
    """A file that cannot be decoded is named, never skipped."""
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"broken\.jpg"):
        TextureSource(tmp_path).draw(8, np.random.default_rng(0))
