"""What is known today about the methods of stored cells: their presets, and what tables say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from ...datasets.errors import AdreproError
from ..grid import Grid, MethodPlan, plan_methods
from ..presets import PRESETS

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.model import MethodInfo


def allow(names: Iterable[str]) -> None:
    """Import methods that the user trusts, so that rows which name them are understood."""
    from ...methods.registry import method_class

    for name in names:
        method_class(name)


def not_imported(rows: pd.DataFrame) -> tuple[str, ...]:
    """Return the methods of rows that are a ``module:Class`` nobody has allowed here."""
    from ...methods.trust import is_loaded

    return tuple(name for name in map(str, dict.fromkeys(rows["method"])) if not is_loaded(name))


def import_note(name: str) -> str:
    """Say what is missing of a method that was not imported, and how to have it."""
    asked = name.partition("@")[0]
    return (
        f"{name} was not imported, so its preset is unknown and it stands under its raw name; "
        f"--allow-method {asked} lays it out with its title in the same table"
    )


@cache
def _planned(name: str, preset: str) -> MethodPlan | None:
    """Plan a method; None for one that is not here, as a plug-in or scores from a file.

    Nor is a ``module:Class`` that only the store names imported; see `allow`.
    """
    from ...methods.trust import is_loaded

    if not is_loaded(name):
        return None
    grid = Grid(
        target="report",
        datasets=("mvtec_ad",),
        categories=None,
        methods=(name,),
        noise=(0.0,),
        seeds=1,
        preset=preset,
    )
    try:
        return plan_methods(grid, need_weights=False)[0]
    except AdreproError:
        return None


@cache
def fits(name: str, settings: str, backbone: str, image_size: float) -> tuple[str, ...]:
    """Return the presets under which a method is run like this."""
    found = []
    for preset in PRESETS:
        plan = _planned(name, preset)
        asked = plan and (plan.settings_json, plan.backbone, plan.image_size)
        if asked == (settings, backbone, int(image_size)):
            found.append(preset)
    return tuple(found)


def infos(rows: pd.DataFrame) -> tuple[MethodInfo, ...]:
    """Return what tables say about the methods of rows; nothing about those not installed here."""
    found = {}
    for row in rows.drop_duplicates("method").to_dict("records"):
        plan = _planned(str(row["method"]), "paper")
        if plan is not None:
            found[row["method"]] = _info(plan, row)
    return tuple(found.values())


def _info(plan: MethodPlan, row: dict) -> MethodInfo:
    from .show import method_info

    today = json.loads(plan.settings_json)
    stored = json.loads(row["settings"])
    made = replace(
        plan,
        # Settings that have come or gone since cannot be held against today's.
        settings_json=json.dumps({name: stored.get(name, today[name]) for name in today}),
        backbone=str(row["backbone"]),
        image_size=int(row["image_size"]),
    )
    changed = [f"setting {name} is not known today" for name in stored if name not in today]
    changed += [f"setting {name} is of today, not of the run" for name in today.keys() - stored]
    info = method_info(made)
    return replace(info, overrides=(*info.overrides, *sorted(changed)))
