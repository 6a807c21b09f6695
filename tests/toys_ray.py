"""Toy methods and task bodies that run inside Ray."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from adrepro.harness.engines.ray_task import Outcome
from toys import PixelMean, ToySettings

WAIT_S = 600


@dataclass(frozen=True)
class KillSettings(ToySettings):
    """``book`` is a file that gets a line per fit; ``times`` is how often seed 1 kills."""

    book: str = ""
    times: int = 1


class KillsRay(PixelMean):
    """Kills the Ray process that supervises its cell, in the first fits of seed 1."""

    name = "toy-kills-ray"
    title = "Kills Ray's process"
    Settings = KillSettings

    def fit(self, train, context):
        super().fit(train, context)
        book = Path(self.settings.book)
        seed = str(context.seed_axes[-1])
        with book.open("a", encoding="utf-8") as handle:
            handle.write(seed + "\n")
        if seed == "1" and book.read_text().split().count("1") <= self.settings.times:
            for process in psutil.Process().parents():
                if process.name().startswith("ray::"):
                    process.send_signal(signal.SIGKILL)
                    # This process is to die with that one. On a busy machine that takes as long as
                    # it takes: a cell that goes on would be another failure than the one tested.
                    time.sleep(WAIT_S)
                    raise RuntimeError("it has outlived the Ray process that it killed")
            raise RuntimeError("there is no Ray process above this one")


@dataclass(frozen=True)
class BookSettings(ToySettings):
    """``book`` is a file that gets a line per fit."""

    book: str = ""


class NotesTimes(PixelMean):
    """Notes from when to when it fitted."""

    name = "toy-notes-times"
    title = "Notes its times"
    Settings = BookSettings

    def fit(self, train, context):
        begun = time.time()
        super().fit(train, context)
        time.sleep(0.3)
        with Path(self.settings.book).open("a", encoding="utf-8") as handle:
            handle.write(f"{begun} {time.time()}\n")


class NamesNode(PixelMean):
    """Prints which of Ray's nodes started the process above it."""

    name = "toy-names-node"
    title = "Names its node"

    def fit(self, train, context):
        time.sleep(0.5)
        super().fit(train, context)
        for process in psutil.Process().parents():
            if "raylet" in process.name():
                print("node", process.pid)


def record_device(number, tasks, traces, options, folder, mail):
    """Stand in for a batch: note which device it saw, and from when to when."""
    begun = time.time()
    time.sleep(0.5)
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    line = f"{tasks[0].method} {seen} {begun} {time.time()} {options.alone}\n"
    with (Path(tasks[0].store) / "devices.txt").open("a", encoding="utf-8") as book:
        book.write(line)
    return Outcome(events=[("done", i, "") for i in range(len(tasks))])
