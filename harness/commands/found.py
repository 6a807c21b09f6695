"""Which reports the cells of a store make, from the cells alone.

A cell serves several targets and says which it was run for first. So a target is found where a cell
was run for it, or where the store has all that it asks for. What was run in different ways, with
other presets, settings or versions, makes reports of its own and is never mixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.catalog import CATALOG
from ..evaluations import EVALUATION
from ..presets import PRESETS
from .parts import evaluated, named

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.spec import Target

# What was run with no preset's settings.
OTHER = "other settings"
# What must be alike in all rows of a method on a dataset, as `tables.runs` demands.
_MADE = ("settings", "backbone", "weights", "image_size", "source", "fingerprint")
_TABLE = ["synthetic", "protocol", "evaluation"]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One report: a target, the rows it is made from, and the preset that they were run with."""

    target: Target
    frame: pd.DataFrame
    preset: str


def sound_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that a report can be made from, and what was left out.

    A failed cell has no row of its own making: its method's variant is taken from finished cells
    with the same settings, and whether its images are drawn from the catalogue.
    """
    damaged = frame["status"] == "damaged"
    rows = frame.loc[~damaged].copy()
    count = len(frame) - len(rows)
    notes = [f"{count} damaged cells count as not there."] if count else []
    failed = rows["status"] == "failed"
    made = ["settings", "backbone", "image_size"]
    names: dict[tuple, set[str]] = {}
    for row in rows.loc[~failed, ["method", *made]].drop_duplicates().itertuples(index=False):
        names.setdefault(tuple(row[1:]), set()).add(str(row[0]))
    for index, row in rows.loc[failed, ["method", "dataset", *made]].iterrows():
        known = names.get(tuple(row[made]), set())
        rows.loc[index, "method"] = next(iter(known)) if len(known) == 1 else row["method"]
        info = CATALOG.get(str(row["dataset"]))
        rows.loc[index, "synthetic"] = info is not None and info.synthetic
    return rows, notes


def editions(rows: pd.DataFrame, papers: Sequence[Path] = ()) -> Iterator[Edition]:
    """Yield all reports of the rows: targets by name, then grids that no target asks for.

    Parameters
    ----------
    rows
        From `sound_rows`.
    papers
        Folders with more papers.
    """
    from ...tables.generic import generic_target
    from ...tables.papers import list_targets, load_target

    known = list_targets(papers)
    for name in known:
        target = load_target(name, papers)
        for tokens, preset, part in _parts(_tables_of(target, rows), target.run.protocol):
            yield Edition(target=_called(_as_run(target, part), tokens), frame=part, preset=preset)
    ran = rows.loc[rows["status"] == "done", "paper_target"]
    for name in sorted(set(ran.dropna()) - set(known)):
        # What failed does not say what it was run for.
        own = rows.loc[(rows["paper_target"] == name) | rows["paper_target"].isna()]
        groups = [group for _, group in own.groupby(_TABLE, sort=True)]
        done = [group for group in groups if (group["paper_target"] == name).any()]
        for tokens, preset, part in _parts(done, "fixed-test"):
            target = _called(generic_target(part, name=name), tokens)
            yield Edition(target=target, frame=part, preset=preset)


def _tables_of(target: Target, rows: pd.DataFrame) -> list[pd.DataFrame]:
    """Return a target's rows, a frame for each protocol, evaluation and kind of data."""
    ran = rows["paper_target"] == target.name
    names = {one for preset in PRESETS for one in target.run.methods_for(preset)}
    places = {
        (name, category)
        for data in target.run.datasets
        for name in (data.name, data.synthetic)
        for category in data.categories
    }
    pairs = rows[["dataset", "category"]].itertuples(index=False, name=None)
    there = np.fromiter((pair in places for pair in pairs), dtype=bool, count=len(rows))
    levels = rows["noise"].isin([*target.run.noise, *rows.loc[ran, "noise"]])
    methods = rows["method"].isin([*names, *rows.loc[ran, "method"]])
    mine = rows.loc[levels & methods & there]
    groups = [group for _, group in mine.groupby(_TABLE, sort=True)]
    return [
        group
        for group in groups
        if (group["paper_target"] == target.name).any() or _covers(group, target)
    ]


