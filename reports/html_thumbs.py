"""Thumbnails of the images that a model judges worst and best, within what a page can carry.

The pixels of a test image are the same at every level, for every seed and method: a page holds each
image once, known by the hash of its file, and every result names those that it judged.
"""

from __future__ import annotations

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..tables.model import TableModel
from ..tables.runs import Run, Status
from .context import ReportContext
from .html_maps import overlays

if TYPE_CHECKING:
    import numpy as np

    from .evidence import Evidence, EvidenceSource

    Sides = tuple[list[int], list[int]]

PIXELS = 80
EACH = 4
# Of base64 text and the lists that name it; of it at most so much for maps. With numbers, drawings
# and downloads the page stays below 10 MB.
BUDGET = 6_000_000
MAPS_BUDGET = 1_500_000
# At 80 pixels half the size of a JPEG of equal looks, which carries its tables in every file.
_FORMAT, _QUALITY = "webp", 60


@dataclass(slots=True)
class Thumbs:
    """Thumbnails of a page.

    Attributes
    ----------
    of
        Index of the run in the model → ``worst`` and ``best``: of each image its index in
        ``images``, its score, whether that is above the threshold, and its index in ``maps`` where
        it has one; ``threshold`` as text, empty where there is none.
    images
        Index in ``pictures`` and name of each image.
    pictures
        ``data:`` addresses, each once.
    maps
        ``data:`` addresses of anomaly maps to lie over an image.
    note
        Which results have no images, and why.
    size
        Characters of all this on the page.
    """

    of: dict[int, dict[str, Any]] = field(default_factory=dict)
    images: list[list[Any]] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    maps: list[str] = field(default_factory=list)
    note: str = ""
    size: int = 0


def thumbs_of(model: TableModel, context: ReportContext) -> Thumbs:
    """Make the thumbnails of a page.

    Every finished run has up to `EACH` images that are judged worst, and as many that are judged
    best, of `PIXELS` a side, as far as `BUDGET` reaches: the first seed of every method, category
    and level before any second one. Maps follow in the same order, where runs kept them.
    """
    shelf = _Shelf()
    if context.evidence is None:
        shelf.page.note = "This page was made without images, so that it shows none."
        return shelf.page
    absent, beyond, mapped = 0, [], []
    for place, run in _in_order(model):
        evidence = context.evidence(run.key)
        sides = ranked(evidence) if evidence is not None else ([], [])
        made = shelf.lacking(evidence, sides) if evidence is not None else None
        if evidence is None or made is None:
            absent += 1
        elif not shelf.add(place, evidence, sides, made):
            beyond.append(run)
        elif evidence.maps_NHW is not None:
            mapped.append(place)
    fit = _add_maps(shelf.page, model, context.evidence, mapped)
    without = [model.runs[place] for place in mapped[fit:]]
    shelf.page.note = _note(len(shelf.page.of), absent, beyond, without)
    return shelf.page


def _in_order(model: TableModel) -> list[tuple[int, Run]]:
    """Return finished runs with their index: the first seed of all places before second ones."""
    turn: Counter[tuple[str, str, str, float]] = Counter()
    order = []
    for index, run in sorted(enumerate(model.runs), key=lambda item: (item[1].seed, item[0])):
        if run.status is Status.DONE and run.key:
            place = (run.method, run.dataset, run.category, run.noise)
            order.append((turn[place], index))
            turn[place] += 1
    return [(index, model.runs[index]) for _, index in sorted(order)]


class _Shelf:
    """Thumbnails of a page in the making, and which images and names it has."""

    def __init__(self) -> None:
        self.page = Thumbs()
        self._pictures: dict[str, int] = {}
        self._images: dict[tuple[str, str], int] = {}

    def lacking(self, evidence: Evidence, sides: Sides) -> dict[str, str] | None:
        """Return the pictures that the page lacks, by hash; None where any is not at hand."""
        made: dict[str, str] = {}
        for index in (*sides[0], *sides[1]):
            name = evidence.hashes[index]
            if name not in self._pictures and name not in made:
                pixels = evidence.image(index)
                if pixels is None:
                    return None
                made[name] = _uri(pixels)
        return made

    def add(self, place: int, evidence: Evidence, sides: Sides, made: Mapping[str, str]) -> bool:
        """Put the images of a run on the page; say whether they fit."""
        page = self.page
        threshold = "" if evidence.threshold is None else f"{evidence.threshold:.4g}"
        images = {i: (evidence.hashes[i], _name(evidence, i)) for side in sides for i in side}
        # Of an entry of a run and of an image, with their brackets, digits and commas.
        more = 60 + 24 * len(images) + sum(len(uri) + 3 for uri in made.values())
        more += sum(len(name) + 16 for _, name in {*images.values()} - self._images.keys())
        if page.size + more > BUDGET:
            return False
        page.size += more
        for name, uri in made.items():
            self._pictures[name] = len(page.pictures)
            page.pictures.append(uri)
        for image in images.values():
            if image not in self._images:
                self._images[image] = len(page.images)
                page.images.append([self._pictures[image[0]], image[1]])
        page.of[place] = {"threshold": threshold} | {
            kind: [[self._images[images[i]], *_judged(evidence, i)] for i in side]
            for kind, side in zip(("worst", "best"), sides, strict=True)
        }
        return True


