"""What a process has that any code in it can change: how each is read and how it is put back.

Not here, because nothing can put it back or see it: functions replaced in other modules, threads
that go on, memory written through pointers, hard limits of the system that were lowered; weights of
a shared network changed in place through ``.data``, which torch does not count; an inference-mode
guard that was entered and never left: when it is collected, perhaps in a later cell, the mode
returns that it had found.
"""

from __future__ import annotations

import contextlib
import decimal
import gc
import importlib
import locale
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np

# The newer names of torch come first: one of the older kind cannot be read beside them.
_TORCH_FLAGS = {
    "mkldnn": ("fp32_precision", "enabled", "deterministic"),
    "cudnn": (
        "fp32_precision", "enabled", "benchmark", "benchmark_limit", "deterministic", "allow_tf32",
    ),
    "cuda.matmul": (
        "fp32_precision", "allow_tf32", "allow_fp16_reduced_precision_reduction",
        "allow_bf16_reduced_precision_reduction",
    ),
    "opt_einsum": ("enabled", "strategy"),
}  # fmt: skip
_ATTENTION = ("cudnn", "flash", "math", "mem_efficient")


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One thing that can be changed.

    Attributes
    ----------
    read, write
        Return its value; give it a value that was read.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]

    def put_back(self, value: Any) -> None:
        """Give it a value that was read before, unless it has that."""
        try:
            same = bool(np.all(self.read() == value))
        except (RuntimeError, TypeError, ValueError):  # mixed flags of torch; arrays
            same = False
        if not same:
            self.write(value)


def attribute(owner: Any, name: str, label: str = "") -> Knob:
    """Return the knob of an attribute."""
    label = label or f"{owner.__name__}.{name}"
    return Knob(name=label, read=partial(getattr, owner, name), write=partial(setattr, owner, name))


def contents(held: Any, label: str) -> Knob:
    """Return the knob of what a list or a mapping holds that others keep hold of."""

    def write(value: Any) -> None:
        held.clear()
        held.extend(value) if isinstance(held, list) else held.update(value)

    return Knob(name=label, read=held.copy, write=write)


@cache
def knobs() -> tuple[Knob, ...]:
    """Return all knobs of this process, in the order in which they are to be put back."""
    return (*_torch(), *_numpy(), *_python(), *_system())


def _torch() -> Iterator[Knob]:
    import torch
    from torch.nn.modules import module
    from torch.utils import deterministic

    backends = torch.backends
    yield Knob(name="torch device", read=torch.get_default_device, write=_set_device)
    yield Knob(name="torch type", read=torch.get_default_dtype, write=torch.set_default_dtype)
    yield Knob(name="torch generator", read=torch.get_rng_state, write=torch.set_rng_state)
    yield Knob(name="torch threads", read=torch.get_num_threads, write=torch.set_num_threads)
    yield Knob(name="gradients", read=torch.is_grad_enabled, write=torch.set_grad_enabled)
    yield Knob(name="anomalies", read=torch.is_anomaly_enabled, write=torch.set_anomaly_enabled)
    yield Knob(name="denormals", read=_flushes, write=torch.set_flush_denormal)
    yield Knob(
        name="matmul precision",
        read=torch.get_float32_matmul_precision,
        write=torch.set_float32_matmul_precision,
    )
    for place, names in _TORCH_FLAGS.items():
        owner = importlib.import_module(f"torch.backends.{place.partition('.')[0]}")
        owner = getattr(owner, place.partition(".")[2]) if "." in place else owner
        yield from (attribute(owner, n, f"{place}.{n}") for n in names if hasattr(owner, n))
    for name in _ATTENTION:
        read = getattr(backends.cuda, f"{name}_sdp_enabled")
        yield Knob(
            name=f"{name} sdp", read=read, write=getattr(backends.cuda, f"enable_{name}_sdp")
        )
    yield Knob(name="nnpack", read=_nnpack, write=backends.nnpack.set_flags)
    for device in ("cpu", "cuda"):
        for what in ("enabled", "dtype"):
            on = "is_autocast_enabled" if what == "enabled" else "get_autocast_dtype"
            yield Knob(
                name=f"autocast {what} on {device}",
                read=partial(getattr(torch, on), device),
                write=partial(getattr(torch, f"set_autocast_{what}"), device),
            )
    yield Knob(name="determinism", read=_determinism, write=_set_determinism)
    yield attribute(deterministic, "fill_uninitialized_memory")
    for name, value in vars(module).items():
        if name.startswith("_global_"):  # hooks that every network would call
            yield contents(value, name) if isinstance(value, dict) else attribute(module, name)


