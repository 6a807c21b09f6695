"""What a bundle says of a method, held against the method that is installed under that name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...datasets.errors import UsageError
from ..grid import MethodPlan

if TYPE_CHECKING:
    from ...tables.model import MethodInfo

# What decides whether printed numbers may stand beside a method's; the rest is for reading.
DECIDING = ("paper_backbone", "paper_image_size", "overrides")


def compare_methods(info: MethodInfo, documents: Sequence[Mapping[str, Any]]) -> list[str] | None:
    """Name where a bundle's word on a method differs from the installed one's.

    Parameters
    ----------
    info
        As in the bundle.
    documents
        Key documents of the method's cells.

    Returns
    -------
    list of str or None
        A sentence each; None where no method is installed under the name. A ``module:Class`` of a
        bundle is never imported, and scores from files have no method.
    """
    from ...methods.registry import method_class, split_variant
    from .show import method_info

    if ":" in info.name or not documents or any("scores" in d["hashes"] for d in documents):
        return None
    try:
        cls = method_class(info.name)
    except UsageError:
        return None
    base, variant = split_variant(info.name)
    cell = documents[0]["cell"]
    plan = MethodPlan(
        name=info.name,
        base=base,
        variant=variant,
        title=info.title,
        cls=cls,
        settings=None,
        settings_json=cell["settings"],
        image_size=cell["image_size"],
        backbone=cell["backbone"],
        weights_sha256="",
        spec=None,
        source_sha256="",
    )
    found = []
    for settings in dict.fromkeys(document["cell"]["settings"] for document in documents):
        own = method_info(replace(plan, settings_json=settings))
        found += [
            f"{info.name}: {name} is {_words(getattr(info, name))} in the bundle, "
            f"{_words(getattr(own, name))} by the installed method and the cells' settings"
            for name in DECIDING
            if getattr(own, name) != getattr(info, name)
        ]
    return found


def _words(value: Any) -> str:
    return ", ".join(value) or "nothing" if isinstance(value, tuple) else str(value)