def _add_maps(page: Thumbs, model: TableModel, source: EvidenceSource, mapped: list[int]) -> int:
    """Put maps over the images of runs that kept them; return how many of them fit."""
    room = min(BUDGET - page.size, MAPS_BUDGET)
    for position, place in enumerate(mapped):
        evidence = source(model.runs[place].key)
        if evidence is None:
            continue
        worst, best = ranked(evidence)
        made = overlays(evidence, (*worst, *best))
        more = sum(len(uri) + 10 for uri in made)
        if more > room:
            return position
        room -= more
        page.size += more
        lines = [*page.of[place]["worst"], *page.of[place]["best"]]
        # A run whose maps cannot be measured has none.
        for line, uri in zip(lines, made, strict=False):
            line.append(len(page.maps))
            page.maps.append(uri)
    return len(mapped)


def _note(shown: int, absent: int, beyond: Sequence[Run], without: Sequence[Run]) -> str:
    """Say which results have no images, and which no maps."""
    total = shown + absent + len(beyond)
    parts = []
    if absent:
        parts.append(
            f"The images of {'all' if absent == total else f'{absent:,} of'} {total:,} finished"
            " results are not at hand, or are other than those judged; --data-root names their"
            " folder."
        )
    for what, runs in (("images", beyond), ("anomaly maps over the images", without)):
        seeds = Counter(run.seed for run in runs)
        which = ", ".join(f"{count:,} of seed {seed}" for seed, count in sorted(seeds.items()))
        if runs:
            parts.append(
                f"To keep the page below 10 MB the {what} of {len(runs):,} of {total:,} finished"
                f" results are left out: {which}."
            )
    return " ".join(parts)


def ranked(evidence: Evidence) -> tuple[list[int], list[int]]:
    """Return the images that are judged worst and those that are judged best.

    Worst are those that most images of the other kind outrank: of an anomalous image the share of
    nominal ones with at least its score, of a nominal one the share of anomalous ones with at most
    its score; none where every image is on its side of all others. Best are the anomalous images
    with the highest and the nominal ones with the lowest scores, half of each.
    """
    import numpy as np

    labels, scores = evidence.labels_N, evidence.scores_N
    anomalous, nominal = np.sort(scores[labels]), np.sort(scores[~labels])
    if not len(anomalous) or not len(nominal):
        return [], []
    above = 1 - np.searchsorted(nominal, scores, side="left") / len(nominal)
    below = np.searchsorted(anomalous, scores, side="right") / len(anomalous)
    wrong = np.where(labels, above, below)
    order = sorted(range(len(scores)), key=lambda i: (-wrong[i], evidence.ids[i]))
    worst = [index for index in order if wrong[index] > 0][:EACH]
    half = EACH // 2
    high = sorted(np.flatnonzero(labels), key=lambda i: (-scores[i], evidence.ids[i]))[:half]
    low = sorted(np.flatnonzero(~labels), key=lambda i: (scores[i], evidence.ids[i]))[:half]
    return worst, [int(i) for i in (*high, *low) if i not in worst]


def _name(evidence: Evidence, index: int) -> str:
    label = "anomalous" if evidence.labels_N[index] else "nominal"
    return f"{label}, {'/'.join(evidence.ids[index].split('/')[-2:])}"


def _judged(evidence: Evidence, index: int) -> list[Any]:
    """Return the score of an image, and 1 where it is above the threshold."""
    score = float(evidence.scores_N[index])
    above = evidence.threshold is not None and score > evidence.threshold
    return [f"{score:.4g}", int(above)]


def _uri(pixels: np.ndarray) -> str:
    from PIL import Image

    image = Image.fromarray(pixels).resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format=_FORMAT, quality=_QUALITY, method=4)
    return f"data:image/{_FORMAT};base64,{base64.b64encode(buffer.getvalue()).decode()}"
