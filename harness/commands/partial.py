"""What a store has of a target that was run in part, as the options that judge it alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from ...datasets.catalog import CATALOG
from ...datasets.errors import UsageError
from ..presets import PRESETS
from ..progress import plural
from ..store import Status
from .again import SELECTING, command_line
from .options import Options
from .run import target_grid
from .stored import Opened, asked_of, open_target, scope_in

if TYPE_CHECKING:
    from ..stored import Found


def narrower(name: str, opened: Opened, options: Options) -> str:
    """Return one line with the options under which the store's part of a target is judged alone.

    Parameters
    ----------
    name
        The target as it was given.
    opened, options
        It with what the store holds of it, and the options that found that.

    Returns
    -------
    str
        Empty where the store has all that was asked for, or nothing under any preset; that
        nothing can be judged where no number is printed for what it has.
    """
    for preset in (options.preset, *(one for one in PRESETS if one != options.preset)):
        under = replace(options, preset=preset)
        try:
            seen = opened if preset == options.preset else open_target(name, under)
        except UsageError:  # results that this preset cannot tell apart: another may
            continue
        done = [one for one in seen.stored.found if one.record.status is Status.DONE]
        if done:
            narrowed = _narrowed(seen, under, done)
            return "" if narrowed == options else _line(name, seen, narrowed, done)
    return ""


def _asked(opened: Opened) -> int:
    asked = asked_of(opened)
    places = sum(map(len, asked.categories.values()))
    return len(asked.methods) * places * len(asked.noise) * opened.grid.seeds


def _line(name: str, opened: Opened, narrowed: Options, done: list[Found]) -> str:
    count = plural(len(done), "result")
    if all(one.place[1] in CATALOG and CATALOG[one.place[1]].synthetic for one in done):
        return f"The store has {count} on drawn images, which no printed number is compared with."
    start = f"The store has {count} of {_asked(opened)}"
    if not _printed(opened, narrowed, done):
        names = ", ".join(dict.fromkeys(one.method for one in done))
        return f"{start}, of {names}: no number is printed for what was run."
    command = command_line(("check", name), narrowed, SELECTING)
    return f"{start}; to judge what was run alone: {command}"


def _printed(opened: Opened, narrowed: Options, done: list[Found]) -> bool:
    """Say whether a number that the narrowed options ask for is printed of anything that ran."""
    from ...tables.verdicts.places import printed_numbers

    target, ran = opened.target, {one.place[:4] for one in done}
    scope = scope_in(target, target_grid(target, narrowed), narrowed)
    return any(
        (number.number.method, *member, number.place.noise) in ran
        for number in printed_numbers(target, (), scope)
        for member in target.run.categories(number.place)
    )


def _narrowed(opened: Opened, under: Options, done: list[Found]) -> Options:
    """Return the options with the methods, categories, levels and seeds that have a result."""
    asked, grid = asked_of(opened), opened.grid
    methods, _, categories, noise, seeds = zip(*(one.place for one in done), strict=True)
    every = dict.fromkeys(c for names in asked.categories.values() for c in names)
    return replace(
        under,
        methods=_fewer(asked.methods, methods) or under.methods,
        categories=_fewer(every, categories) or under.categories,
        noise=_fewer(asked.noise, noise) or under.noise,
        seeds=max(seeds) + 1 if max(seeds) + 1 < grid.seeds else under.seeds,
    )


def _fewer(asked: Iterable, found: Iterable) -> tuple:
    """Return those asked for that were found, in their order; empty if that is all of them."""
    asked, found = tuple(asked), set(found)
    kept = tuple(one for one in asked if one in found)
    return kept if len(kept) < len(asked) else ()
