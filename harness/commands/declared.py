"""What the methods of stored cells declare today: their settings, and the hash of their source."""

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
    plans = [plan for preset in PRESETS if (plan := _planned(name, preset))]
    stored = json.loads(settings) | {" backbone": backbone, " image_size": int(image_size)}
    found = []
    for plan in plans:
        own = json.loads(plan.settings_json)
        own |= {" backbone": plan.backbone, " image_size": plan.image_size}
        names = stored.keys() | own.keys()
        # A setting that one side lacks differs, also from one that is null.
        found.append(sum((n in own, own.get(n)) != (n in stored, stored.get(n)) for n in names))
    return min(found, default=0)


def source_today(name: str) -> str:
    """Return the beginning of today's source hash of a method, as rows have it; empty if unknown.

    Nothing is known of a plug-in that is not here, and scores from a file have no source.
    """
    plan = _planned(name, "paper")
    return plan.source_sha256[:SHORT] if plan else ""
