"""Folders of textures that settings name: a cell runs on what its key counted, or fails."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from engine_world import fork_workers
from engine_worlds import Heard, options_of, tasks_of
from test_inputs import TexturedSettings, flip, image_of

from adrepro.datasets import verified
from adrepro.datasets.errors import DataError
from adrepro.harness.engines import local
from adrepro.methods.synthesis.textures import TextureSource
from toys import PixelMean


@dataclass(frozen=True)
class EditsTexturesSettings(TexturedSettings):
    """The file in the folder that is overwritten, and by which seed's cell."""

    edited: str = ""
    seed: int = -1


class EditsTextures(PixelMean):
    """Overwrites a file of the folder that its settings name, once it has been fitted."""

    name = "toy-edits-textures"
    title = "Edits textures"
    Settings = EditsTexturesSettings
    content_settings = ("folder",)

    def fit(self, train, context):
        super().fit(train, context)
        if context.seed_axes[-1] == self.settings.seed:
            flip(Path(self.settings.edited))


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Workers forked from this process begin without its memory of what was hashed."""
    fork_workers(monkeypatch)
    monkeypatch.setattr(verified, "_known", {})


def test_texture_edited_between_two_cells_of_a_batch(world, tmp_path):
    """What one process has asked of a folder is asked again: later cells fail, none is wrong."""
    folder = tmp_path / "textures"
    shutil.copytree(image_of(world).parent, folder)
    method = "test_inputs_textures:EditsTextures"
    overrides = {
        f"{method}.folder": str(folder),
        f"{method}.edited": str(folder / "003.png"),
        f"{method}.seed": "1",
    }
    store, tasks = tasks_of(world, method, seeds=4, categories=("bottle",), overrides=overrides)
    ended = {task.identity.cell.seed: None for task in tasks}
    local.run_tasks(tasks, options_of(store), Heard())
    for task in tasks:
        ended[task.identity.cell.seed] = store.read(task.identity.key).reason
    assert list(ended) == [0, 1, 2, 3]
    assert ended[0] == ""
    for seed, phase in ((1, "write"), (2, "load"), (3, "load")):
        assert f"CellError in {phase}: what {method}.folder" in ended[seed], ended


def test_drawn_texture_is_of_the_state_that_the_fit_began_with(world):
    """A texture that is edited while a method draws from its folder is refused by its name."""
    folder = image_of(world).parent
    source = TextureSource(folder)
    before = source.draw(16, np.random.default_rng(0))
    for path in folder.iterdir():
        flip(path)
    with pytest.raises(DataError, match=r"\d{3}\.png: its content is not what it was"):
        source.draw(16, np.random.default_rng(0))
    for path in folder.iterdir():
        flip(path)
    assert (source.draw(16, np.random.default_rng(0)) == before).all()
