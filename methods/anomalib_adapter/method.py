"""Any one-class image model of anomalib as a method of the harness, ``anomalib:<Model>``."""

from __future__ import annotations

import dataclasses
import inspect
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ...datasets.errors import ContractError, UsageError, WeightsError
from ..base import Context, ImageSet, Method, Scores
from . import catalogue, described
from .settings import constructor_arguments, settings_class

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

CHUNK = 16  # images scored at once; bounds memory
TEXTURES = 100  # drawn where no folder is given


class AnomalibMethod(Method):
    """A model of anomalib, trained by anomalib's engine.

    Attributes
    ----------
    model
        anomalib's class.
    backbone_argument
        The argument of its constructor that names its pretrained network, or None.
    """

    paper = "Akcay et al., ICIP 2022, arXiv 2202.08341"
    # anomalib smooths inside its models.
    smoothing_sigma = 0.0
    model: ClassVar[type]
    backbone_argument: ClassVar[str | None]
    settings: Any
    _network: torch.nn.Module
    _transform: Any

    def fit(self, train: ImageSet, context: Context) -> None:
        """Build the model on the cell's backbone and train it by anomalib's engine."""
        from .training import TrainingImages, contained
        from .training import train as run_engine

        epochs = self._epochs()
        with (
            tempfile.TemporaryDirectory() as folder,
            contained(context.seed("anomalib"), context.device),
        ):
            try:
                module = self._build(train.size, Path(folder), context)
                order = context.seed("order")
                data = TrainingImages(train.array(), self.settings.batch_size, order)
                run_engine(
                    module,
                    data,
                    device=context.device,
                    epochs=epochs,
                    progress=context.progress,
                )
            except OSError as err:
                first = (str(err).splitlines() or [""])[0]
                raise WeightsError(
                    f"{self.name} needs a file that could not be read or fetched "
                    f"({type(err).__name__}: {first}); put it where anomalib expects it"
                ) from err
        # The whole module would keep the trainer and the training images alive.
        self._network = module.model.to(context.device).eval()
        self._transform = module.pre_processor.transform

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Return the inner model's scores and maps, before anomalib normalises and clamps them."""
        import numpy as np
        import torch

        image_scores, maps = [], []
        with torch.inference_mode():
            for batch in self._batches(images, context):
                found = self._network(batch)
                scores, found_maps = found.pred_score, found.anomaly_map
                if self.localises and found_maps is None:
                    raise ContractError(f"{self.name} returned no maps")
                if scores is None:
                    # anomalib's own rule for a model that returns maps only.
                    scores = found_maps.flatten(1).amax(dim=1)
                image_scores.append(scores.reshape(len(batch)).float().cpu().numpy())
                if context.want_maps and self.localises:
                    maps.append(_maps(found_maps, len(batch)).cpu().numpy())
        return Scores(
            image=np.concatenate(image_scores), maps=np.concatenate(maps) if maps else None
        )

    def _batches(self, images: ImageSet, context: Context) -> Iterator[torch.Tensor]:
        import torch

        chunk = context.batch(CHUNK)
        for start in range(0, len(images), chunk):
            part = images.subset(range(start, min(start + chunk, len(images)))).array()
            pixels = (
                torch.from_numpy(part.copy()).to(context.device).permute(0, 3, 1, 2).contiguous()
            )
            yield self._transform(pixels.float() / 255)

    def _epochs(self) -> int | None:
        if "max_epochs" in catalogue.trainer_arguments(self.model):
            return None
        if self.settings.epochs is None:
            raise UsageError(
                f"{self.name}: anomalib does not say how long this model is trained; expected "
                f"--set {self.name}.epochs=NUMBER"
            )
        return self.settings.epochs

    def _build(self, size: int, folder: Path, context: Context) -> Any:
        from .training import on_device
        from .weights import Answers, built, timm_name

        backbone = None if self.backbone is None else context.features.backbone
        if backbone is not None and backbone.spec.precision:
            raise UsageError(
                f"{self.name}: anomalib runs its backbone in float32; expected a --backbone "
                f"without {backbone.spec.precision}"
            )
        arguments = constructor_arguments(self.model, self.settings)
        if backbone is not None and self.backbone_argument is not None:
            arguments[self.backbone_argument] = timm_name(backbone)
            self._name_layers(arguments, timm_name(backbone))
        parameters = inspect.signature(self.model).parameters
        if "input_shape" in parameters:
            arguments["input_shape"] = (size, size)
        for key in catalogue.TEXTURE_ARGUMENTS:
            if key in parameters:
                given = getattr(self.settings, key)
                arguments[key] = given or _drawn_textures(folder, size, context.seed("textures"))
                if not Path(arguments[key]).is_dir():
                    raise UsageError(
                        f"--set {self.name}.{key}={given}: expected a folder of pictures, or "
                        "none for textures that need no download"
                    )
        arguments |= {
            "pre_processor": _pre_processor(self.model, size),
            "post_processor": False,
            "evaluator": False,
            "visualizer": False,
        }
        cls = on_device(self.model, context.device)
        return built(lambda: cls(**arguments), Answers(self.model.__name__, backbone))

    def _name_layers(self, arguments: dict[str, Any], architecture: str) -> None:
        from .weights import layer_names

        default = inspect.signature(self.model).parameters[str(self.backbone_argument)].default
        if isinstance(arguments.get("layer"), str):
            arguments["layer"] = layer_names([arguments["layer"]], architecture, default)[0]
        layers = arguments.get("layers")
        if layers and all(isinstance(layer, str) for layer in layers):
            arguments["layers"] = layer_names(layers, architecture, default)