def _covers(rows: pd.DataFrame, target: Target) -> bool:
    """Say whether rows hold every place that a target asks for under some preset."""
    axes = rows[["method", "dataset", "category", "noise"]]
    have = set(axes.itertuples(index=False, name=None))
    for name, preset in PRESETS.items():
        wanted = target.run.categories_for(name)
        places = {
            (method, preset.datasets.get(data.name, data.name), category, noise)
            for method in target.run.methods_for(name)
            for data in target.run.datasets
            for category in data.categories
            for noise in target.run.noise
            if wanted is None or category in wanted
        }
        if places and places <= have:
            return True
    return False


def _parts(
    groups: Iterable[pd.DataFrame], protocol: str
) -> list[tuple[list[str], str, pd.DataFrame]]:
    """Part frames by how they were made.

    Returns
    -------
    list
        What a part differs in from the first one, in words; its preset; its rows. The first has
        real data, the target's protocol and most of the rows, if there are such.
    """
    order = [*PRESETS, OTHER]
    found = []
    for group in groups:
        first = group.iloc[0]
        bare = str(first["protocol"]).partition("/")[0]
        data = "synthetic" if first["synthetic"] else "real"
        for preset, nth, part in _by_make(group):
            words = [data, bare, preset, f"version {nth + 1}"]
            key = (data, first["evaluation"] != EVALUATION, bare != protocol.partition(":")[0])
            found.append(((*key, nth, -len(part), order.index(preset)), words, preset, part))
    found.sort(key=lambda item: item[0])
    used: set[tuple] = set()
    out = []
    for _, words, preset, part in found:
        tokens = [w for w, usual in zip(words, found[0][1], strict=True) if w != usual]
        while (*tokens, part["evaluation"].iloc[0]) in used:
            tokens.append("more")
        used.add((*tokens, part["evaluation"].iloc[0]))
        out.append((tokens, preset, part.reset_index(drop=True)))
    return out


def _by_make(rows: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Yield preset, number and rows of what was made alike, a make of each method on a dataset."""
    presets = _presets(rows)
    known = rows[list(_MADE)].astype(object)
    makes = known.where(known.notna(), "").astype(str).agg("|".join, axis=1)
    # Failed cells have no weights and no fingerprint: they go with what has their settings.
    own = makes.where(rows["status"] != "failed")
    table = rows.assign(preset=presets, make=own)
    alike = ["method", "dataset", "settings", "backbone", "image_size"]
    table["make"] = table["make"].fillna(table.groupby(alike)["make"].transform("first"))
    table["make"] = table["make"].fillna(makes)
    names = list(zip(presets, table["method"], table["dataset"], table["make"], strict=True))
    counts = Counter(names)
    nth: dict[tuple, int] = {}
    taken: Counter[tuple] = Counter()
    # Of several makes the one with most cells comes first.
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        nth[name] = taken[name[:3]]
        taken[name[:3]] += 1
    parts = [(name[0], nth[name]) for name in names]
    for part in sorted(set(parts)):
        yield *part, rows.loc[[part == own for own in parts]]


def _presets(rows: pd.DataFrame) -> list[str]:
    """Return the preset of each row: of those that fit it the one that fits most rows."""
    from .stored_methods import fits

    made = list(zip(rows["method"], rows["settings"], rows["backbone"], rows["image_size"],
                    strict=True))  # fmt: skip
    fitting = {one: fits(*one) for one in dict.fromkeys(made)}
    counts = {preset: sum(preset in fitting[one] for one in made) for preset in PRESETS}
    order = sorted(PRESETS, key=lambda preset: -counts[preset])
    return [next((p for p in order if p in fitting[one]), OTHER) for one in made]


def _as_run(target: Target, rows: pd.DataFrame) -> Target:
    """Return a target with the methods, levels and seeds of its rows."""
    present = dict.fromkeys(rows["method"])
    order = dict.fromkeys(
        one for name in PRESETS for one in target.run.methods_for(name) if one in present
    )
    levels = sorted(set(rows["noise"]))
    run = replace(
        target.run,
        methods=tuple({**order, **present}),
        noise=tuple(levels),
        seeds=len(set(rows["seed"])),
    )
    return evaluated(replace(target, run=run), str(rows["evaluation"].iloc[0]))


def _called(target: Target, tokens: Sequence[str]) -> Target:
    if not tokens:
        return target
    return named(target, "_".join(tokens).replace(" ", "-"), ", ".join(tokens))
