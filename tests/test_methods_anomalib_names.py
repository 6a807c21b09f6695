"""Names, settings and weights of anomalib's models; needs no anomalib."""

import subprocess
import sys
from dataclasses import asdict
from enum import Enum
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any, Literal

import pytest
import timm
import torch
import torchvision

from adrepro.datasets.errors import MissingExtraError, UnknownNameError, UsageError
from adrepro.harness.grid import Grid, check_overrides
from adrepro.methods import registry
from adrepro.methods.anomalib_adapter import catalogue
from adrepro.methods.anomalib_adapter.settings import (
    constructor_arguments,
    setting_type,
    settings_class,
)
from adrepro.methods.anomalib_adapter.weights import Answers, answering, built, layer_names, load
from adrepro.methods.backbones import load_backbone, parse_backbone, published_state
from adrepro.methods.settings import parse_value, settings_json


class Mode(Enum):
    """How a toy model works."""

    ADD = "add"
    MULTIPLY = "multiply"


class Toy:
    """Looks like a model of anomalib."""

    def __init__(
        self,
        backbone: str = "resnet18",
        layers: list[str] = ["layer1"],  # noqa: B006
        mode: Mode | str = Mode.ADD,
        folder: Path | str = "no/such/folder",
        pre_processor: torch.nn.Module | bool = True,
        rate: float = 0.1,
    ) -> None: ...

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        return {"devices": 1}


class OneEpoch(Toy):
    """A model that sets its own number of epochs."""

    @property
    def trainer_arguments(self) -> dict[str, Any]:
        return {"max_epochs": 1}


@pytest.fixture
def version(monkeypatch):
    """Pretend that a version of anomalib is installed."""

    def pretend(text: str) -> None:
        monkeypatch.setattr(catalogue.importlib.metadata, "version", lambda _name: text)

    pretend("9.9")
    return pretend


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    """The name alone asks for the extra, and the message names it."""

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(catalogue.importlib.metadata, "version", absent)
    with pytest.raises(MissingExtraError, match=r"pip install 'adrepro\[anomalib\]'") as caught:
        catalogue.model_class("Padim")
    assert "\n" not in str(caught.value)


def test_the_name_is_reserved(tmp_path, monkeypatch):
    """A file anomalib.py in the current folder is not what ``anomalib:Name`` means."""
    (tmp_path / "anomalib.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    asked = []
    monkeypatch.setattr(
        "adrepro.methods.anomalib_adapter.method.anomalib_method",
        lambda name: asked.append(name) or Toy,
    )
    registry._load.cache_clear()
    try:
        registry._load("anomalib:Mine")
    finally:
        registry._load.cache_clear()
    assert asked == ["Mine"]


def test_the_registry_does_not_import_anomalib():
    """Neither anomalib nor its adapter is loaded by listing methods."""
    code = (
        "import sys; from adrepro.methods.registry import all_methods; all_methods();"
        "print([m for m in sys.modules if 'anomalib' in m or m == 'torch'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_setting_of_a_name_with_a_colon():
    """``--set anomalib:Padim.key=value`` reaches the method of that name, and no other."""
    common = {"target": "", "datasets": ("mvtec_ad",), "categories": None, "noise": (0.0,)}
    grid = Grid(
        **common, methods=("anomalib:Padim",), seeds=1, overrides={"anomalib:Padim.n_features": "9"}
    )
    check_overrides(grid)
    other = {"anomalib:Stfpm.epochs": "9"}
    with pytest.raises(UnknownNameError, match="anomalib:Padim"):
        check_overrides(Grid(**common, methods=("anomalib:Padim",), seeds=1, overrides=other))


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (int, "3", 3),
        (float | tuple[float, float], "0.1,1", (0.1, 1.0)),
        (list[str], "a,b", ("a", "b")),
        (list[int] | None, "none", None),
        (list[int] | None, "1,2", (1, 2)),
        (str | Mode, "multiply", "multiply"),
        (Path | str | None, "a/b", "a/b"),
    ],
)
def test_types_of_arguments(hint, text, value):
    """A constructor's type becomes one that ``--set`` can write."""
    assert parse_value(text, setting_type(hint), "x") == value


def test_types_that_text_cannot_say():
    """A module or a nested list is no setting; an enum allows its values only."""
    assert setting_type(torch.nn.Module) is None
    assert setting_type(torch.nn.Module | None) is None
    assert setting_type(list[list[int]]) is None
    assert setting_type(Mode | str) == Literal["add", "multiply"]


