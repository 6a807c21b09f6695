"""A cell runs on what its key says or not at all, under every engine."""

import os
import platform
import shutil
import sys
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from engine_world import fork_workers
from engine_worlds import Heard, options_of, plan_of, score_bytes, tasks_of
from PIL import Image

from adrepro.datasets import verified
from adrepro.datasets.errors import DataError, WeightsError
from adrepro.datasets.images import file_sha256
from adrepro.harness import inputs
from adrepro.harness.engines import local
from adrepro.harness.grid import Grid
from adrepro.harness.plan import make_plan
from adrepro.harness.run_cell import run_cell
from adrepro.harness.store import Status, Store
from adrepro.harness.task import image_set
from adrepro.harness.tuning import TuningTask
from adrepro.methods.backbones import load_backbone, parse_backbone, published_state
from adrepro.methods.features import FeatureProvider
from toys import PixelMean, ToySettings

METHOD = """
from toys import PixelMean

class Own(PixelMean):
    name = "toy-own"
    title = "Own"
    backbone = {backbone!r}
"""


@dataclass(frozen=True)
class TexturedSettings(ToySettings):
    """A folder whose content is part of the key."""

    folder: str = ""


class Textured(PixelMean):
    """Names a folder in its settings."""

    name = "toy-textured"
    title = "Textured"
    Settings = TexturedSettings
    content_settings = ("folder",)


@dataclass(frozen=True)
class EditsSettings(ToySettings):
    """Which file is overwritten, and with what."""

    edited: str = ""
    by: str = ""


class Edits(PixelMean):
    """Overwrites an image or a mask while it fits, as a user might."""

    name = "toy-edits"
    title = "Edits"
    backbone = "timm/test_resnet.random"
    Settings = EditsSettings

    def fit(self, train, context):
        super().fit(train, context)
        shutil.copyfile(self.settings.by, self.settings.edited)

    def score(self, images, context):
        context.features.maps(images, (8,))
        return super().score(images, context)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    """Workers forked from this process begin without its memory of what was hashed."""
    fork_workers(monkeypatch)
    monkeypatch.setattr(verified, "_known", {})
    inputs._source.cache_clear()


def image_of(world, category="bottle", name="train/good/000.png"):
    return world.data / "mvtec_ad" / category / name


def flip(path) -> None:
    """Change the last byte of a file and give it the size and the time that it had."""
    before = path.stat()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def outcomes(tasks, store) -> dict[str, str]:
    """Run tasks by the local engine; return category → the failure, empty if there is none."""
    local.run_tasks(tasks, options_of(store), Heard())
    found = {t.identity.cell.category: store.read(t.identity.key) for t in tasks}
    assert {record.status for record in found.values()} <= {Status.DONE, Status.FAILED}
    return {name: record.reason for name, record in found.items()}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("train/good/003.png", "bottle/train/good/003.png"),
        ("test/good/001.png", "bottle/test/good/001.png"),
        ("ground_truth/hole/002_mask.png", "the mask of bottle/test/hole/002.png"),
    ],
)
def test_changed_file_fails_its_cells(world, name, what):
    """An image or mask that changes after the plan, be its size and time the same; others run."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1, categories=("bottle", "screw"))
    flip(image_of(world, name=name))
    said = outcomes(tasks, store)
    assert said.pop("screw") == ""
    assert f"CellError in load: {what} on " in said["bottle"], said
    assert "is not what the run was planned with" in said["bottle"]


def test_missing_file_is_named(world):
    """An image that is gone is told by its name in the dataset, not by a path."""
    store, tasks = tasks_of(world, "toys:PixelMean", seeds=1)
    image_of(world).unlink()
    said = outcomes(tasks, store)["bottle"]
    assert "bottle/train/good/000.png cannot be read on" in said
    assert str(world.root) not in said


def test_file_that_changes_between_cells_is_noticed(world):
    """What a process remembers of a file is of no use once the file has other times."""
    _, (first, second) = tasks_of(world, "toys:PixelMean", seeds=2)
    inputs.check_inputs(first)
    flip(image_of(world))
    with pytest.raises(inputs.CellError, match=r"000\.png"):
        inputs.check_inputs(second)


def assert_features_are_clean(store, task) -> None:
    """Hold all features that a store has of a cell's images against those computed anew."""
    assert list(store.features.rglob("*.safetensors"))
    spec = parse_backbone(Edits.backbone)
    stored, clean = (FeatureProvider(spec, "cpu", folder) for folder in (store.features, None))
    for samples in (task.train, task.test):
        images = image_set(samples, task.identity.cell.image_size)
        expected = clean.maps(images.uncached(), (8,))[8]
        np.testing.assert_array_equal(stored.maps(images, (8,))[8], expected)


