"""What a key says a cell is made of, held against what the process that runs it really has.

A plan is made by one process and carried out by others, later and perhaps on another machine. Under
every engine, this is asked in the process that fits and scores: before a cell, and again before it
is published, since files may be edited meanwhile. So a result lies under the key of its images,
weights, settings and code. A file that is edited and put back in between changes nothing: what is
read of images, masks and weights is held against its hash as it is read, see `datasets.verified`.

Of a folder that a setting names, such as one of textures, the same is asked before and after. What
is read of it meanwhile is a method's own affair: those of this package hold each texture against
the hash that it had when the fit began; the libraries of other packages hold it against nothing.
So an edit that is put back goes unnoticed if it was made before the fit began, or under those.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import CellError
from ..datasets.verified import known_sha256
from .contents import content_sha256, keyed_settings
from .task import Sample, Task

if TYPE_CHECKING:
    from .tuning import TuningTask


def check_inputs(task: Task) -> None:
    """Refuse a cell whose method, settings, weights or images are not those of its key.

    A cell of scores from a file has been checked by whoever reads that.

    Raises
    ------
    CellError
        What differs on this machine, in one line.
    """
    cell, hashes = task.identity.cell, task.identity.hashes
    _check_method(task.method, task.settings, cell.settings, hashes["method"])
    _check_weights(task.backbone, hashes["weights"])
    _check_images((*task.train, *task.test))


def check_tuning_inputs(task: TuningTask) -> None:
    """Do the same for a tuning.

    Raises
    ------
    CellError
        What differs on this machine, in one line.
    """
    planned, document = task.planned, task.planned.document
    _check_method(planned.method, planned.settings, document["settings"], document["source"])
    _check_weights(planned.backbone, document["weights"])
    for seen in planned.images:
        _check_images((*seen.train, *seen.test))


def _check_method(name: str, settings: Any, keyed: str, source: str) -> None:
    from ..methods.registry import method_class

    cls = method_class(name)
    if _source(cls) != source:
        raise _other(f"the source of {name}", "install one version on all machines")
    if cls.content_settings and keyed_settings(cls, settings, _content) != keyed:
        what = " or ".join(f"{name}.{setting}" for setting in cls.content_settings)
        raise _other(f"what {what} names", "give all machines the same files")


def _content(path: Path) -> str:
    """Hash a file or folder that a setting names; of a large folder only what has changed."""
    return content_sha256(path, known_sha256)


def _check_weights(backbone: Any, expected: str) -> None:
    if backbone is not None and expected and backbone.weights_sha256() != expected:
        raise _other(f"the file of weights of {backbone.name}", "give all machines the same file")


def _check_images(samples: Iterable[Sample]) -> None:
    for sample in samples:
        _check_file(sample.path, sample.sha256, sample.id)
        if sample.mask_path is not None and sample.mask_sha256:
            _check_file(sample.mask_path, sample.mask_sha256, f"the mask of {sample.id}")


def _check_file(path: Path, expected: str, shown: str) -> None:
    try:
        found = known_sha256(path)
    except OSError as err:
        reason = err.strerror or type(err).__name__
        raise CellError(f"{shown} cannot be read on {platform.node()}: {reason}") from err
    if found != expected:
        raise _other(shown, "give all machines the same images")


def _other(what: str, remedy: str) -> CellError:
    return CellError(
        f"{what} on {platform.node()} is not what the run was planned with; {remedy}, or run the "
        "same command again if it has changed since"
    )


@cache
def _source(cls: type) -> str:
    """Hash a method's source once: what this process has imported stays what it is."""
    from ..methods.sources import method_source_sha256

    return method_source_sha256(cls)
