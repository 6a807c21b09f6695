"""Toys that change their process in every way that is open to them, and ones that notice."""

import contextlib
import decimal
import gc
import io
import locale
import logging
import multiprocessing
import os
import random
import resource
import signal
import sys
import threading
import warnings

import numpy as np

from adrepro.methods.base import Context, ImageSet, Scores
from toys import PixelMean

HELD = []  # what a method has entered and never leaves


def vandalise_python() -> None:
    """Change the interpreter and the process around it."""
    from PIL import Image, ImageFile

    os.chdir("/")
    os.environ["HOME"], os.environ["VANDAL"] = "/nowhere", "was here"
    os.environ.pop("PATH", None)
    os.umask(0o777)
    locale.setlocale(locale.LC_ALL, "C")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    signal.setitimer(signal.ITIMER_REAL, 3600)
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sys.path.insert(0, "/nowhere")
    sys.argv, sys.stdin = ["vandal"], io.StringIO()
    sys.stdout = sys.stderr = io.StringIO()
    sys.excepthook = threading.excepthook = print
    sys.setrecursionlimit(5000)
    sys.setswitchinterval(1.0)
    random.seed(1)
    warnings.simplefilter("error")
    warnings.showwarning = print
    logging.root.addHandler(logging.NullHandler())
    logging.root.setLevel(1)
    logging.disable(logging.CRITICAL)
    decimal.getcontext().prec = 2
    gc.disable()
    gc.set_threshold(1)
    Image.MAX_IMAGE_PIXELS = 10**6
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    multiprocessing.set_start_method("spawn", force=True)


def vandalise_numbers() -> None:
    """Change how numpy and torch compute."""
    import torch
    from threadpoolctl import threadpool_limits
    from torch.nn.modules.module import register_module_forward_hook

    np.random.seed(1)
    np.seterr(all="raise")
    np.seterrcall(print)
    np.set_printoptions(precision=1)
    threads = torch.get_num_threads()  # one more is another number on every machine
    threadpool_limits(threads + 1)
    torch.manual_seed(1)
    torch.set_num_threads(threads + 1)
    torch.set_flush_denormal(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.mkldnn.enabled = False
    torch.backends.mkldnn.deterministic = True
    torch.backends.cudnn.enabled = False
    torch.backends.cudnn.benchmark = torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark_limit = 3
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.fp32_precision = torch.backends.mkldnn.fp32_precision = "ieee"
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.nnpack.set_flags(False)
    torch.backends.opt_einsum.strategy = "greedy"
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.autograd.set_detect_anomaly(True)
    HELD.append(register_module_forward_hook(lambda _module, _given, out: out * 1.5))
    for mode in (torch.autocast("cpu", torch.float16), torch.inference_mode()):
        mode.__enter__()
        HELD.append(mode)
    torch.set_grad_enabled(False)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")


class Vandal(PixelMean):
    """Changes everything in fit."""

    name = "toy-vandal"
    title = "Vandal"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        vandalise_python()
        vandalise_numbers()


class VandalAtScore(PixelMean):
    """Changes everything when it scores, and then raises."""

    name = "toy-vandal-score"
    title = "Vandal at score"

    def score(self, images: ImageSet, context: Context) -> Scores:
        vandalise_python()
        vandalise_numbers()
        raise RuntimeError("enough")


class Network(PixelMean):
    """Scores by features of a shared network, and by sums and draws that the process decides on."""

    name = "toy-network"
    title = "Network"
    backbone = "timm/resnet18.random"

    def _features(self, images: ImageSet, context: Context) -> np.ndarray:
        return context.features.maps(images, [8])[8].mean(axis=(2, 3))

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        self.centre = self._features(train, context).mean(axis=0)

    def score(self, images: ImageSet, context: Context) -> Scores:
        import torch

        found = super().score(images, context)
        far = np.linalg.norm(self._features(images, context) - self.centre, axis=1)
        layer = torch.nn.Linear(64, 64)  # drawn from the global generator
        grown = layer(torch.linspace(1e-40, 1, 64)).pow(2).sum().item()
        drawn = torch.rand(1).item() + np.random.random() + random.random() + grown
        return Scores(image=(found.image + far + drawn).astype(np.float32), maps=found.maps)


class Sums(PixelMean):
    """Scores by sums in the type, on the device and with the care that the process has."""

    name = "toy-sums"
    title = "Sums"

    def score(self, images: ImageSet, context: Context) -> Scores:
        import torch

        found = super().score(images, context)
        small = (torch.full((9,), 1e-40) * torch.ones(9)).sum().item() * 1e40
        product = (torch.full((9, 9), 1 / 3) @ torch.full((9, 9), 1 / 7)).sum().item()
        return Scores(image=(found.image + small + product).astype(np.float32), maps=found.maps)


class VandalBeforeFeatures(Network):
    """Changes everything before it asks for features that other cells will read."""

    name = "toy-vandal-features"
    title = "Vandal before features"

    def fit(self, train: ImageSet, context: Context) -> None:
        vandalise_python()
        vandalise_numbers()
        self._features(train, context)
        raise RuntimeError("enough")


class TrainsShared(Network):
    """Trains the network that it shares with other cells, and may ask it for features then."""

    name = "toy-trains-shared"
    title = "Trains the shared network"

    def fit(self, train: ImageSet, context: Context) -> None:
        import torch

        super().fit(train, context)
        network = context.features.backbone.model
        network.train()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.1)
        if self.settings.power == 3:
            self._features(train.resized(48), context)

    def score(self, images: ImageSet, context: Context) -> Scores:
        found = super(Network, self).score(images, context)
        with contextlib.suppress(AttributeError):
            del self.centre
        return found
