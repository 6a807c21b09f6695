"""What this machine offers: cores and accelerators, and what pays on them."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Sequence
from pathlib import Path

from ..datasets.errors import UsageError

# One category of a published table: six noise levels with three seeds. What a stack needs beside
# its methods' own weights is their training images' features.
STACK_LIMIT = 18
# On a CPU more flows than this push each other out of its cache (docs/speed.md).
CPU_STACK_LIMIT = 6
STACK_MODES = ("auto", "on", "off")
# What a driver of NVIDIA's leaves to be seen, whether it works or not.
DRIVER_FILES = ("/proc/driver/nvidia/version", "/dev/nvidiactl")
REASON_LETTERS = 200


def default_jobs(devices: Sequence[str]) -> int:
    """Return how many processes to run side by side: one per GPU, or one per core."""
    return cores() if devices[0] == "cpu" else len(devices)


def cores() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def resolve_devices(text: str) -> tuple[str, ...]:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:0,cuda:1`` into torch device strings.

    ``auto`` means all GPUs of this machine, or the CPU where there is none.

    Raises
    ------
    UsageError
        No such device, none on this machine, one named twice, or the CPU beside a GPU: their
        results differ in the last bits, so that it would be chance which ones a table has.
    """
    names = [part.strip() for part in text.split(",")]
    found = [resolve_device(name) for name in names]
    if len(set(found)) < len(found):
        raise UsageError(f"--device {text}: names a device twice; --jobs sets processes per device")
    if len(found) > 1 and "cpu" in found:
        raise UsageError(f"--device {text}: give the CPU alone, or GPUs only")
    if names != ["auto"] or found == ["cpu"]:
        return tuple(found)
    import torch

    return tuple(f"cuda:{index}" for index in range(torch.cuda.device_count()))


def resolve_device(text: str) -> str:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` into a torch device string.

    Raises
    ------
    UsageError
        No such device, or none on this machine.
    """
    if text == "cpu":
        return text
    import torch

    if text == "auto":
        return "cuda:0" if _cuda_works() else "cpu"
    name, _, index = text.partition(":")
    if name != "cuda":
        raise UsageError(f"--device {text}: unknown device; expected cpu, cuda, cuda:N or auto")
    count = torch.cuda.device_count() if _cuda_works() else 0
    if not (index or "0").isdigit() or int(index or 0) >= count:
        have = f"cuda:0 to cuda:{count - 1}" if count else "no CUDA device"
        why = "" if count else _why_no_cuda()
        why = f" ({why})" if why else ""
        raise UsageError(f"--device {text}: this machine has {have}{why}; use cpu or auto")
    return f"cuda:{index or 0}"


def device_note(text: str, devices: Sequence[str]) -> str:
    """Return what people are to be told of how ``auto`` was resolved, in one line.

    Parameters
    ----------
    text
        What was asked for.
    devices
        What `resolve_devices` made of it.

    Returns
    -------
    str
        Why the CPU computes where a GPU seems to be there. Empty where there is none, where it is
        used, hidden by ``CUDA_VISIBLE_DEVICES``, or where the device was named.
    """
    if text != "auto" or tuple(devices) != ("cpu",):
        return ""
    import torch

    why = "" if _hidden() else _why_no_cuda()
    if not why and torch.backends.mps.is_available():
        why = "Apple's GPU (MPS) is not supported; only CUDA is"
    return f"computing on the CPU: {why}" if why else ""


def _cuda_works() -> bool:
    """Say whether torch can use a GPU; what it has to say otherwise is for `_why_no_cuda`."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.cuda.is_available()


def _hidden() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")


def _why_no_cuda() -> str:
    """Return why torch cannot use a GPU whose driver is there; empty if none is to be seen."""
    import torch

    seen = any(Path(name).exists() for name in DRIVER_FILES)
    if not seen and not shutil.which("nvidia-smi"):
        return ""
    if _hidden():
        return "CUDA_VISIBLE_DEVICES hides all"
    driver = f"{'an NVIDIA driver is there' if seen else 'nvidia-smi is installed'}, but"
    if torch.version.cuda is None:
        return f"{driver} this torch ({torch.__version__}) was built without CUDA"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.cuda.init()
    except Exception as err:  # whatever a driver that is broken has torch raise
        told = " ".join(str(err).split()).partition(". ")[0][:REASON_LETTERS]
        return f"{driver} CUDA {torch.version.cuda} cannot be used: {told or type(err).__name__}"
    return f"{driver} CUDA {torch.version.cuda} finds no GPU that it can use"


def stack_limit(mode: str, device: str) -> int:
    """Return how many cells may be fitted together; 1 = each alone.

    Parameters
    ----------
    mode
        ``"on"``, ``"off"``, or ``"auto"``: on for a GPU, off on a CPU, where only small flows gain
        by it and a process that is killed would lose more than one cell.
    device
        Torch device string.

    Raises
    ------
    UsageError
        Another mode.
    """
    if mode not in STACK_MODES:
        raise UsageError(f"--stack {mode}: expected one of {', '.join(STACK_MODES)}")
    if device.startswith("cuda"):
        return 1 if mode == "off" else STACK_LIMIT
    return CPU_STACK_LIMIT if mode == "on" else 1
