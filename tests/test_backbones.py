"""Backbones: names, weights, strides."""

from pathlib import Path

import numpy as np
import pytest
import skimage
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

from adrepro.datasets.errors import UnknownNameError, UsageError, WeightsError
from adrepro.methods import backbones, weights
from adrepro.methods.backbones import (
    BackboneSpec,
    load_backbone,
    parse_backbone,
    published_state,
)


@pytest.fixture(scope="module")
def lite0():
    return load_backbone(parse_backbone("efficientnet_lite0"))


@pytest.mark.parametrize(
    ("photo", "classes"),
    # ImageNet-1k: 967 espresso; 281 tabby, 285 Egyptian cat; 665 moped
    [("coffee.png", [967]), ("chelsea.png", [281, 285]), ("motorcycle_left.png", [665])],
)
def test_packaged_weights_name_photographs(lite0, photo, classes):
    """Mapped by order onto timm's network, the packaged weights still know what they see."""
    path = Path(skimage.data_dir) / photo
    if not path.is_file():
        pytest.skip(f"this scikit-image ships without {photo}")
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side)).resize((224, 224))
    with torch.inference_mode():
        logits = lite0.logits(lite0.normalise(np.array(square)[None]))
    probabilities = logits.softmax(dim=1)[0]
    assert int(probabilities.argmax()) in classes
    assert float(probabilities[classes].sum()) > 0.5


def test_normalise_is_half_half(lite0):
    """Black becomes −1 and white +1 with mean and deviation 0.5."""
    pixels = np.zeros((1, 4, 4, 3), dtype=np.uint8)
    pixels[0, 0, 0] = 255
    batch = lite0.normalise(pixels)
    assert batch.shape == (1, 3, 4, 4)
    assert float(batch[0, 0, 0, 0]) == pytest.approx(1.0)
    assert float(batch[0, 0, 1, 1]) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("efficientnet_lite0.random", {8: (40, 16, 16), 16: (112, 8, 8)}),
        ("wide_resnet50_2.random", {8: (512, 16, 16), 16: (1024, 8, 8)}),
        ("torchvision/resnet18.random", {8: (128, 16, 16), 16: (256, 8, 8)}),
        ("alexnet.random", {16: (256, 7, 7), 32: (256, 3, 3)}),
    ],
)
def test_maps_have_the_stride_they_are_asked_for(name, shapes):
    """A stride gives the last map that is so much smaller; unpadded AlexNet's are one short."""
    backbone = load_backbone(parse_backbone(name))
    with torch.inference_mode():
        maps = backbone.maps(torch.zeros(2, 3, 128, 128), tuple(shapes))
    assert {stride: tuple(m.shape[1:]) for stride, m in maps.items()} == shapes


def test_alexnet_map_is_the_end_of_its_features():
    """Stride 32 of AlexNet is what DifferNet pools: the output of torchvision's `features`."""
    backbone = load_backbone(parse_backbone("alexnet.random"))
    batch = torch.rand(1, 3, 128, 128)
    expected = backbone.model.features(batch)
    torch.testing.assert_close(backbone.maps(batch, (32,))[32], expected)


def test_frozen_and_differentiable(lite0):
    """Weights take no gradient, the input does."""
    assert not lite0.model.training
    assert not any(p.requires_grad for p in lite0.model.parameters())
    batch = torch.rand(1, 3, 64, 64, requires_grad=True)
    lite0.maps(batch, (8,))[8].sum().backward()
    assert float(batch.grad.abs().sum()) > 0


def test_a_stride_that_is_not_there_lists_those_that_are(lite0):
    """The message names the strides one may ask for."""
    with pytest.raises(UsageError, match="2, 4, 8, 16, 32"):
        lite0.maps(torch.zeros(1, 3, 64, 64), (7,))


def test_a_network_without_maps_is_refused():
    """A transformer has no strides: one line, no traceback."""
    with pytest.raises(UsageError, match="no feature maps by stride"):
        load_backbone(parse_backbone("torchvision/vit_b_32.random"))


@pytest.mark.parametrize(
    ("text", "name", "tag"),
    [
        ("alexnet", "torchvision/alexnet", "IMAGENET1K_V1"),
        ("wide_resnet50_2", "timm/wide_resnet50_2", "tv_in1k"),
        ("wide_resnet50_2.racm_in1k", "timm/wide_resnet50_2", "racm_in1k"),
        ("timm/resnet18.a1_in1k", "timm/resnet18", "a1_in1k"),
        ("torchvision/resnet50.IMAGENET1K_V2", "torchvision/resnet50", "IMAGENET1K_V2"),
        ("efficientnet_lite0", "efficientnet_lite0", "packaged"),
    ],
)
def test_names(text, name, tag):
    """An alias means the papers' weights; everything else says its tag."""
    spec = parse_backbone(text)
    assert (spec.name, spec.tag) == (name, tag)
    assert spec.identity() == f"{name}.{tag}"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("wide_resnet50", UnknownNameError),
        ("timm/resnet18", UsageError),
        ("other/resnet18.x", UsageError),
        ("efficientnet_lite0.in1k", UnknownNameError),
        ("", UnknownNameError),
    ],
)
def test_bad_names_are_one_line(text, error):
    """A name that cannot be meant is an error of one line."""
    with pytest.raises(error) as caught:
        parse_backbone(text)
    assert "\n" not in str(caught.value)


