"""AE-SSIM: network, crops, sliding windows, and what the narrow code cannot pass."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from method_images import drawn_set
from reconstruction_world import generator, make_world, scratch_context
from torch import nn

from adrepro.datasets.errors import UsageError
from adrepro.methods.aessim.crops import draw_crops, window_corners
from adrepro.methods.aessim.method import AESSIM, AESSIMSettings
from adrepro.methods.aessim.network import build_autoencoder, encoder_layers
from adrepro.methods.check import check_method
from adrepro.methods.reconstruction import similarity
from adrepro.methods.reconstruction.similarity import ssim_error
from adrepro.methods.settings import make_settings

pytestmark = pytest.mark.usefixtures("one_thread")


def quickly(**changes):
    plain = {"latent": 16, "width": 8, "epochs": 1, "crops_per_epoch": 8, "batch": 8, "shift": 1}
    return AESSIM(AESSIMSettings(**(plain | changes)))


def test_encoder_is_the_papers_table():
    """Table 1 for 128 pixels: feature maps halve where they should, channels are the paper's."""
    network = build_autoencoder(128, 100, 32)
    shapes, x = [], torch.zeros(1, 3, 128, 128)
    for layer in network:
        x = layer(x)
        if isinstance(layer, nn.Conv2d):
            shapes.append((x.shape[1], x.shape[2]))
    sides = (64, 32, 32, 16, 16, 8, 8, 8, 1)
    assert shapes == list(zip((32, 32, 32, 64, 64, 128, 64, 32, 100), sides, strict=True))
    assert x.shape == (1, 3, 128, 128)


@pytest.mark.parametrize("side", [32, 64, 256])
def test_decoder_mirrors_the_encoder(side):
    """Any side that is 8 times a power of two comes back; layers are the encoder's, reversed."""
    network = build_autoencoder(side, 7, 4)
    assert network(torch.zeros(1, 3, side, side)).shape == (1, 3, side, side)
    down = [m.weight.shape for m in network if isinstance(m, nn.Conv2d)]
    up = [m.weight.shape for m in network if isinstance(m, nn.ConvTranspose2d)]
    assert up == down[::-1]  # a transposed convolution's weight has the shape of its mirror's
    assert isinstance(network[-1], nn.ConvTranspose2d)
    assert isinstance(network[2 * len(encoder_layers(side)) + 1], nn.ConvTranspose2d)


@pytest.mark.parametrize("size", [100, 16, 96])
def test_impossible_sides(tmp_path, size):
    """An image whose side does not fit the network is refused in one line."""
    images = drawn_set(tmp_path / "images", 2, size=size)
    with pytest.raises(UsageError, match=f"side of {size} pixels"):
        quickly().fit(images, scratch_context())


def test_plain_crops_are_pieces_of_the_images():
    """Neither turned nor mirrored, a crop is found again in its image, pixel by pixel."""
    pool = torch.randint(0, 256, (3, 3, 20, 20), generator=generator(), dtype=torch.uint8)
    crops = draw_crops(pool, 12, 8, generator(1))
    windows = pool.unfold(2, 8, 1).unfold(3, 8, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 3 * 64)
    distances = torch.cdist(crops.flatten(1).double() * 255, windows.double())
    assert float(distances.min(dim=1).values.max()) < 0.05
    assert len(set(distances.argmin(dim=1).tolist())) > 6


def test_mirrored_crops_are_mirrored():
    """With certain mirroring the whole image comes back turned by 180 degrees."""
    pool = torch.randint(0, 256, (1, 3, 16, 16), generator=generator(), dtype=torch.uint8)
    crop = draw_crops(pool, 1, 16, generator(), mirror_share=1.0)
    torch.testing.assert_close(crop[0], pool[0].flip(1, 2) / 255, atol=1e-4, rtol=0)