def run_in_this_process(tasks, store) -> list:
    """Run tasks as every engine does, without a process for them; return the failures."""
    spec = parse_backbone(Edits.backbone)
    features = FeatureProvider(spec, "cpu", store.features)
    return [run_cell(task, features, lambda _fraction, _text: None) for task in tasks]


@pytest.mark.parametrize(
    ("name", "by", "phase", "said"),
    [
        ("test/hole/002.png", "test/hole/000.png", "score", "test/hole/002.png: its content is"),
        (
            "train/good/003.png", "train/good/001.png", "write",
            "bottle/train/good/003.png on this machine is",
        ),
        (
            "ground_truth/hole/002_mask.png", "ground_truth/hole/000_mask.png", "metrics",
            "ground_truth/hole/002_mask.png: its content is",
        ),
    ],
)  # fmt: skip
def test_file_edited_while_its_cell_runs(world, name, by, phase, said, monkeypatch):
    """The cell fails in one line, nothing made of it is published or kept on disk."""
    monkeypatch.setattr(platform, "node", lambda: "this machine")
    edited = image_of(world, name=name)
    before = edited.read_bytes()
    method = "test_inputs:Edits"
    overrides = {f"{method}.edited": str(edited), f"{method}.by": str(image_of(world, name=by))}
    store, tasks = tasks_of(world, method, seeds=1, overrides=overrides)
    (failure,) = run_in_this_process(tasks, store)
    assert failure.phase == phase
    assert f"{said} not what " in failure.message
    assert "planned" in failure.message
    assert "run the same command again" in failure.message
    assert not list(world.store.rglob("result.json"))
    edited.write_bytes(before)
    assert_features_are_clean(store, tasks[0])
    # Overwritten with itself: a file of other times and the same content is no other file.
    overrides[f"{method}.by"] = str(world.root / "copy.png")
    (world.root / "copy.png").write_bytes(before)
    _, again = tasks_of(world, method, seeds=1, overrides=overrides)
    assert run_in_this_process(again, store) == [None]
    assert store.read(again[0].identity.key).status is Status.DONE


class PutsBack(PixelMean):
    """Overwrites an image, looks at it, and puts it back, as a user might."""

    name = "toy-puts-back"
    title = "Puts back"
    backbone = "timm/test_resnet.random"
    Settings = EditsSettings
    seen: ClassVar[list[str]] = []

    def fit(self, train, context):
        path = Path(self.settings.edited)
        before = path.read_bytes()
        shutil.copyfile(self.settings.by, path)
        for look in (lambda: context.features.maps(train, (8,)), train.array):
            try:
                look()
            except DataError as err:
                self.seen.append(str(err))
        path.write_bytes(before)
        super().fit(train, context)

    def score(self, images, context):
        context.features.maps(images, (8,))
        return super().score(images, context)


def test_file_edited_and_put_back_within_a_cell(world, monkeypatch):
    """Neither pixels nor features come from what it was meanwhile; the cell is the clean one."""
    monkeypatch.setattr(PutsBack, "seen", [])
    edited = image_of(world, name="train/good/003.png")
    other = world.root / "other.png"
    Image.new("RGB", (16, 16), "red").save(other)
    method = "test_inputs:PutsBack"
    overrides = {f"{method}.edited": str(edited), f"{method}.by": str(other)}
    store, (task,) = tasks_of(world, method, seeds=1, overrides=overrides)
    assert run_in_this_process([task], store) == [None]
    assert [str(edited) in line for line in PutsBack.seen] == [True, True]
    assert_features_are_clean(store, task)
    train = image_set(task.train, task.identity.cell.image_size)
    np.testing.assert_array_equal(train.array(), train.uncached().array())


def test_weights_swapped_while_they_are_loaded(world, tmp_path):
    """Features lie under the hash of the weights that computed them, or there are none."""
    path = tmp_path / "weights.pth"
    states = [published_state(parse_backbone("timm/test_resnet.random")) for _ in range(2)]
    next(iter(states[1].values())).zero_()
    torch.save(states[0], path)
    spec = parse_backbone("timm/test_resnet", path)
    features = FeatureProvider(spec, "cpu", tmp_path / "features")
    images = image_set(tasks_of(world, "toys:PixelMean", seeds=1)[1][0].train, 32)
    expected = FeatureProvider(spec, "cpu", None).maps(images, (8,))
    assert features.remembers
    known = features._weights_sha256
    torch.save(states[1], path)
    with pytest.raises(WeightsError, match="not what it was when the run was planned"):
        features.maps(images, (8,))
    assert not list((tmp_path / "features").rglob("*.safetensors"))
    torch.save(states[0], path)
    assert file_sha256(path) == known
    np.testing.assert_array_equal(features.maps(images, (8,))[8], expected[8])


