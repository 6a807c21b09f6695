"""The environment a cell ran in: versions, processor, device; no names, paths or secrets."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import metadata
from typing import Any

PACKAGES = (
    "adrepro", "FrEIA", "numpy", "pandas", "pillow", "safetensors", "scikit-learn", "scipy",
    "timm", "torch", "torchvision",
)  # fmt: skip


def processor_name() -> str:
    """Return the processor's model name as the system tells it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as handle:
            for line in handle:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def package_version(name: str) -> str:
    """Return an installed distribution's version, or ``"not installed"``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def device_name(device: str) -> str:
    """Return what a device is called by its maker, e.g. ``"NVIDIA H200"``."""
    if device.startswith("cuda"):
        import torch

        return torch.cuda.get_device_name(device)
    return processor_name()


@cache
def capture(device: str) -> dict[str, Any]:
    """Describe the environment.

    Parameters
    ----------
    device
        The torch device that cells run on.
    """
    import torch

    found: dict[str, Any] = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "device": device,
        "torch_threads": torch.get_num_threads(),
        "packages": {name: package_version(name) for name in PACKAGES},
    }
    if device.startswith("cuda"):
        found["gpu"] = device_name(device)
        found["cuda"] = torch.version.cuda
        found["cudnn"] = torch.backends.cudnn.version()
        found["tf32"] = torch.backends.cuda.matmul.allow_tf32
    return found


def of_cells(found: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return what cells say of where they ran, by name; several answers stand side by side.

    Parameters
    ----------
    found
        What `capture` gave for each cell, as the store keeps it.
    """
    values: dict[str, dict[str, None]] = {}
    for one in found:
        flat = {name: v for name, v in one.items() if not isinstance(v, dict)}
        for name, value in (flat | one.get("packages", {})).items():
            values.setdefault(name, {})[str(value)] = None
    return {name: " / ".join(sorted(texts)) for name, texts in values.items()}
