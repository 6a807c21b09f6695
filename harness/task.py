"""A task: the work order of one cell, which an engine hands to a worker."""

from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..datasets.errors import StoreError
from ..datasets.images import ImageSet
from .cell import Identity, canonical_json, quoted
from .files import sha256
from .memory import peak_megabytes
from .store import Failure

if TYPE_CHECKING:
    from .scorecells import ScoreFile

TRACEBACK_LIMIT = 8_000
OUT_OF_MEMORY = "oom"
# How torch says it on a CPU and, in old places, on a GPU: a plain RuntimeError.
MEMORY_TEXTS = ("can't allocate memory", "out of memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One image of a task: where it lies, what it contains and what is known of it.

    ``anomalous`` is the true label; ``injected`` marks a training image that is an anomaly
    labelled nominal. Both are the harness's knowledge, never the method's.
    """

    id: str
    path: Path
    sha256: str
    anomalous: bool = False
    injected: bool = False
    mask_path: Path | None = None
    mask_sha256: str = ""

    def document(self) -> dict[str, Any]:
        """Return what `images.json` keeps: everything but the path."""
        kept = ("id", "sha256", "anomalous", "injected", "mask_sha256")
        return {name: getattr(self, name) for name in kept}


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Everything a worker needs to run one cell.

    Attributes
    ----------
    method
        Name as on the command line, e.g. ``"rad@no-meta"``; the cell has the base name.
    row
        What is known of the cell before it runs, under the frame's column names.
    warnings
        What went wrong with it before, e.g. in a stack; its row tells.
    scores
        Where its scores lie, if they come from a file.
    batch_scale
        See `Context.batch_scale`; below 1 after it ran out of memory.
    tried_again
        Whether its engine will try it again if it runs out of memory: that is no failure yet, and
        whoever else looks at the store must not take it for one.
    """

    identity: Identity
    method: str
    settings: Any
    backbone: Any
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    row: dict[str, Any]
    store: Path
    device: str
    keep_maps: bool
    exclusive: bool
    warnings: tuple[str, ...] = ()
    scores: ScoreFile | None = None
    batch_scale: float = 1.0
    tried_again: bool = False

    # Where a cell was when its worker died without a word.
    crash_phase: ClassVar[str] = "run"

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Return the cells that fail with this task."""
        return (self.identity,)

    @property
    def tuning(self) -> str:
        """Return the key of the tuning that the cell uses; empty where it uses none."""
        return self.identity.hashes.get("tuning", "")

    @property
    def label(self) -> str:
        """Return a short human name, with the variant."""
        return self.identity.cell.label(self.method)

    @property
    def seed_axes(self) -> tuple[str | int, ...]:
        """Return the axes that every random draw of the method depends on."""
        cell = self.identity.cell
        return seed_axes(cell.dataset, cell.category, cell.noise, cell.seed)


def image_list_sha256(train: Iterable[Mapping[str, Any]], test: Iterable[Mapping[str, Any]]) -> str:
    """Return the hash ``images`` of a key from samples as `Sample.document` gives them."""
    tested = [[image["sha256"], image["anomalous"], image["mask_sha256"]] for image in test]
    return lists_sha256([image["sha256"] for image in train], tested)


def lists_sha256(train: list[str], test: list[list[Any]]) -> str:
    """Return the hash ``images`` of a key: of the canonical JSON of both lists.

    Parameters
    ----------
    train
        The sha256 of each training image.
    test
        Of each test image: sha256, whether it is anomalous, sha256 of its mask.
    """
    trained = ",".join(map(quoted, train))
    tested = ",".join([_tested(*image) for image in test])
    return sha256(f'{{"test":[{tested}],"train":[{trained}]}}'.encode())


@lru_cache(maxsize=65_536, typed=True)
def _tested(sha: str, anomalous: bool, mask: str) -> str:
    """Return the JSON text of a test image, which stands in the list of every cell."""
    return canonical_json([sha, anomalous, mask])


def training_key(task: Task) -> str:
    """Return a key that two tasks share if and only if fitting gives the same model for both.

    It covers everything ``fit`` can see: method with source, settings and tuning, backbone with
    weights, image size, the axes of the random draws, and the training images in their order.
    What is tested on, and the noise protocol that chose it, do not enter.
    """
    cell = task.identity.cell
    hashes = {name: h for name, h in task.identity.hashes.items() if name != "images"}
    seen = {
        "method": [cell.method, cell.settings, cell.backbone, cell.image_size],
        "hashes": hashes,
        "seed_axes": task.seed_axes,
        "train": [sample.sha256 for sample in task.train],
        "device": task.device,
    }
    return sha256(json.dumps(seen, sort_keys=True).encode())


def image_set(samples: tuple[Sample, ...], size: int, *, timed: bool = False) -> ImageSet:
    """Return samples as a method sees them: pixels and content hashes, no name and no label.

    With ``timed`` no pixels are remembered from earlier cells, so that times do not depend on which
    cell came first.
    """
    hashes = [sample.sha256 for sample in samples]
    return ImageSet([sample.path for sample in samples], hashes, size, remember=not timed)


def seed_axes(dataset: str, category: str, noise: float, seed: int) -> tuple[str | int, ...]:
    """Return the axes that every random draw of a method depends on; ``noise`` in percent."""
    return (dataset, category, f"{noise:g}", seed)


class PhaseError(Exception):
    """Carries the phase in which a cell failed to the recorder; the cause is chained."""

    def __init__(self, phase: str) -> None:
        super().__init__(phase)
        self.phase = phase


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """Mark any error raised inside as belonging to phase ``name``."""
    try:
        yield
    except (Exception, SystemExit, KeyboardInterrupt) as err:
        # A method that leaves by sys.exit() fails its cell like any other.
        raise PhaseError(name) from err


def as_failure(err: PhaseError, device: str = "cpu", batch_scale: float = 1.0) -> Failure:
    """Return what is recorded of an error; one of the store is nobody's fault and raised again.

    Parameters
    ----------
    err
        The error with its phase.
    device
        Where the cell ran: of one that ran out of memory, the peak there is recorded.
    batch_scale
        What its batches were multiplied with.

    Raises
    ------
    StoreError
        The disk is full or gone.
    """
    cause = err.__cause__ or err
    if isinstance(cause, StoreError):
        raise cause from None
    lines = "".join(traceback.format_exception(cause))[-TRACEBACK_LIMIT:]
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    kind, peak = type(cause).__name__, None
    if is_out_of_memory(cause):
        kind, peak = OUT_OF_MEMORY, peak_megabytes(device)
        first_line = f"{type(cause).__name__}: {first_line}"
        if err.phase == "fit" and batch_scale < 1:
            first_line += " (training batches are the paper's and were not made smaller)"
    return Failure(
        kind=kind,
        message=first_line,
        phase=err.phase,
        traceback=lines,
        batch_scale=batch_scale,
        peak_memory_mb=peak,
    )


def is_out_of_memory(err: BaseException) -> bool:
    """Say whether an error means that memory, of the machine or a GPU, did not suffice."""
    if isinstance(err, MemoryError) or type(err).__name__ == "OutOfMemoryError":
        return True
    return isinstance(err, RuntimeError) and any(text in str(err) for text in MEMORY_TEXTS)