def _drawn_textures(folder: Path, size: int, seed: int) -> str:
    """Write the textures that the native methods draw where no DTD is at hand."""
    import numpy as np
    from PIL import Image

    from ..synthesis.textures import TextureSource

    source, generator = TextureSource(), np.random.default_rng(seed)
    for index in range(TEXTURES):
        Image.fromarray(source.draw(size, generator)).save(folder / f"{index:03}.png")
    return str(folder)


def _pre_processor(model: type, size: int) -> Any:
    """Return anomalib's pre-processor for images that are squares of ``size`` already.

    What comes after its resizing and cropping is kept, e.g. the colours' normalisation.
    """
    from anomalib.pre_processing import PreProcessor  # pyright: ignore[reportMissingImports]
    from torchvision.transforms import v2

    own = catalogue.default_pre_processor(model).transform
    steps = own.transforms if isinstance(own, v2.Compose) else [own]
    others = [step for step in steps if not isinstance(step, v2.Resize | v2.CenterCrop)]
    return PreProcessor(transform=v2.Compose([v2.Resize((size, size), antialias=True), *others]))


def _maps(found: torch.Tensor, count: int) -> torch.Tensor:
    """Drop the axis of length one that some models' maps have: ``[N, h, w]``."""
    return found.reshape(count, *found.shape[-2:]).float()


@lru_cache(maxsize=64)
def anomalib_method(name: str) -> type[AnomalibMethod]:
    """Return the method that runs one of anomalib's models.

    Parameters
    ----------
    name
        Name of an image model as anomalib spells it, e.g. ``"Padim"``.

    Raises
    ------
    MissingExtraError
        anomalib is not installed.
    UnknownNameError
        It has no such model.
    """
    model = catalogue.model_class(name)
    argument = catalogue.backbone_argument(model)
    backbone = catalogue.default_backbone(model, argument)
    settings = settings_class(model, argument)
    settings.__module__ = __name__
    fields = [field.name for field in dataclasses.fields(settings)]
    label = f"{catalogue.PREFIX}:{name}"
    return type(
        name,
        (AnomalibMethod,),
        {
            "__module__": __name__,
            "__doc__": f"anomalib's {name}.",
            "name": label,
            "title": f"{catalogue.TITLES.get(name, name)} (anomalib)",
            "model": model,
            "backbone_argument": argument,
            "backbone": backbone,
            "image_size": catalogue.input_side(model),
            "localises": name not in catalogue.WITHOUT_MAPS,
            "Settings": settings,
            "content_settings": tuple(f for f in fields if f in catalogue.TEXTURE_ARGUMENTS),
            "presets": described.presets(name, fields, backbone),
            "departures": described.departures(name, argument, fields),
        },
    )


def __getattr__(name: str) -> type:
    """Find the made classes by name, as tasks do that travel to another process."""
    base = name.removesuffix("Settings")
    if name.startswith("_"):
        raise AttributeError(name)
    try:
        method = anomalib_method(base)
    except UsageError as err:
        raise AttributeError(f"{name}: {err}") from err
    return method if base == name else method.Settings
