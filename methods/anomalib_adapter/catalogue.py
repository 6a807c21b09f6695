"""What is known of anomalib's models without an instance of them: names, defaults, reductions."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import warnings
from types import SimpleNamespace
from typing import Any

from ...datasets.errors import MissingExtraError, UnknownNameError, UsageError

PREFIX = "anomalib"
# Where a constructor takes the name of its pretrained network.
BACKBONE_ARGUMENTS = ("backbone", "encoder_name", "teacher_backbone")
# Networks that come from torchvision, whatever anomalib's default says about timm.
TORCHVISION = {
    "Cfa": "torchvision/wide_resnet50_2.IMAGENET1K_V2",
    "Csflow": "torchvision/efficientnet_b5.IMAGENET1K_V1",
}
# Models that are built on one network alone.
FIXED = frozenset({"Csflow"})
OTHER_DATA = {"CFM": "images with depth"}
# Folders of pictures that synthetic anomalies are painted with.
TEXTURE_ARGUMENTS = ("dtd_dir", "anomaly_source_path")
# Passes over the training images as in the models' papers: anomalib leaves them to its user.
EPOCHS = {
    "Cfa": 30,
    "Csflow": 240,
    "Draem": 700,
    "Fastflow": 500,
    "Glass": 640,
    "ReverseDistillation": 200,
    "Stfpm": 100,
    "Supersimplenet": 300,
}
BATCH_SIZE = 32  # default of anomalib's data modules
BATCH_SIZES = {"EfficientAd": 1}  # which refuses every other
# Layers that a constructor fills in where it is given none.
LAYERS = {"Glass": ("layer2", "layer3")}
WITHOUT_MAPS = frozenset({"Dfkde", "Ganomaly"})
TITLES = {
    "Cfa": "CFA",
    "Cflow": "CFLOW-AD",
    "Csflow": "CS-Flow",
    "Dfkde": "DFKDE",
    "Dfm": "DFM",
    "Draem": "DRAEM",
    "Dsr": "DSR",
    "EfficientAd": "EfficientAD",
    "Fastflow": "FastFlow",
    "Fre": "FRE",
    "Ganomaly": "GANomaly",
    "Glass": "GLASS",
    "Padim": "PaDiM",
    "Patchcore": "PatchCore",
    "ReverseDistillation": "RevDist",
    "Stfpm": "STFPM",
    "Supersimplenet": "SuperSimpleNet",
    "Uflow": "U-Flow",
}


def installed_version() -> str:
    """Return the version of the anomalib that is installed.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        return importlib.metadata.version("anomalib")
    except importlib.metadata.PackageNotFoundError as err:
        raise MissingExtraError(f"a method '{PREFIX}:<Model>'", "anomalib") from err


def model_class(name: str) -> type:
    """Return anomalib's class of an image model.

    Raises
    ------
    MissingExtraError
        anomalib is not installed.
    UnknownNameError
        It has no such model.
    UsageError
        It is installed but cannot be imported; or the model is not trained on nominal images.
    """
    installed_version()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # anomalib's own deprecations are not the user's
            module = importlib.import_module("anomalib.models.image")
            base: type = importlib.import_module("anomalib.models.components").AnomalibModule
    except Exception as err:  # an installation can be broken in any way
        first = (str(err).splitlines() or [""])[0]
        raise UsageError(
            f"{PREFIX}:{name}: importing anomalib failed ({type(err).__name__}: {first}); "
            "expected a working installation: pip install 'adrepro[anomalib]'"
        ) from err
    known = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base)
    }
    if name not in known:
        raise UnknownNameError("anomalib model", name, known)
    if name in OTHER_DATA or not _one_class(known[name]):
        raise UsageError(
            f"{PREFIX}:{name} learns from {OTHER_DATA.get(name, 'no or few images')}: expected a "
            f"model that is trained on nominal images, e.g. {PREFIX}:Patchcore"
        )
    return known[name]


def _one_class(model: type) -> bool:
    """Say whether a model learns from nominal images; where its settings decide, it need not."""
    try:
        return model.learning_type.fget(SimpleNamespace()).value == "one_class"  # type: ignore[attr-defined]
    except AttributeError:
        return False


def trainer_arguments(model: type) -> dict[str, Any]:
    """Return what a model asks of Lightning's trainer, e.g. its number of epochs.

    anomalib states it as a property; one that needs an instance counts as empty here and is still
    asked by anomalib's engine.
    """
    try:
        return dict(model.trainer_arguments.fget(SimpleNamespace()))  # type: ignore[attr-defined]
    except AttributeError:
        return {}


def backbone_argument(model: type) -> str | None:
    """Return the constructor's argument that names a network of timm or torchvision, or None."""
    import timm
    import torchvision

    parameters = inspect.signature(model).parameters
    for name in BACKBONE_ARGUMENTS:
        default = getattr(parameters.get(name), "default", None)
        if not isinstance(default, str):
            continue
        bare = default.partition(".")[0]
        if timm.is_model(bare) or bare in torchvision.models.list_models():
            return name
    return None


def default_backbone(model: type, argument: str | None) -> str | None:
    """Return the full name of a model's default backbone, with the tag that anomalib gets."""
    import timm

    if model.__name__ in TORCHVISION:
        return TORCHVISION[model.__name__]
    if argument is None:
        return None
    name, _, tag = inspect.signature(model).parameters[argument].default.partition(".")
    if not tag:
        config = timm.models.get_pretrained_cfg(name)
        tag = getattr(config, "tag", "") or ""
    # Without a tag timm has no weights of its own; the harness then says so.
    return f"timm/{name}.{tag}" if tag else f"timm/{name}"


def default_pre_processor(model: type) -> Any:
    """Return the model's own pre-processor."""
    return model.configure_pre_processor()  # type: ignore[attr-defined]


def input_side(model: type) -> int:
    """Return the side in pixels of the square that the model's own pre-processor makes."""
    import torch

    shape = default_pre_processor(model).transform(torch.zeros(1, 3, 32, 32)).shape
    return int(shape[-1])