def test_unknown_networks(monkeypatch):
    """A network or weights that a library lacks are named, with what there is."""
    with pytest.raises(UnknownNameError, match="resnet18"):
        load_backbone(parse_backbone("torchvision/resnet19.random"))
    with pytest.raises(UnknownNameError, match="IMAGENET1K_V1"):
        parse_backbone("torchvision/alexnet.V7").weights_file()
    with pytest.raises(UnknownNameError, match="timm model"):
        load_backbone(parse_backbone("timm/nothing_like_it.random"))


@pytest.mark.parametrize("name", ["alexnet", "wide_resnet50_2"])
def test_weights_out_of_reach_name_the_alternatives(name, monkeypatch, tmp_path):
    """Without network and cache there is an error that says what was tried, and no substitute."""
    import huggingface_hub

    def unreachable(*_args, **_kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *_a: None)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    with pytest.raises(WeightsError, match=r"--weights PATH.*efficientnet_lite0") as caught:
        load_backbone(parse_backbone(name))
    assert "no network" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_local_weights_are_used(tmp_path, suffix):
    """A local file of either kind gives the same maps as the network it was saved from."""
    source = torchvision.models.resnet18().eval()
    path = tmp_path / f"mine{suffix}"
    state = {k: v.contiguous() for k, v in source.state_dict().items()}
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    spec = parse_backbone("resnet18", path)
    backbone, batch = load_backbone(spec), torch.rand(1, 3, 64, 64)
    stem = source.maxpool(source.relu(source.bn1(source.conv1(batch))))
    expected = source.layer2(source.layer1(stem))
    torch.testing.assert_close(backbone.maps(batch, (8,))[8], expected, rtol=1e-3, atol=1e-4)
    assert spec.identity() == f"torchvision/resnet18.local-{spec.weights_sha256()[:12]}"
    assert str(tmp_path) not in spec.identity()


def test_a_local_copy_of_a_published_file_is_that_backbone(tmp_path, monkeypatch):
    """The official file under another name is not a departure from the paper."""
    path = tmp_path / "renamed.pth"
    torch.save({}, path)
    digest = weights.weights_file_sha256(path)
    monkeypatch.setitem(backbones.PUBLISHED, digest[:8], ("torchvision/alexnet", "IMAGENET1K_V1"))
    assert parse_backbone("alexnet", path).identity() == parse_backbone("alexnet").identity()
    assert "local" in parse_backbone("resnet18", path).identity()


def _bad_files(folder: Path) -> dict[str, Path]:
    whole = published_state(parse_backbone("resnet18.random"))
    missing = {k: v.contiguous() for k, v in whole.items() if not k.startswith("fc")}
    reshaped = {k: v.contiguous() for k, v in whole.items()} | {"conv1.weight": torch.zeros(1)}
    files = {"lacks": missing, "has shape": reshaped}
    paths = {}
    for index, (what, state) in enumerate(files.items()):
        paths[what] = folder / f"{index}.safetensors"
        save_file(state, paths[what])
    paths["not a readable weights file"] = folder / "text.pth"
    paths["not a readable weights file"].write_text("no weights")
    paths["expected a state dict"] = folder / "list.pt"
    torch.save([1, 2], paths["expected a state dict"])
    paths["no such weights file"] = folder / "absent.pth"
    paths["expected a .safetensors"] = folder / "weights.bin"
    paths["expected a .safetensors"].write_bytes(b"x")
    return paths


def test_weights_that_do_not_fit_are_one_line(tmp_path):
    """Wrong keys, shapes, kinds and damage each say what is wrong with the file."""
    for what, path in _bad_files(tmp_path).items():
        spec = BackboneSpec(name="torchvision/resnet18", tag="local", weights_path=path)
        with pytest.raises(WeightsError, match=what) as caught:
            load_backbone(spec)
        assert "\n" not in str(caught.value)


def test_loading_leaves_the_global_generator_alone():
    """Building a network draws initial weights, but not from the caller's random numbers."""
    before = torch.get_rng_state()
    load_backbone(parse_backbone("resnet18.random"))
    assert torch.equal(before, torch.get_rng_state())


def test_random_weights_are_the_same_every_time():
    """Random weights come from a fixed seed."""
    first, second = (load_backbone(parse_backbone("resnet18.random")) for _ in range(2))
    torch.testing.assert_close(first.model.state_dict(), second.model.state_dict())
