from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adrepro.datasets.errors import DataError
from adrepro.datasets.images import decode, load_mask
from adrepro.datasets.manifest import ProblemKind
from adrepro.datasets.probe import probe


def write(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values).save(path)
    return path


def ramp(dtype: type, highest: int) -> np.ndarray:
    return np.linspace(0, highest, 192).reshape(12, 16).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("highest", [65535, 4096])
def test_integers_are_scaled_by_1_257(tmp_path: Path, dtype: type, highest: int) -> None:
    """Values within 16 bit are scaled alike, however they are stored, and the scan says how."""
    values = ramp(dtype, highest)
    path = write(tmp_path / "image.tif", values)
    expected = np.rint(values / 257).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(decode(path)), np.repeat(expected[..., None], 3, 2))
    ((kind, detail),) = probe(path, "image", "image").findings
    assert kind is ProblemKind.SIXTEEN_BIT
    assert "scaled by 1/257" in detail
    assert "12-bit" not in detail


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
def test_12_bit_data_is_named(tmp_path: Path, dtype: type) -> None:
    """A 16-bit image that uses only 12 of them is reported as dark, with its highest value."""
    path = write(tmp_path / "image.tif", ramp(dtype, 4095))
    ((kind, detail),) = probe(path, "image", "image").findings
    assert kind is ProblemKind.SIXTEEN_BIT
    assert "no value above 4095: looks like 12-bit data and will be dark" in detail


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (ramp(np.float32, 1), "floating-point image: convert to 8 or 16 bit"),
        (ramp(np.int32, 65536), "values from 0 to 65536, beyond 0 to 65535: convert"),
        (ramp(np.int32, -3), "values from -3 to 0, beyond 0 to 65535: convert"),
    ],
)
def test_values_without_a_known_white_are_refused(
    tmp_path: Path, values: np.ndarray, said: str
) -> None:
    """Decoding and scanning refuse the same images with the same words."""
    path = write(tmp_path / "image.tif", values)
    with pytest.raises(DataError, match=said) as error:
        decode(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    ((kind, detail),) = probe(path, "image", "image").findings
    assert kind is ProblemKind.TOO_DEEP
    assert said in detail


@pytest.mark.parametrize(("dtype", "value"), [(np.uint16, 1), (np.int32, 70000), (np.float32, 0.3)])
def test_deep_masks_keep_every_defective_pixel(tmp_path: Path, dtype: type, value: float) -> None:
    """Any non-zero pixel of a mask is defective at any depth, for decoding and scanning alike."""
    values = np.zeros((12, 16), dtype)
    values[2:5, 3:9] = value
    path = write(tmp_path / "mask.tif", values)
    np.testing.assert_array_equal(load_mask(path, (12, 16)), values != 0)
    assert probe(path, "mask", "mask").foreground == 18
