"""anomalib's models as methods, run where the extra is installed."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from method_images import drawn_set, make_context

from adrepro.datasets.errors import UnknownNameError, UsageError
from adrepro.methods.backbones import LITE0, parse_backbone, published_state
from adrepro.methods.check import check_method
from adrepro.methods.features import FeatureProvider
from adrepro.methods.registry import method_class
from adrepro.methods.settings import field_types, make_settings
from adrepro.methods.sources import method_sources


@pytest.fixture
def one_thread():
    """Run on one thread; skip where the extra is not installed."""
    pytest.importorskip("anomalib", reason="the extra [anomalib] is not installed")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def fitted(name, train, overrides=None):
    """Return a method of anomalib, fitted on the packaged backbone."""
    cls = method_class(f"anomalib:{name}")
    method = cls(make_settings(cls, "demo", overrides)[0])
    context = make_context(FeatureProvider(parse_backbone(LITE0) if cls.backbone else None))
    method.fit(train, context)
    return method, context


@pytest.mark.parametrize("name", ["Padim", "Dfm"])
def test_contract(one_thread, name):
    """Two models keep the whole contract: raw, seeded, no trace outside, whatever the batch."""
    failed = [(r.name, r.detail) for r in check_method(f"anomalib:{name}") if not r.passed]
    assert not failed


def test_patchcore_is_the_distance_to_the_nearest_training_patch(one_thread, tmp_path):
    """With every patch in the bank, scores are raw distances in the backbone's own features."""
    from scipy.spatial.distance import cdist
    from torch.nn import functional

    train, test = drawn_set(tmp_path / "a", 3), drawn_set(tmp_path / "b", 3, seed=1)
    settings = {"layers": "8,16", "coreset_sampling_ratio": "1", "num_neighbors": "1"}
    method, context = fitted("Patchcore", train, settings)

    def patches(images):
        pixels = torch.from_numpy(images.array()).permute(0, 3, 1, 2).float() / 255
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        batch = (pixels - mean[:, None, None]) / std[:, None, None]
        maps = context.features.backbone.maps(batch, (8, 16))
        fine, coarse = (functional.avg_pool2d(maps[s], 3, 1, 1) for s in (8, 16))
        coarse = functional.interpolate(coarse, fine.shape[-2:], mode="bilinear")
        return torch.cat([fine, coarse], 1).permute(0, 2, 3, 1).flatten(1, 2).double()

    bank = patches(train).flatten(0, 1)
    expected = [cdist(image, bank).min(axis=1).max() for image in patches(test)]
    scores = method.score(test, context)
    np.testing.assert_allclose(scores.image, expected, rtol=1e-3)
    assert scores.image.max() > 1  # neither normalised nor clamped
    assert scores.maps is not None
    assert scores.maps.shape == (3, 64, 64)


def test_the_packaged_weights_are_the_models(one_thread, tmp_path):
    """The feature extractor holds the cell's tensors, also after training."""
    method, context = fitted("Stfpm", drawn_set(tmp_path), {"epochs": "1"})
    own = method._network.teacher_model.feature_extractor.state_dict()
    given = published_state(context.features.spec)
    assert own
    assert all(torch.equal(own[key], given[key]) for key in own)


def test_epochs_progress_and_no_file_left(one_thread, tmp_path, monkeypatch):
    """Training runs the epochs asked for, reports each, and writes nothing where it stands."""
    train, folder = drawn_set(tmp_path / "images"), tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    cls = method_class("anomalib:Stfpm")
    told = []
    context = make_context(FeatureProvider(parse_backbone(LITE0)))
    context = replace(context, progress=lambda share, text: told.append((share, text)))
    cls(make_settings(cls, "demo", {"epochs": "2"})[0]).fit(train, context)
    assert told == [(0.5, "epoch 1/2"), (1.0, "epoch 2/2")]
    assert not list(folder.iterdir())


def test_unknown_and_unfit_models(one_thread, tmp_path):
    """A slip of the finger is corrected; what cannot run here says why in one line."""
    with pytest.raises(UnknownNameError, match="did you mean Padim"):
        method_class("anomalib:Padin")
    with pytest.raises(UsageError, match="learns from no or few images"):
        method_class("anomalib:WinClip")
    with pytest.raises(UnknownNameError, match="setting of anomalib:Padim"):
        make_settings(method_class("anomalib:Padim"), "demo", {"epochs": "3"})
    with pytest.raises(UsageError, match=r"cannot be built on tf_efficientnet_lite0.*resnet18"):
        fitted("Fastflow", drawn_set(tmp_path))
    unsure = method_class("anomalib:Cflow")
    with pytest.raises(UsageError, match=r"--set anomalib:Cflow\.epochs=NUMBER"):
        unsure().fit(drawn_set(tmp_path), make_context(FeatureProvider(parse_backbone(LITE0))))


def test_classes_travel_to_another_process(one_thread):
    """A method and its settings arrive as themselves, which a class made at run time might not."""
    cls = method_class("anomalib:Padim")
    settings = make_settings(cls, "quick")[0]
    assert pickle.loads(pickle.dumps(cls)) is cls
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_attributes(one_thread):
    """Name, title, backbone with its tag, image size and settings come from anomalib."""
    cls = method_class("anomalib:Patchcore")
    assert (cls.name, cls.title) == ("anomalib:Patchcore", "PatchCore (anomalib)")
    assert cls.backbone is not None
    assert cls.backbone.startswith("timm/wide_resnet50_2.")
    assert cls.image_size == 256
    assert field_types(cls)["num_neighbors"] is int
    assert cls().settings.coreset_sampling_ratio == 0.1
    assert not method_class("anomalib:Dfkde").localises
    own = "adrepro.methods.anomalib_adapter."
    needed = {f"{own}{name}" for name in ("method", "settings", "training", "weights", "described")}
    assert needed <= set(method_sources(cls))


@pytest.mark.usefixtures("one_thread")
def test_texture_folders_are_known_by_content():
    """The arguments that name a folder of pictures are the settings whose content counts."""
    expected = {"Glass": ("anomaly_source_path",), "Draem": ("dtd_dir",), "Padim": ()}
    found = {name: method_class(f"anomalib:{name}").content_settings for name in expected}
    assert found == expected
