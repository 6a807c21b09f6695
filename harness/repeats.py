"""Warn where repetitions repeat nothing: three seeds with one and the same result."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from .store import Store

# Two seeds may well agree where few test images leave few possible values; three hardly.
ENOUGH = 3
# Test images that two seeds must have in common, and of which not all have one score.
COMMON = 5
# Places of a method whose scores are compared first; only if one is found, those of all others are.
# Places whose lists of training images are compared before that, to take the telling ones first.
LOOKED_AT, LISTED = 12, 200
SHOWN = 3
Place = tuple[str, list[str]]  # its name for people, and a key per seed
Rank = tuple[float, float]  # noise, training images
_PLACE = ["method", "dataset", "category", "noise", "protocol", "evaluation", "settings"]


def identical_seeds(
    frame: pd.DataFrame, store: Store, deterministic: Collection[str] = ()
) -> list[str]:
    """Name the places where all seeds, three or more, came to one result.

    Metrics cannot tell: a seed also draws which images are trained and tested on. So the scores of
    those test images are compared that every two seeds share: they agree to the last bit where
    neither the seed nor what it drew had any effect. An interval over such seeds means nothing.
    What differs is not judged: it may be the training images of the seed and not the seed. So the
    places whose seeds train on the same images are looked into first: those without noise in
    which the protocol takes all training images that there are.

    Parameters
    ----------
    frame
        As `frames.to_frame` gives it.
    store
        Holds the scores of its finished cells.
    deterministic
        Methods whose class says that nothing is drawn: of them it is no surprise.

    Returns
    -------
    list of str
        At most one line per method.
    """
    lines = []
    done = frame[(frame["status"] == "done") & ~frame["method"].isin(list(deterministic))]
    for method, cells in done.groupby("method", sort=False):
        places: list[tuple[Rank, Place]] = []
        for name, rows in cells.groupby(_PLACE, dropna=False, sort=False):
            _, dataset, category, noise = list(name)[:4]  # pyright: ignore[reportArgumentType, reportCallIssue]
            keys = list(dict(zip(rows["seed"], rows["key"], strict=True)).values())
            if len(keys) >= ENOUGH:
                rank = (float(str(noise)), min(map(float, rows["n_train"])))
                places.append((rank, (f"{dataset}/{category}/noise{noise:g}", keys)))
        ordered = _telling_first(store, places)
        found = _identical(store, ordered[:LOOKED_AT])
        if found:
            lines.append(_line(str(method), found + _identical(store, ordered[LOOKED_AT:])))
    return lines


def _telling_first(store: Store, places: list[tuple[Rank, Place]]) -> list[Place]:
    """Return places by noise and size, of the first ones those with one training set before all."""
    ordered = [place for _, place in sorted(places, key=lambda ranked: ranked[0])]
    if len(ordered) <= LOOKED_AT:
        return ordered
    listed = sorted(ordered[:LISTED], key=lambda place: not _one_training_set(store, place[1]))
    return listed + ordered[LISTED:]


def _one_training_set(store: Store, keys: list[str]) -> bool:
    """Say whether all seeds of a place trained on the same images."""
    lists = (store.load_json(key, "images")["train"] for key in keys)  # read one by one
    seen = ({image["id"] for image in images} for images in lists)
    return all(a == b for a, b in itertools.pairwise(seen))


def _identical(store: Store, places: Iterable[Place]) -> list[str]:
    """Return the names of the places whose cells gave shared images the same scores."""
    found = []
    for name, keys in places:
        scores = (_scores(store, key) for key in keys)  # read one by one: most differ at once
        if all(_agree(a, b) for a, b in itertools.pairwise(scores)):
            found.append(name)
    return found


def _scores(store: Store, key: str) -> dict[str, np.float32]:
    """Return image → score of a finished cell's test images."""
    images = store.load_json(key, "images")["test"]
    scores = store.load_arrays(key, "scores")["test_scores"]
    return {image["id"]: score for image, score in zip(images, scores, strict=True)}


def _agree(a: dict[str, np.float32], b: dict[str, np.float32]) -> bool:
    """Say whether two seeds gave all images that they share the same scores."""
    shared = a.keys() & b.keys()
    telling = len(shared) >= COMMON and len({a[image] for image in shared}) > 1
    return telling and all(a[image] == b[image] for image in shared)


def _line(method: str, places: list[str]) -> str:
    more = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
    return (
        f"{method}: all seeds gave the test images they share exactly the same scores at "
        f"{', '.join(places[:SHOWN])}{more}; its deviation over seeds is not that of training "
        "again: nothing was drawn (a class that never draws says deterministic = True), or the "
        "seed is ignored"
    )
