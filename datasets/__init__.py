"""Images, masks, splits and label noise: the lowest room, which knows none of the others.

Each concept has its own module and is imported from there (``datasets.scan.scan``). The few names
that nearly every user needs are also here, resolved on first use, so that a command that reads no
image does not wait for NumPy and Pillow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import open_dataset
    from .errors import AdreproError, DataError
    from .images import ImageSet
    from .types import Category, Dataset, ImageRef

__all__ = [
    "AdreproError",
    "Category",
    "DataError",
    "Dataset",
    "ImageRef",
    "ImageSet",
    "open_dataset",
]

_HOME = {
    "AdreproError": "errors",
    "Category": "types",
    "DataError": "errors",
    "Dataset": "types",
    "ImageRef": "types",
    "ImageSet": "images",
    "open_dataset": "catalog",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
