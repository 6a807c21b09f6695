"""Thumbnails of the images that a model judges worst and best, within what a page can carry."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..tables.formatting import level
from ..tables.model import TableModel
from ..tables.runs import Run, Status
from .context import ReportContext

if TYPE_CHECKING:
    import numpy as np

    from .evidence import Evidence

PIXELS = 96
EACH = 4
# Of base64 text. With numbers, drawings and downloads the page stays below 10 MB.
BUDGET = 6_000_000
_QUALITY = 72


@dataclass(slots=True)
class Thumbs:
    """Thumbnails of a page.

    Attributes
    ----------
    of
        Index of the run in the model → ``worst`` and ``best``: of each image its index in
        ``images``, and its caption.
    images
        ``data:`` addresses, each once.
    note
        Which cells have thumbnails, and why others have none.
    """

    of: dict[int, dict[str, list[Any]]] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    note: str = ""


def thumbs_of(model: TableModel, context: ReportContext) -> Thumbs:
    """Make the thumbnails of a page.

    Per method and category the first finished seed at the lowest and at the highest level has up
    to `EACH` images that are judged worst, and as many that are judged best, of `PIXELS` a side.
    """
    found = Thumbs()
    chosen = _chosen(model)
    if context.evidence is None:
        found.note = "This page was made without images, so that it shows none."
        return found
    known: dict[str, int] = {}
    absent = beyond = size = 0
    for place, run in chosen:
        evidence = context.evidence(run.key)
        shown = _shown(evidence) if evidence is not None else None
        if shown is None:
            absent += 1
            continue
        new = sum(len(uri) for _, uri, _ in shown if uri not in known)
        if size + new > BUDGET:
            beyond += 1
            continue
        size += new
        entry: dict[str, list[Any]] = {"worst": [], "best": []}
        for kind, uri, caption in shown:
            if uri not in known:
                known[uri] = len(found.images)
                found.images.append(uri)
            entry[kind].append([known[uri], caption])
        found.of[place] = entry
    found.note = _note(model, len(found.of), absent, beyond)
    return found


def _note(model: TableModel, shown: int, absent: int, beyond: int) -> str:
    ends = dict.fromkeys(f"{level(noise)}%" for noise in (*model.levels[:1], *model.levels[-1:]))
    parts = []
    if shown:
        parts.append(
            f"Images are kept for the first finished seed of each category at {' and '.join(ends)}."
        )
    if absent:
        parts.append(
            f"Of {absent} such results the images are not at hand, or are other than those judged."
        )
    if beyond:
        parts.append(f"{beyond} such results have none, to keep the page below 10 MB.")
    return " ".join(parts)


def _chosen(model: TableModel) -> list[tuple[int, Run]]:
    """Return the first finished seed of each method and category at the first and last level."""
    ends = {*model.levels[:1], *model.levels[-1:]}
    first: dict[tuple[str, str, str, float], int] = {}
    for index, run in sorted(enumerate(model.runs), key=lambda item: item[1].seed):
        if run.noise in ends and run.status is Status.DONE and run.key:
            first.setdefault((run.method, run.dataset, run.category, run.noise), index)
    return [(index, model.runs[index]) for index in sorted(first.values())]


def _shown(evidence: Evidence) -> list[tuple[str, str, str]] | None:
    """Return kind, data and caption of each thumbnail; None where any image is not at hand."""
    found = []
    worst, best = ranked(evidence)
    for kind, indices in (("worst", worst), ("best", best)):
        for index in indices:
            pixels = evidence.image(index)
            if pixels is None:
                return None
            found.append((kind, _uri(pixels), _caption(evidence, index)))
    return found


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


def _caption(evidence: Evidence, index: int) -> str:
    label = "anomalous" if evidence.labels_N[index] else "nominal"
    where = "/".join(evidence.ids[index].split("/")[-2:])
    score = float(evidence.scores_N[index])
    text = f"{label}, {where}, score {score:.3g}"
    if evidence.threshold is not None:
        side = "above" if score > evidence.threshold else "not above"
        text += f", {side} the threshold {evidence.threshold:.3g}"
    return text


def _uri(pixels: np.ndarray) -> str:
    from PIL import Image

    image = Image.fromarray(pixels).resize((PIXELS, PIXELS), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
