"""How rows were made: which make of a method stands for it, and what tells its makes apart.

A method's results may have been made with several settings, sources or weights. The one that a
comparison of methods shows must not depend on how a hash or a word is spelled.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ..frames import SHORT
from ..presets import PRESETS
from . import declared

if TYPE_CHECKING:
    import pandas as pd

# What was run with no preset's settings.
OTHER = "other settings"
_SETTING = ("settings", "backbone", "image_size")
# What must be alike in all rows of a method on a dataset, as `tables.runs` demands.
_MADE = ("settings", "backbone", "weights", "image_size", "source", "fingerprint")
_PLAIN = ("backbone", "weights", "image_size", "source")
_HASH = 64


def by_make(rows: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame]]:
    """Yield what was made alike, a make of each method on a dataset.

    Of a method's settings those with most cells come first, at equal counts those nearest to what
    it declares; of its sources today's, then the one with most cells. A method whose makes these
    do not tell apart has no first one.

    Yields
    ------
    tuple
        Preset or `OTHER`; place of the makes in that order, from 0 and without 0 where none is
        first; their rows.
    """
    presets = _presets(rows)
    makes = _makes(rows)
    names = list(zip(presets, rows["method"], rows["dataset"], makes, strict=True))
    counts = Counter(names)
    firsts = rows.loc[~rows.assign(name=names)["name"].duplicated()]
    known = dict(zip(dict.fromkeys(names), firsts.to_dict("records"), strict=True))
    nth: dict[tuple, int] = {}
    group = lambda name: name[:3]  # noqa: E731
    for _, own in groupby(sorted(counts, key=group), key=group):
        nth |= _ranked({name: (counts[name], known[name]) for name in own})
    parts = [(name[0], nth[name]) for name in names]
    for part in sorted(set(parts)):
        yield *part, rows.loc[[part == own for own in parts]]


def _makes(rows: pd.DataFrame) -> list[str]:
    """Return a text for each row that is the same where rows were made alike."""
    known = rows[list(_MADE)].astype(object)
    makes = known.where(known.notna(), "").astype(str).agg("|".join, axis=1)
    # Failed cells have no weights and no fingerprint: they go with what has their settings.
    table = rows.assign(make=makes.where(rows["status"] != "failed"))
    alike = ["method", "dataset", *_SETTING]
    table["make"] = table["make"].fillna(table.groupby(alike)["make"].transform("first"))
    return list(table["make"].fillna(makes))


def _ranked(makes: Mapping[tuple, tuple[int, Mapping[Hashable, object]]]) -> dict[tuple, int]:
    """Return the place of each make of a method on a dataset; see `by_make`."""
    cover: Counter[tuple] = Counter()
    for count, row in makes.values():
        cover[_setting(row)] = max(cover[_setting(row)], count)

    def merit(name: tuple) -> tuple:
        count, row = makes[name]
        far = declared.distance(str(row["method"]), *_setting(row))
        settings = (-cover[_setting(row)], far)
        return (*settings, row["source"] != declared.source_today(str(row["method"])), -count)

    def order(name: tuple) -> tuple:
        return (*merit(name), name[-1])

    names = sorted(makes, key=order)
    tied = len(names) > 1 and merit(names[0]) == merit(names[1])
    return {name: place for place, name in enumerate(names, start=int(tied))}


def _setting(row: Mapping[Hashable, object]) -> tuple:
    return tuple(row[name] for name in _SETTING)


def _presets(rows: pd.DataFrame) -> list[str]:
    """Return the preset of each row: of those that fit it the one that fits most rows.

    Of a method that was not imported nobody knows: run in one way only, it goes with the others.
    """
    from .stored_methods import fits, not_imported

    made = list(zip(rows["method"], rows["settings"], rows["backbone"], rows["image_size"],
                    strict=True))  # fmt: skip
    fitting = {one: fits(*one) for one in dict.fromkeys(made)}
    counts = {preset: sum(preset in fitting[one] for one in made) for preset in PRESETS}
    order = sorted(PRESETS, key=lambda preset: -counts[preset])
    usual = order[0] if counts[order[0]] else OTHER
    ways = Counter(one[0] for one in fitting)
    unknown = {name for name in not_imported(rows) if ways[name] == 1}
    return [
        usual if one[0] in unknown else next((p for p in order if p in fitting[one]), OTHER)
        for one in made
    ]


def differences(parts: Sequence[pd.DataFrame]) -> list[str]:
    """Say of each part which settings and sources set it apart from the others.

    Returns
    -------
    list of str
        E.g. ``"rad: meta_learning=false, source 9a542af5f20e"``; empty where nothing differs.
    """
    told = [{m: _values(own) for m, own in part.groupby("method", sort=False)} for part in parts]
    out = []
    for mine in told:
        said = []
        for method, values in mine.items():
            others = [one[method] for one in told if method in one]
            names = dict.fromkeys(name for one in others for name in one)
            words = [
                f"{name}{'=' if name not in _MADE else ' '}{values.get(name, 'none')}"
                for name in names
                if len({one.get(name) for one in others}) > 1
            ]
            said += [f"{method}: {', '.join(words)}"] if words else []
        out.append("; ".join(said))
    return out


def _values(rows: pd.DataFrame) -> dict[str, str]:
    """Return each setting, and what else a make is told apart by, of one method's rows."""
    import pandas as pd

    found: dict[str, dict[str, None]] = {}
    for values in rows[list(_MADE)].drop_duplicates().itertuples(index=False, name=None):
        row = {name: v for name, v in zip(_MADE, values, strict=True) if not pd.isna(v)}
        told = {name: json.dumps(value) for name, value in json.loads(row["settings"]).items()}
        told |= {name: _plain(row[name]) for name in _PLAIN if name in row}
        pieces = str(row.get("fingerprint", "")).split("; ")
        told |= {name: text for name, _, text in (one.partition("=") for one in pieces) if text}
        for name, text in told.items():
            found.setdefault(name, {})[text] = None
    return {name: " / ".join(sorted(texts)) for name, texts in found.items()}


def _plain(value: object) -> str:
    # A hash by its beginning; a count may have become a float beside missing ones.
    text = str(value)
    return text[:SHORT] if len(text) == _HASH else text.removesuffix(".0")


def source_notes(rows: pd.DataFrame) -> list[str]:
    """Say which methods' results are all of an earlier version of their source."""
    notes = []
    for method, own in rows.groupby("method", sort=False):
        today = declared.source_today(str(method))
        versions = sorted(set(own["source"].dropna()))
        if today and versions and today not in versions:
            notes.append(
                f"All {len(own)} results of {method} here are of an earlier version of its source "
                f"({' and '.join(versions)}, today {today}): run it again to have today's."
            )
    return notes


def other_pages(method: str, pages: Iterable[str]) -> str:
    """Say on which pages a method's other makes stand."""
    names = list(pages)
    count = f"{len(names)} other versions" if len(names) > 1 else "Another version"
    return f"{count} of {method}, made with other settings or sources: {', '.join(names)}."