def _numpy() -> Iterator[Knob]:
    yield Knob(name="numpy generator", read=np.random.get_state, write=np.random.set_state)
    yield Knob(name="numpy errors", read=np.geterr, write=lambda found: np.seterr(**found))
    yield Knob(name="numpy error call", read=np.geterrcall, write=np.seterrcall)
    yield Knob(
        name="numpy printing",
        read=np.get_printoptions,
        write=lambda found: np.set_printoptions(**found),
    )
    yield Knob(name="threads of libraries", read=_library_threads, write=_set_library_threads)


def _python() -> Iterator[Knob]:
    from PIL import Image, ImageFile

    yield Knob(name="random generator", read=random.getstate, write=random.setstate)
    yield contents(sys.path, "sys.path")
    for name in ("stdin", "stdout", "stderr", "excepthook", "argv"):
        yield attribute(sys, name)
    for name in ("recursionlimit", "switchinterval"):
        write = getattr(sys, f"set{name}")
        yield Knob(name=name, read=getattr(sys, f"get{name}"), write=write)
    yield attribute(threading, "excepthook")
    yield Knob(name="warning filters", read=lambda: list(warnings.filters), write=_set_filters)
    yield attribute(warnings, "showwarning")
    yield contents(logging.root.handlers, "log handlers")
    yield attribute(logging.root, "level", "log level")
    yield attribute(logging.root.manager, "disable", "log level of all")
    yield Knob(name="decimal", read=lambda: decimal.getcontext().copy(), write=decimal.setcontext)
    yield Knob(name="collector", read=gc.isenabled, write=_set_collector)
    yield Knob(
        name="thresholds", read=gc.get_threshold, write=lambda found: gc.set_threshold(*found)
    )
    yield attribute(Image, "MAX_IMAGE_PIXELS")
    yield attribute(ImageFile, "LOAD_TRUNCATED_IMAGES")
    yield Knob(
        name="start method",
        read=partial(multiprocessing.get_start_method, allow_none=True),
        write=partial(multiprocessing.set_start_method, force=True),
    )


def _system() -> Iterator[Knob]:
    yield Knob(name="folder", read=os.getcwd, write=os.chdir)
    yield contents(os.environ, "environment")
    yield Knob(name="locale", read=partial(locale.setlocale, locale.LC_ALL), write=_set_locale)
    yield Knob(name="umask", read=_umask, write=os.umask)
    if os.name != "posix":
        return
    import resource

    yield Knob(name="signals", read=_handlers, write=_set_handlers)
    blocked = partial(signal.pthread_sigmask, signal.SIG_BLOCK, ())
    yield Knob(
        name="blocked signals",
        read=blocked,
        write=partial(signal.pthread_sigmask, signal.SIG_SETMASK),
    )
    yield Knob(name="alarm", read=partial(signal.getitimer, signal.ITIMER_REAL), write=_set_alarm)
    for name in sorted(n for n in dir(resource) if n.startswith("RLIMIT_")):
        which = getattr(resource, name)
        yield Knob(
            name=name,
            read=partial(resource.getrlimit, which),
            write=partial(resource.setrlimit, which),
        )
    if hasattr(os, "sched_setaffinity"):
        yield Knob(
            name="cores",
            read=partial(os.sched_getaffinity, 0),
            write=partial(os.sched_setaffinity, 0),
        )


def _set_device(device: Any) -> None:
    import torch

    torch.set_default_device(None if device.type == "cpu" else device)


def _flushes() -> bool:
    """Say whether numbers below the smallest normal one count as zero in this process."""
    return sys.float_info.min / 2 == 0.0


def _determinism() -> tuple[bool, bool]:
    import torch

    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warn_only


def _set_determinism(found: tuple[bool, bool]) -> None:
    import torch

    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _nnpack() -> bool:
    from torch.backends import nnpack

    (found,) = nnpack.set_flags(True)
    nnpack.set_flags(found)
    return found


@cache
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _library_threads() -> list[int]:
    return [library.num_threads for library in _controller().lib_controllers]


def _set_library_threads(counts: list[int]) -> None:
    for library, count in zip(_controller().lib_controllers, counts, strict=True):
        library.set_num_threads(count)


def _set_filters(filters: list[Any]) -> None:
    warnings.resetwarnings()  # tells the interpreter that they have changed
    warnings.filters[:] = filters  # pyright: ignore[reportIndexIssue, reportAttributeAccessIssue]


def _set_collector(on: bool) -> None:
    gc.enable() if on else gc.disable()


def _set_locale(name: str) -> None:
    locale.setlocale(locale.LC_ALL, name)


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _handlers() -> dict[int, Any]:
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def _set_handlers(found: dict[int, Any]) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # where nobody can have changed them
    for number, handler in found.items():
        if handler is not None and signal.getsignal(number) != handler:
            with contextlib.suppress(OSError):
                signal.signal(number, handler)


def _set_alarm(found: tuple[float, float]) -> None:
    if not any(found):  # one that was set before has gone on meanwhile, and is left
        signal.setitimer(signal.ITIMER_REAL, 0)
