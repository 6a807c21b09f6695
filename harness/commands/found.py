"""Which reports the cells of a store make, from the cells alone.

A cell serves several targets and says which it was run for first. So a target is found where a cell
was run for it, or where the store has all that it asks for. What was run in different ways, with
other presets, settings or versions, makes reports of its own and is never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.catalog import CATALOG
from ..evaluations import EVALUATION
from ..presets import PRESETS
from .makes import OTHER, by_make, differences, other_pages, source_notes
from .parts import evaluated, named
from .stored_methods import import_note, not_imported

if TYPE_CHECKING:
    import pandas as pd

    from ...tables.spec import Target

_TABLE = ["synthetic", "protocol", "evaluation"]


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One report.

    Attributes
    ----------
    target, frame, preset
        The target, the rows that it is made from, and the preset that they were run with.
    differs
        In which settings and sources these rows are set apart from other pages' with this preset;
        empty where there are none.
    notes
        Which methods were not imported, which rows are of an earlier source, and where a method's
        other versions stand.
    """

    target: Target
    frame: pd.DataFrame
    preset: str
    differs: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Part:
    """Rows that were made alike; ``words`` say how, ``tokens`` which words are not the first's."""

    words: tuple[str, ...]
    tokens: tuple[str, ...]
    frame: pd.DataFrame

    @property
    def preset(self) -> str:
        return self.words[2]

    @property
    def siblings(self) -> tuple[str, ...]:
        """The same where parts differ in their version alone."""
        return (*self.words[:3], str(self.frame["evaluation"].iloc[0]))


def sound_rows(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows that a report can be made from, and what was left out.

    A failed cell has no row of its own making: its variant is taken from finished cells of its
    method with the same settings, and whether its images are drawn from the catalogue.
    """
    damaged = frame["status"] == "damaged"
    rows = frame.loc[~damaged].copy()
    count = len(frame) - len(rows)
    notes = [f"{count} damaged cells count as not there."] if count else []
    failed = rows["status"] == "failed"
    made = ["settings", "backbone", "image_size"]

    def own(method: str, made_with: Iterable[object]) -> tuple:
        # Two methods may have the same settings: only variants of one method share a name.
        return (method.partition("@")[0], *made_with)

    names: dict[tuple, set[str]] = {}
    for row in rows.loc[~failed, ["method", *made]].drop_duplicates().itertuples(index=False):
        names.setdefault(own(str(row[0]), row[1:]), set()).add(str(row[0]))
    for index, row in rows.loc[failed, ["method", "dataset", *made]].iterrows():
        known = names.get(own(str(row["method"]), row[made]), set())
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
        parts = _parts(_tables_of(target, rows), target.run.protocol)
        yield from _editions(parts, partial(_as_run, target))
    ran = rows.loc[rows["status"] == "done", "paper_target"]
    for name in sorted(set(ran.dropna()) - set(known)):
        # What failed does not say what it was run for.
        own = rows.loc[(rows["paper_target"] == name) | rows["paper_target"].isna()]
        groups = [group for _, group in own.groupby(_TABLE, sort=True)]
        done = [group for group in groups if (group["paper_target"] == name).any()]
        yield from _editions(_parts(done, "fixed-test"), partial(generic_target, name=name))


def _editions(
    parts: Sequence[_Part], target_of: Callable[[pd.DataFrame], Target]
) -> Iterator[Edition]:
    """Yield the reports of a target's parts, each with what sets it apart from its siblings."""
    targets = [_called(target_of(part.frame), part.tokens) for part in parts]
    for part, target in zip(parts, targets, strict=True):
        alike = [i for i, other in enumerate(parts) if other.siblings == part.siblings]
        apart = differences([parts[i].frame for i in alike])
        notes = [f"{import_note(name)}." for name in not_imported(part.frame)]
        notes += source_notes(part.frame)
        for method in dict.fromkeys(part.frame["method"]):
            pages = [
                targets[i].slug
                for i in alike
                if parts[i] is not part and (parts[i].frame["method"] == method).any()
            ]
            notes += [other_pages(str(method), pages)] if pages else []
        differs = apart[[parts[i] is part for i in alike].index(True)]
        yield Edition(target=target, frame=part.frame, preset=part.preset, differs=differs,
                      notes=tuple(notes))  # fmt: skip


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


def _parts(groups: Iterable[pd.DataFrame], protocol: str) -> list[_Part]:
    """Part frames by how they were made.

    The first part has real data, the target's protocol and most of the rows, if there are such.
    The first version has no word in a name, whether there is one or not.
    """
    order = [*PRESETS, OTHER]
    found = []
    for group in groups:
        first = group.iloc[0]
        bare = str(first["protocol"]).partition("/")[0]
        data = "synthetic" if first["synthetic"] else "real"
        for preset, nth, part in by_make(group):
            words = (data, bare, preset, f"version {nth + 1}")
            key = (data, first["evaluation"] != EVALUATION, bare != protocol.partition(":")[0])
            found.append(((*key, nth, -len(part), order.index(preset)), words, part))
    found.sort(key=lambda item: item[0])
    usual = (*found[0][1][:3], "version 1") if found else ()
    used: set[tuple] = set()
    out = []
    for _, words, part in found:
        tokens = [w for w, first in zip(words, usual, strict=True) if w != first]
        while (*tokens, part["evaluation"].iloc[0]) in used:
            tokens.append("more")
        used.add((*tokens, part["evaluation"].iloc[0]))
        frame = part.reset_index(drop=True)
        out.append(_Part(words=words, tokens=tuple(tokens), frame=frame))
    return out


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