@pytest.fixture
def own_method(tmp_path, monkeypatch):
    """A method in a file of its own, and a way to write it."""
    folder = tmp_path / "plug-in"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    name = f"own_method_{uuid.uuid4().hex}"  # the registry remembers classes

    def write(backbone=None, more=""):
        (folder / f"{name}.py").write_text(METHOD.format(backbone=backbone) + more)
        return f"{name}:Own"

    yield write
    sys.modules.pop(name, None)


def test_changed_source_fails_the_cells(world, own_method):
    """A method whose file is edited after the plan does not run under the key of the old one."""
    store, tasks = tasks_of(world, own_method(), seeds=1)
    name = own_method(more="    image_size = 64\n")
    said = outcomes(tasks, store)["bottle"]
    assert f"CellError in load: the source of {name} on " in said


def test_changed_weights_fail_the_cells(world, own_method, tmp_path):
    """A file of weights that is replaced after the plan."""
    model = load_backbone(parse_backbone("timm/test_resnet.random"), "cpu").model
    path = tmp_path / "weights.pth"
    torch.save(model.state_dict(), path)
    grid = Grid(
        target="run", methods=(own_method("timm/test_resnet.r160_in1k"),), datasets=("mvtec_ad",),
        noise=(0.0,), seeds=1, protocols=("fixed-test",), categories=("bottle",), weights=str(path),
    )  # fmt: skip
    plan = make_plan(grid, data_root=world.data, cache=None)
    store = Store(world.store, create=True)
    task = plan.cells[0].task(store.root, "cpu", keep_maps=False, exclusive=True)
    inputs.check_inputs(task)
    flip(path)
    os.utime(path)
    said = outcomes([task], store)["bottle"]
    assert "CellError in load: the file of weights of timm/test_resnet on " in said, said


def test_changed_folder_of_a_setting_fails_the_cells(world, tmp_path):
    """A folder that a setting names, of which something is gone."""
    folder = tmp_path / "textures"
    shutil.copytree(image_of(world).parent, folder)
    method = "test_inputs:Textured"
    overrides = {f"{method}.folder": str(folder)}
    store, tasks = tasks_of(world, method, seeds=1, overrides=overrides)
    (folder / "003.png").unlink()
    said = outcomes(tasks, store)["bottle"]
    assert f"what {method}.folder names on " in said, said


def test_changed_image_fails_a_tuning(world):
    """The cells that wait for a tuning fail with it where its images are others."""
    plan = plan_of(world, "toys_tuning:Tuned", seeds=1)
    store = Store(world.store, create=True)
    tasks = plan.pending_tunings(store, plan.pending(store), "cpu")
    assert [type(task) for task in tasks] == [TuningTask]
    flip(image_of(world))
    local.run_tasks(tasks, options_of(store), Heard())
    reason = store.read(plan.cells[0].key).reason
    assert "CellError in tune: bottle/train/good/000.png on " in reason


def test_cells_fitted_together_are_checked_too(world):
    """One of a stack whose image has changed fails, the others have the bytes of a clean run."""
    both = ("bottle", "screw")
    store, tasks = tasks_of(world, "toys_tuning:Stacked", seeds=2, categories=both)
    heard = Heard()
    local.run_tasks(tasks, options_of(store, stack=4), heard)
    assert [event.kind for event in heard].count("stacked") == 2
    clean = score_bytes(store)
    again = Store(world.root / "again", create=True)
    flip(image_of(world))
    tasks = [replace(task, store=again.root) for task in tasks]
    heard = Heard()
    local.run_tasks(tasks, options_of(again, stack=4), heard)
    ended = {e.task.identity.key: (e.kind, e.task.identity.cell.category)
             for e in heard if e.kind in {"done", "failed"}}  # fmt: skip
    assert {category: kind for kind, category in ended.values()} == {
        "bottle": "failed", "screw": "done",
    }  # fmt: skip
    for key, (kind, _) in ended.items():
        if kind == "done":
            assert (again.folder(key) / "scores.npz").read_bytes() == clean[key]
