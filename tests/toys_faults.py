"""A toy that goes wrong in the way and at the place that its settings name."""

import faulthandler
import multiprocessing
import os
import resource
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adrepro.harness import run_cell
from adrepro.methods.base import Context, ImageSet, Scores
from toys import PixelMean, ToySettings

MEGABYTE = 2**20


@dataclass(frozen=True)
class FaultySettings(ToySettings):
    """What goes wrong, in cells of which seed, and a file that counts fits."""

    fault: str = ""
    seed: int = 1
    book: str = ""


def _lines(path: Path | None) -> list[str]:
    return path.read_text().splitlines() if path else []


class Faulty(PixelMean):
    """Goes wrong in cells of one seed."""

    name = "toy-faulty"
    title = "Faulty"
    Settings = FaultySettings

    def __init__(self, settings: FaultySettings | None = None) -> None:
        """Die while a worker loads the method for a fifth cell: the first of the second seed."""
        super().__init__(settings)
        fits = Path(self.settings.book) if self.settings.book else None
        counts = fits is not None and fits.exists() and self.settings.fault == "load"
        if counts and multiprocessing.parent_process() and len(_lines(fits)) >= 4:
            os.kill(os.getpid(), signal.SIGKILL)

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        if self.settings.book:
            line = f"{context.seed_axes[1]} {context.seed_axes[-1]} {context.batch(16)}\n"
            descriptor = os.open(self.settings.book, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            os.write(descriptor, line.encode())  # one write: lines of several processes stay whole
            os.close(descriptor)
        self._goes_wrong(context, "fit")

    def score(self, images: ImageSet, context: Context) -> Scores:
        self._goes_wrong(context, "score")
        return super().score(images, context)

    def _goes_wrong(self, context: Context, phase: str) -> None:
        if context.seed_axes[-1] == self.settings.seed:
            kind, _, place = self.settings.fault.partition("@")
            if kind not in {"", "load"} and (place or "fit") == phase:
                getattr(self, f"_{kind}")(context)

    def _hang(self, context: Context) -> None:
        time.sleep(600)

    def _deaf(self, context: Context) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            try:
                time.sleep(600)
            except BaseException:
                continue  # it listens to nothing

    def _memory(self, context: Context) -> None:
        if context.batch_scale == 1:
            raise MemoryError("no room for 16 images")

    def _starved(self, context: Context) -> None:
        import torch

        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 90.00 GiB")

    def _limit(self, context: Context) -> None:
        """Ask for more than the process may have."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + 256 * MEGABYTE
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))
        self.much = np.empty(1024 * MEGABYTE, dtype=np.uint8)

    def _kill(self, context: Context) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def _metrics(self, context: Context) -> None:
        """Die while the scores are evaluated."""
        run_cell.evaluate = lambda *_: os.kill(os.getpid(), signal.SIGKILL)

    def _write(self, context: Context) -> None:
        """Die between the temporary file of the result and its final name."""
        self._die_at(os, "replace")

    def _published(self, context: Context) -> None:
        """Die when the result is published and nobody has been told."""
        self._die_at(os, "replace", before=False)

    def _die_at(self, module: object, name: str, *, before: bool = True) -> None:
        real = getattr(module, name)

        def deadly(source: str, target: str) -> None:
            last = str(target).endswith("result.json")
            if last and before:
                os.kill(os.getpid(), signal.SIGKILL)
            real(source, target)
            if last:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(module, name, deadly)

    def _junk(self, context: Context) -> None:
        block = bytes(range(256)) * 4096
        for _ in range(int(os.environ.get("TOY_JUNK_MB", "32"))):
            os.write(1, block)
            os.write(2, b"\x1b[2J\x1b[31m\xff\x00")

    def _abort(self, context: Context) -> None:
        faulthandler.disable()  # of pytest
        os.write(2, b"\x1b[31mlibtoy: wheel came off\n")
        os.abort()


class LeavesThread(PixelMean):
    """Leaves a thread behind that keeps its process from ending."""

    name = "toy-leaves-thread"
    title = "Leaves a thread"

    def fit(self, train: ImageSet, context: Context) -> None:
        super().fit(train, context)
        threading.Thread(target=time.sleep, args=(600,)).start()
