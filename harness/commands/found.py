"""Which reports the cells of a store make, from the cells alone.

A cell serves several targets and says which it was run for first. So a target is found where a cell
was run for it, or where the store has all that it asks for. What was run in different ways, with
other presets, settings or versions, makes reports of its own and is never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...datasets.catalog import CATALOG
from ..evaluations import EVALUATION
from ..presets import PRESETS
from .declared import names_today
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

    They are sorted by what names a cell. Each has the name under which it is run today, with the
    variant that its settings are. Whether the images of a failed cell are drawn, which has no row
    of its own making, says the catalogue.
    """
    import pandas as pd

    damaged = frame["status"] == "damaged"
    rows = frame.loc[~damaged].copy()
    count = len(frame) - len(rows)
    notes = [f"{count} damaged cells count as not there."] if count else []
    rows["method"] = [names[0] for names in _names(rows)]
    # The store's order is that of hashes.
    rows = rows.sort_values(["method", "dataset", "category", "noise", "seed"], kind="stable")
    drawn = [getattr(CATALOG.get(str(name)), "synthetic", False) for name in rows["dataset"]]
    rows["synthetic"] = rows["synthetic"].mask(
        rows["status"] == "failed", pd.Series(drawn, rows.index)
    )
    return rows, notes


def _names(rows: pd.DataFrame) -> list[tuple[str, ...]]:
    """Return the names under which each row is run today."""
    columns = [rows[name] for name in ("method", "settings", "backbone", "image_size")]
    made = [(str(method), *rest) for method, *rest in zip(*columns, strict=True)]
    found = {one: names_today(one[0].partition("@")[0], *one[1:]) for one in dict.fromkeys(made)}
    # A name that says its variant says it rightly.
    return [(one[0],) if "@" in one[0] else found[one] for one in made]


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
    names = {one for preset in PRESETS for one in target.run.methods_for(preset)}
    rows = _with_namesakes(rows, names)
    ran = rows["paper_target"] == target.name
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


def _with_namesakes(rows: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Return rows once more for each other of these names that has their very settings."""
    import pandas as pd

    bare = rows["method"].str.partition("@")[0]
    found = list(zip(rows["method"], _names(rows.assign(method=bare)), strict=True))
    copies = []
    for name in sorted(names):
        also = [name != method and method in own and name in own for method, own in found]
        if any(also):
            copies.append(rows.loc[also].assign(method=name))
    return pd.concat([rows, *copies], ignore_index=True) if copies else rows


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
