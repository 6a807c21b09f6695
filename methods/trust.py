"""Which names of methods run code that nobody here has asked for.

``module:Class`` imports a Python file from the current folder or any other on the search path. On
the command line that is what its user wants; in a paper's TOML file, in a request that lies in a
shared store, in a stored row or in a bundle it is somebody else's wish, and is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable

from ..datasets.errors import UsageError
from .registry import ANOMALIB, SCORES_PREFIX, split_variant


def names_code(name: str) -> bool:
    """Say whether a method is named as ``module:Class``, and not as one that is installed.

    Parameters
    ----------
    name
        As `registry.method_class` takes it. ``anomalib:<Model>`` is an installed library's, and
        ``scores:FOLDER`` is data.
    """
    base = split_variant(name)[0]
    return ":" in base and not base.startswith((f"{ANOMALIB}:", SCORES_PREFIX))


def is_loaded(name: str) -> bool:
    """Say whether looking a method up runs no code that has not run in this process before."""
    return not names_code(name) or name.partition(":")[0] in sys.modules


def refuse_code(
    names: Iterable[str], where: str, *, option: str, allowed: Collection[str] = ()
) -> None:
    """Refuse methods named as ``module:Class`` by something that was read.

    Parameters
    ----------
    names
        The methods; nothing of them is imported.
    where
        What names them, for the message, e.g. ``"target mine/table1"``.
    option
        The option by which the user may ask for them.
    allowed
        Those that the user did ask for; one without a variant allows all of its variants.

    Raises
    ------
    UsageError
        One of them is not allowed.
    """
    for name in names:
        base = split_variant(name)[0]
        if names_code(name) and not {name, base} & set(allowed):
            raise UsageError(
                f"{where} names the method '{name}', which would run code of the module "
                f"'{base.partition(':')[0]}'; if you trust it, give {option} {name}"
            )