def test_shifts_and_rotations_stay_within_their_bounds():
    """A point at the image's centre moves by no more than the shift, and turns about it."""
    pool = torch.zeros(1, 3, 33, 33, dtype=torch.uint8)
    pool[0, :, 16, 16] = 255
    moved = draw_crops(pool, 50, 33, generator(), shift=3)[:, 0].flatten(1).argmax(dim=1)
    offsets = torch.stack([moved // 33, moved % 33]) - 16
    assert int(offsets.min()) == -3
    assert int(offsets.max()) == 3
    pool[0, :, 16, 6] = 254
    turned = draw_crops(pool, 50, 33, generator(), rotate_share=1.0, rotate_degrees=30)
    far = turned[:, 0, :, :13].amax(dim=2).argmax(dim=1) - 16
    assert int(far.abs().max()) == 5  # 10 · sin 30°
    assert len(far.unique()) > 5


@settings(max_examples=50, deadline=None)
@given(st.integers(8, 200), st.integers(1, 64), st.integers(1, 70))
def test_windows_cover_the_image(size, side, stride):
    """Windows lie inside the image; with a stride up to their side they leave no pixel out."""
    side = min(side, size)
    corners = window_corners(size, side, stride)
    assert corners[0] == 0
    assert corners[-1] == size - side
    covered = np.zeros(size, dtype=bool)
    for corner in corners:
        covered[corner : corner + side] = True
    assert covered.all() or stride > side


def test_windows_are_averaged(tmp_path):
    """The map of a sliding window is the mean of the residuals that cover a pixel."""
    images = drawn_set(tmp_path / "images", 2, size=64)
    method = quickly(crop_share=0.5, window_stride=20)
    method.fit(images, scratch_context())
    scores = method.score(images, scratch_context())
    batch = torch.from_numpy(images.array().transpose(0, 3, 1, 2) / np.float32(255))
    total, visits = np.zeros((2, 64, 64)), np.zeros((64, 64))
    for top in (0, 20, 32):
        for left in (0, 20, 32):
            part = batch[:, :, top : top + 32, left : left + 32]
            with torch.no_grad():
                residual = ssim_error(part, method._network(part)).numpy()
            total[:, top : top + 32, left : left + 32] += residual
            visits[top : top + 32, left : left + 32] += 1
    np.testing.assert_allclose(scores.maps, total / visits, atol=1e-5)
    np.testing.assert_array_equal(scores.image, scores.maps.max(axis=(1, 2)))


def test_the_code_is_too_narrow_for_what_was_never_seen(tmp_path):
    """A blot comes back as board; were everything passed on, no residual would be left."""
    world = make_world(tmp_path / "world")
    method = quickly(epochs=10, crops_per_epoch=80, learning_rate=2e-3)
    method.fit(world.train, scratch_context())
    scores = method.score(world.test, scratch_context())
    inside = scores.maps[world.masks].mean()
    outside = scores.maps[world.labels][~world.masks[world.labels]].mean()
    assert inside > 1.3 * outside
    batch = torch.from_numpy(world.test.array().transpose(0, 3, 1, 2) / np.float32(255))
    with torch.no_grad():
        repaired = method._network(batch).numpy()
    blot = np.broadcast_to(world.masks[:, None], repaired.shape)
    board = world.train.array().mean(axis=0).transpose(2, 0, 1) / 255
    away = {
        name: np.abs(repaired - other)[blot].mean()
        for name, other in (("board", board[None]), ("blot", batch.numpy()))
    }
    assert away["board"] < away["blot"]
    method._network = nn.Identity()
    assert np.abs(method.score(world.test, scratch_context()).maps).max() < 1e-4


def test_the_residual_is_structural():
    """A faint break of structure stands out under a change of light; to squares it would not."""
    rows, columns = np.mgrid[:64, :64]
    board = np.where((rows // 4 + columns // 4) % 2, 0.53, 0.47)
    broken = board + 0.1
    broken[24:40, 24:40] = 1.0 - board[24:40, 24:40] + 0.1
    method = quickly()

    class Board(nn.Module):
        def forward(self, x):
            return torch.from_numpy(board).to(x).expand_as(x)

    method._network = Board()
    image = torch.from_numpy(broken).float().expand(1, 3, 64, 64)
    residual = method._residuals(image)[0].numpy()
    inside, outside = residual[28:36, 28:36], residual[:16, :16]
    assert inside.min() > 1
    assert outside.max() < 0.1
    squared = (broken - board) ** 2
    assert squared[28:36, 28:36].mean() < 1.5 * squared[:16, :16].mean()


def test_training_is_for_structure(tmp_path, monkeypatch):
    """Trained by SSIM it repairs structure far better than trained by squared errors."""
    world = make_world(tmp_path / "world")
    batch = torch.from_numpy(world.train.array().transpose(0, 3, 1, 2) / np.float32(255))

    def remaining():
        method = quickly(epochs=10, crops_per_epoch=80, learning_rate=2e-3)
        method.fit(world.train, scratch_context())
        with torch.no_grad():
            return float(ssim_error(batch, method._network(batch)).mean())

    by_ssim = remaining()
    monkeypatch.setattr(
        similarity, "ssim_error", lambda first, second: (first - second).square().mean(dim=1)
    )
    assert by_ssim < 0.75 * remaining()


def test_the_seed_decides(tmp_path):
    """Another seed, another network."""
    images = drawn_set(tmp_path / "images", 3)
    found = []
    for seed in (0, 0, 1):
        method = quickly()
        method.fit(images, scratch_context(seed))
        found.append(method.score(images, scratch_context(seed)).image)
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])


def test_contract():
    """The contract's own tests pass."""
    assert [result for result in check_method("ae-ssim") if not result.passed] == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("crop_share", "0"), ("shift", "-1"), ("mirror_share", "1.5"), ("latent", "0")],
)
def test_impossible_settings(key, value):
    """Settings that mean nothing are one line."""
    with pytest.raises(UsageError, match=key):
        make_settings(AESSIM, "paper", {key: value})
