"""Remembered pixels: the same as decoded ones, bounded, never where the whole path is timed."""

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from adrepro.datasets import images
from adrepro.datasets.images import ImageSet
from adrepro.datasets.pixels import RecentPixels


@pytest.fixture
def remembered(monkeypatch):
    memory = RecentPixels(2 * 8 * 8 * 3)
    monkeypatch.setattr(images, "REMEMBERED", memory)
    return memory


@pytest.fixture
def drawn(tmp_path):
    """Three random images of 16 pixels, seen at 8."""
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for index, path in enumerate(paths):
        values = np.random.default_rng(index).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(values).save(path)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    return ImageSet(paths, hashes, 8), paths


def decoded(monkeypatch):
    """Count the files decoded from here on."""
    seen, real = [], images.decode
    monkeypatch.setattr(
        images, "decode", lambda path, sha256: seen.append(path) or real(path, sha256)
    )
    return seen


def test_a_remembered_image_is_not_decoded_again(remembered, drawn, monkeypatch):
    """Subsets and sets of the same size share pixels; other sizes have their own."""
    first, paths = drawn
    expected = [first[i].copy() for i in range(2)]
    seen = decoded(monkeypatch)
    again = ImageSet(paths, first.hashes, 8)
    for index in (0, 1):
        np.testing.assert_array_equal(again.subset([index])[0], expected[index])
    assert not seen
    assert again.resized(4)[1].shape == (4, 4, 3)
    assert len(seen) == 1


def test_uncached_images_are_read_from_their_files(remembered, drawn, monkeypatch):
    """What is timed from file to score decodes each time, and leaves no trace."""
    first, _ = drawn
    expected = first[0].copy()
    seen = decoded(monkeypatch)
    cold = first.subset([0]).uncached()
    for _ in range(2):
        np.testing.assert_array_equal(cold.resized(8).subset([0])[0], expected)
    assert len(seen) == 2


def test_memory_is_bounded_and_forgets_the_least_recent(remembered, drawn, monkeypatch):
    """Two of three images fit; the one not used for longest goes."""
    first, paths = drawn
    _ = first[0], first[1], first[0], first[2]
    assert remembered.held == 2 * 8 * 8 * 3
    seen = decoded(monkeypatch)
    _ = first[0], first[2]
    assert not seen
    _ = first[1]
    assert seen == [paths[1]]
    assert first.resized(64)[0].shape == (64, 64, 3)  # larger than the whole memory
    assert remembered.held <= 2 * 8 * 8 * 3


def test_pixels_cannot_be_changed_by_a_method(drawn):
    """A method that writes into an image would change what other cells see."""
    first, _ = drawn
    with pytest.raises(ValueError, match="read-only"):
        first[0][0, 0, 0] = 1
    copy = first.array()
    copy[:] = 0
    assert first.array().any()


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
def test_pixels_written_through_a_tensor_are_the_methods_own(remembered, drawn):
    """Torch ignores numpy's flag; what is remembered stays as the file has it all the same."""
    first, _ = drawn
    expected = first[0].copy()
    for _ in range(2):  # freshly decoded, then remembered
        torch.from_numpy(first[0]).fill_(7)
        np.testing.assert_array_equal(first[0], expected)


def test_changed_files_are_other_images(remembered, drawn):
    """A file with other content has another hash, and its own pixels."""
    first, paths = drawn
    before = first[0].copy()
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(paths[0])
    changed = ImageSet(paths[:1], [hashlib.sha256(paths[0].read_bytes()).hexdigest()], 8)
    assert not changed[0].any()
    assert before.any()
