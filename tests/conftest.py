"""A tiny real world: images on disk in the official layouts, and the real command line."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adrepro.harness.cli import invoke

TESTS = Path(__file__).resolve().parent
SHARED_DATA = TESTS.parent.parent / "shared" / "data"
sys.path.insert(0, str(TESTS))


def grey_image(seed: int, *, spot: bool, side: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy grey ``uint8 [H, W, 3]``, with a bright spot if asked, and its mask."""
    rng = np.random.default_rng(seed)
    image = rng.normal(120, 6, (side, side, 3))
    mask = np.zeros((side, side), dtype=np.uint8)
    if spot:
        top, left = rng.integers(2, side - 8, 2)
        mask[top : top + 5, left : left + 5] = 255
        image[mask > 0] += 60
    return np.clip(image, 0, 255).astype(np.uint8), mask


def write_mvtec(root: Path, categories=("bottle", "screw"), train=8, good=6, anomalous=14) -> Path:
    """Write a tiny dataset in MVTec AD's layout; two defect types, masks by stem."""
    for number, category in enumerate(categories):
        base = 10_000 * (number + 1)
        for i in range(train):
            save(
                root / category / "train" / "good" / f"{i:03}.png",
                grey_image(base + i, spot=False)[0],
            )
        for i in range(good):
            image = grey_image(base + 1000 + i, spot=False)[0]
            save(root / category / "test" / "good" / f"{i:03}.png", image)
        for i in range(anomalous):
            defect = ("hole", "stain")[i % 2]
            image, mask = grey_image(base + 2000 + i, spot=True)
            save(root / category / "test" / defect / f"{i:03}.png", image)
            save(root / category / "ground_truth" / defect / f"{i:03}_mask.png", mask)
    return root


def save(path: Path, pixels: np.ndarray) -> Path:
    """Write an image, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


class World:
    """A data root, a store and an output folder, and the command that works on them."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self._capsys = root, capsys
        self.data, self.store, self.out = root / "data", root / "store", root / "out"
        self.stdout = self.stderr = ""

    def reproduce(self, *arguments: str | Path) -> int:
        """Run ``reproduce`` in this process; keeps what it printed."""
        self._capsys.readouterr()
        code = invoke([str(a) for a in arguments])
        self.stdout, self.stderr = self._capsys.readouterr()
        return code

    def run(self, *arguments: str | Path, method: str = "toys:PixelMean") -> int:
        """Run a small grid on the tiny dataset."""
        return self.reproduce(
            "run", "-m", method, "-d", "mvtec_ad", *self.places, "--device", "cpu", *arguments
        )

    @property
    def places(self) -> tuple[str | Path, ...]:
        """Return the options that name the three folders."""
        return ("--data-root", self.data, "--store", self.store, "--out", self.out)


@pytest.fixture
def counted(monkeypatch):
    """Count the images of each pass through the network."""
    from adrepro.methods.backbones import Backbone

    seen = []
    whole = Backbone.normalise

    def normalise(self, images):
        seen.append(len(images))
        return whole(self, images)

    monkeypatch.setattr(Backbone, "normalise", normalise)
    return seen


@pytest.fixture
def world(tmp_path, capsys):
    """A tiny MVTec-like dataset with the command line on top."""
    made = World(tmp_path, capsys)
    write_mvtec(made.data / "mvtec_ad")
    return made


@pytest.fixture
def real_mvtec():
    """The folder of real MVTec AD categories, where the machine has them."""
    folder = SHARED_DATA / "mvtec_ad"
    if not folder.is_dir():
        pytest.skip("needs real MVTec AD images beside the repository in shared/data/mvtec_ad")
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """Let torch use one thread: with small networks several would mostly wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
