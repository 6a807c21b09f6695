"""What the methods of stored cells declare today: settings, names of variants, hash of source."""

from __future__ import annotations

import json
from functools import cache

from ..frames import SHORT
from ..presets import PRESETS
from .stored_methods import _planned


@cache
def distance(name: str, settings: str, backbone: str, image_size: float) -> int:
    """Return in how many settings a run differs from the nearest preset; 0 where none is known.

    Backbone and size of the images count as settings.
    """
    return _distance(name, settings, backbone, image_size) or 0


def _distance(name: str, settings: str, backbone: str, image_size: float) -> int | None:
    plans = [plan for preset in PRESETS if (plan := _planned(name, preset))]
    stored = json.loads(settings) | {" backbone": backbone, " image_size": int(image_size)}
    found = []
    for plan in plans:
        own = json.loads(plan.settings_json)
        own |= {" backbone": plan.backbone, " image_size": plan.image_size}
        names = stored.keys() | own.keys()
        # A setting that one side lacks differs, also from one that is null.
        found.append(sum((n in own, own.get(n)) != (n in stored, stored.get(n)) for n in names))
    return min(found, default=None)


@cache
def names_today(method: str, settings: str, backbone: str, image_size: float) -> tuple[str, ...]:
    """Return under which names today's commands run a stored cell, the first one to show it by.

    A cell keeps the base name of its method, as it serves every name that leads to its settings.
    Which variants those are, its settings say. Where no name declares them, as with settings given
    on the command line, it goes by the nearest one, the method itself before its variants.
    """
    plan = _planned(method, "paper")
    names = (method, *(f"{method}@{one}" for one in plan.cls.variants)) if plan else (method,)
    far = {name: _distance(name, settings, backbone, image_size) for name in names}
    known = {name: count for name, count in far.items() if count is not None}
    exact = tuple(name for name, count in known.items() if count == 0)
    return exact or (min(known, key=lambda name: known[name], default=method),)


def source_today(name: str) -> str:
    """Return the beginning of today's source hash of a method, as rows have it; empty if unknown.

    Nothing is known of a plug-in that is not here, and scores from a file have no source.
    """
    plan = _planned(name, "paper")
    return plan.source_sha256[:SHORT] if plan else ""