def test_settings_are_the_constructors_arguments(version):
    """What the harness fills in is left out; a model's own number of epochs cannot be set."""
    settings = settings_class(Toy, "backbone")
    own = {"layers": ("layer1",), "mode": "add", "folder": "no/such/folder", "rate": 0.1}
    assert asdict(settings()) == {"anomalib": "9.9", "batch_size": 32, "epochs": None} | own
    assert "epochs" not in asdict(settings_class(OneEpoch, "backbone")())
    with pytest.raises(ValueError, match="epochs=0"):
        settings(epochs=0)
    with pytest.raises(ValueError, match="batch_size=0"):
        settings(batch_size=0)


def test_the_version_is_part_of_the_key(version):
    """Another version of anomalib makes other settings, and so other cells."""
    first = settings_json(settings_class(Toy, None)())
    with pytest.raises(ValueError, match=r"9\.9 is installed"):
        settings_class(Toy, None)(anomalib="9.8")
    version("9.10")
    assert settings_json(settings_class(Toy, None)()) != first


def test_arguments_get_their_own_types_back(version, tmp_path):
    """Tuples become lists and texts enums; a folder that is not there is never downloaded."""
    settings = settings_class(Toy, "backbone")
    arguments = constructor_arguments(Toy, settings(folder=str(tmp_path), mode="multiply"))
    assert arguments == {
        "layers": ["layer1"], "mode": Mode.MULTIPLY, "folder": str(tmp_path), "rate": 0.1,
    }  # fmt: skip
    with pytest.raises(UsageError, match="needs folder, which is not at no/such/folder"):
        constructor_arguments(Toy, settings())


def test_requests_for_weights_are_answered_by_the_backbone():
    """timm and torchvision hand out the cell's tensors, without a download, and are restored."""
    backbone = load_backbone(parse_backbone("timm/resnet18.random"))
    expected = published_state(backbone.spec)["layer2.0.conv1.weight"]
    create, answers = timm.create_model, Answers("Toy", backbone)
    with answering(answers):
        cut = timm.create_model("resnet18", pretrained=True, features_only=True)
        fresh = timm.create_model("resnet18", pretrained=False)
        whole = torchvision.models.resnet18(weights="IMAGENET1K_V1")
    assert answers.used
    assert timm.create_model is create
    for network in (cut, whole):
        assert torch.equal(network.state_dict()["layer2.0.conv1.weight"], expected)
    assert not torch.equal(fresh.state_dict()["layer2.0.conv1.weight"], expected)


def test_another_network_is_refused():
    """A model that is built on one network says so where it is given another."""
    answers = Answers("Csflow", load_backbone(parse_backbone("timm/resnet18.random")))
    with pytest.raises(UsageError, match=r"built on resnet34.*--backbone timm/resnet34\."):
        built(lambda: timm.create_model("resnet34", pretrained=True), answers)
    with pytest.raises(UsageError, match="does not use the backbone"):
        built(lambda: None, answers)

    def refuse() -> None:
        raise ValueError("no such decoder\nsecond line")

    with pytest.raises(
        UsageError, match=r"cannot be built on resnet18: ValueError: no such decoder$"
    ):
        built(refuse, answers)


def test_weights_that_do_not_fit():
    """A tensor of another shape is an error that names it, not a partly loaded network."""
    network = torch.nn.Linear(2, 2)
    with pytest.raises(UsageError, match="1 of 2 tensors, the first is weight"):
        load(network, {"weight": torch.zeros(3, 2), "bias": torch.zeros(2)}, "toy")


def test_layers_by_name_by_stride_and_from_the_default_network():
    """All three name the same layer: the last one of a stride."""
    lite0 = "tf_efficientnet_lite0"
    network = timm.create_model(lite0, features_only=True)
    expected = [s["module"] for s in network.feature_info.info if s["reduction"] in {8, 16}]
    assert layer_names(["8", "16"], lite0, "resnet18") == expected
    assert layer_names(["layer2", "layer3"], lite0, "resnet18") == expected
    assert layer_names(expected, lite0, "resnet18") == expected
    assert layer_names(["layer2"], "resnet34", "resnet18") == ["layer2"]
    with pytest.raises(UnknownNameError, match="layer of tf_efficientnet_lite0"):
        layer_names(["64"], lite0, "resnet18")
