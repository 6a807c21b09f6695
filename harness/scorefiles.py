"""One cell's scores from a file: NPZ, or CSV with maps as NPY or PNG files beside it.

NPZ     ``image_ids`` (text ``[N]``), ``scores`` (numbers ``[N]``), optional ``maps`` (numbers
        ``[N, h, w]``), optional ``train_ids`` and ``train_scores``.
CSV     columns ``image_id,score`` and, in any order, optional ``map``, the path of an NPY (numbers)
        or PNG file (8 or 16 bit grey, taken as 0 to 1) from the CSV's folder, and ``split``, which
        is ``test`` (also when left empty) or ``train``.

Higher scores are more anomalous, maps too; a map covers the whole image at any resolution up to the
evaluated one. Ids are the project's own, paths below the dataset's folder; the extension may be
left out where that leaves no doubt. An id that is not in the cell is ignored and counted.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ..datasets.errors import CellError
from .npz import npz_names, read_npz
from .scoremaps import read_maps
from .task import Sample

SUFFIXES = (".npz", ".csv")
COLUMNS = ("image_id", "split", "score", "map")
# RuntimeError: encrypted archives, and kinds of compression that zipfile does not know.
UNREADABLE = (
    OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error, csv.Error
)  # fmt: skip
ARRAYS = ("image_ids", "scores", "maps", "train_ids", "train_scores")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Scores of one split as a file lists them.

    Attributes
    ----------
    ids
        As given.
    scores
        ``float64 [N]``: what was computed elsewhere is not rounded here.
    maps
        ``[N, h, w]``, or one file (None where the field is empty) per id; None = no maps at all.
    """

    ids: tuple[str, ...]
    scores: np.ndarray
    maps: np.ndarray | tuple[Path | None, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellScores:
    """A cell's scores in the order of its images.

    Attributes
    ----------
    test
        ``float64 [N]``.
    maps
        ``float32 [N, h, w]``, or None.
    train
        ``float64 [M]``; empty where the file has none.
    warnings
        What is allowed but should be known, a line each.
    """

    test: np.ndarray
    maps: np.ndarray | None
    train: np.ndarray
    warnings: tuple[str, ...]


def digest(path: Path) -> tuple[str, bool]:
    """Hash a score file with the map files it names; say whether it has maps.

    Its own path does not enter. What cannot be read counts as empty: reading it for its cell will
    say what is wrong.

    Returns
    -------
    tuple
        Hexadecimal sha256, and whether there are maps.
    """
    data = _bytes(path)
    whole = hashlib.sha256(hashlib.sha256(data).digest())
    if path.suffix == ".npz":
        try:
            names = zipfile.ZipFile(io.BytesIO(data)).namelist()
        except UNREADABLE:
            names = []
        return whole.hexdigest(), "maps.npy" in names
    try:
        rows = list(_reader(data.decode("utf-8-sig", errors="replace")))
    except UNREADABLE:
        rows = []
    maps = [path.parent / text for row in rows if (text := _field(row, "map"))]
    for each in maps:
        whole.update(hashlib.sha256(_bytes(each)).digest())
    return whole.hexdigest(), bool(maps)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError):  # no path at all, such as one with a NUL in it, is the latter
        return b""


def _reader(text: str) -> csv.DictReader[str]:
    """Read CSV with any line ends; hashing and reading must see the same rows."""
    return csv.DictReader(io.StringIO(text, newline=None))


def _field(row: dict[str, Any], name: str) -> str:
    return (row.get(name) or "").strip()


def read_scores(path: Path, train: Sequence[Sample], test: Sequence[Sample]) -> CellScores:
    """Read a score file for a cell's images.

    Raises
    ------
    CellError
        A file that cannot be read, an image without a score or with two, a score or map that is
        not finite, or maps that do not fit each other; one line.
    """
    with _reasons():
        listed, trained = _read_npz(path) if path.suffix == ".npz" else _read_csv(path)
    order, warnings = _matched(listed, test, "test")
    scores = _finite(listed.scores[order], test, "score")
    maps = _maps(listed, order, test)
    train_scores = np.empty(0)
    if trained is not None:
        train_order, more = _matched(trained, train, "training")
        train_scores = _finite(trained.scores[train_order], train, "score")
        warnings += more
    if len(scores) > 1 and np.ptp(scores) == 0:
        warnings.append(f"all {len(scores)} image scores are equal ({scores[0]:g})")
    if maps is not None and len(maps) > 1 and np.ptp(maps) == 0:
        warnings.append("all anomaly maps are constant")
    return CellScores(test=scores, maps=maps, train=train_scores, warnings=tuple(warnings))


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Turn whatever the readers of NumPy, ZIP and CSV files raise into one line."""
    try:
        yield
    except UNREADABLE as err:
        reason = getattr(err, "strerror", None) or " ".join(str(err).split())
        raise CellError(f"cannot be read ({reason:.120}); expected an .npz or .csv file") from err


def _read_npz(path: Path) -> tuple[Listed, Listed | None]:
    if not zipfile.is_zipfile(path):
        raise CellError("is no NPZ archive; expected what numpy.savez writes")
    names = npz_names(path)
    unknown = [name for name in names if name not in ARRAYS]
    missing = [name for name in ARRAYS[:2] if name not in names]
    if unknown or missing:
        said = f"array '{unknown[0]:.40}' is unknown" if unknown else f"no array '{missing[0]}'"
        raise CellError(f"{said}; expected image_ids, scores and maybe {', '.join(ARRAYS[2:])}")
    if ("train_ids" in names) != ("train_scores" in names):
        raise CellError("train_ids without train_scores or the reverse; expected both or none")
    arrays = read_npz(path, ARRAYS)
    test = _of_arrays(arrays, "image_ids", "scores")
    maps = arrays.get("maps")
    if maps is not None and (
        maps.ndim != 3
        or len(maps) != len(test.ids)
        or not maps.size
        or maps.dtype.kind not in "fiu"
    ):
        raise CellError(
            f"maps is {maps.dtype} {list(maps.shape)}; expected numbers [{len(test.ids)}, h, w]"
        )
    train = _of_arrays(arrays, "train_ids", "train_scores") if "train_ids" in arrays else None
    return Listed(ids=test.ids, scores=test.scores, maps=maps), train


def _of_arrays(arrays: dict[str, np.ndarray], ids: str, scores: str) -> Listed:
    names, values = arrays[ids], arrays[scores]
    if names.ndim != 1 or names.dtype.kind != "U":
        raise CellError(f"{ids} is {names.dtype} {list(names.shape)}; expected text [N]")
    if values.shape != names.shape or values.dtype.kind not in "fiu":
        raise CellError(
            f"{scores} is {values.dtype} {list(values.shape)}; expected numbers [{len(names)}]"
        )
    return Listed(ids=tuple(map(str, names)), scores=values.astype(np.float64))


def _read_csv(path: Path) -> tuple[Listed, Listed | None]:
    reader = _reader(path.read_text(encoding="utf-8-sig"))
    columns = tuple(reader.fieldnames or ())
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown or not {"image_id", "score"} <= set(columns) or len(set(columns)) < len(columns):
        raise CellError(
            f"columns {','.join(columns) or '(none)'}; expected image_id,score and maybe map,split"
        )
    rows: dict[str, list[tuple[str, float, Path | None]]] = {"test": [], "train": []}
    unfilled: list[int] = []  # training lines as the template wrote them: no scores at all is fine
    for row in reader:
        line, split = reader.line_num, _field(row, "split") or "test"
        if split not in rows or None in row:
            said = f"split '{split}'" if split not in rows else "more fields than columns"
            raise CellError(f"line {line}: {said}; expected test or train in the column split")
        file = _field(row, "map")
        score = _field(row, "score")
        if split == "train" and not score:
            unfilled.append(line)
            continue
        rows[split].append(
            (_field(row, "image_id"), _number(score, line), path.parent / file if file else None)
        )
    if rows["train"] and unfilled:
        _number("", unfilled[0])
    test, train = (_of_rows(rows[split]) for split in ("test", "train"))
    return test, train if rows["train"] else None


def _number(text: str, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        said = f"score '{text}'" if text else "an empty score"
        raise CellError(f"line {line}: {said}; expected a number, higher = anomalous") from None


def _of_rows(rows: Sequence[tuple[str, float, Path | None]]) -> Listed:
    maps = tuple(file for _, _, file in rows)
    return Listed(
        ids=tuple(name for name, _, _ in rows),
        scores=np.array([score for _, score, _ in rows], dtype=np.float64),
        maps=maps if any(maps) else None,
    )


def _matched(listed: Listed, samples: Sequence[Sample], kind: str) -> tuple[np.ndarray, list[str]]:
    """Return for each image its place in the file, and what to warn of."""
    stems = Counter(_stem(sample.id) for sample in samples)
    names = {_stem(sample.id): i for i, sample in enumerate(samples)}
    names |= {sample.id: i for i, sample in enumerate(samples)}
    exact = {sample.id for sample in samples}
    order = np.full(len(samples), -1, dtype=np.intp)
    foreign: list[str] = []
    for place, name in enumerate(listed.ids):
        index = names.get(name)
        if index is None:
            foreign.append(name)
        elif name not in exact and stems[name] > 1:
            raise CellError(f"id {name} means {stems[name]} {kind} images; add its extension")
        elif order[index] >= 0:
            raise CellError(f"two scores for {samples[index].id}; expected one per {kind} image")
        else:
            order[index] = place
    lacking = [sample.id for sample, place in zip(samples, order, strict=True) if place < 0]
    if lacking:
        hint = f" (ids there look like {foreign[0]})" if foreign else ""
        raise CellError(
            f"no score for {len(lacking)} of {len(samples)} {kind} images, first {lacking[0]}"
            f"{hint}; expected all, `reproduce scores template` lists them"
        )
    ignored = f"{len(foreign)} ids that are not among the {kind} images ignored"
    return order, [f"{ignored}, first {foreign[0]}"] if foreign else []


def _stem(name: str) -> str:
    return str(PurePosixPath(name).with_suffix(""))


def _finite(values: np.ndarray, samples: Sequence[Sample], what: str) -> np.ndarray:
    """Return values of any shape per image; refuse what is not finite, naming the first image."""
    bad = ~np.isfinite(values).reshape(len(samples), -1).all(axis=1)
    if bad.any():
        first = samples[int(np.argmax(bad))].id
        raise CellError(
            f"{what} of {first} is not finite ({int(bad.sum())} such images); "
            "expected a finite number everywhere"
        )
    return values


def _maps(listed: Listed, order: np.ndarray, samples: Sequence[Sample]) -> np.ndarray | None:
    """Return the maps of these images as ``float32 [N, h, w]``, or None."""
    if listed.maps is None:
        return None
    if isinstance(listed.maps, np.ndarray):
        chosen = listed.maps[order]
    else:
        chosen = np.stack(list(read_maps([listed.maps[i] for i in order], samples)))
    # What float32 cannot hold becomes infinite, and is refused.
    with np.errstate(over="ignore"):
        narrow = chosen.astype(np.float32)
    return _finite(narrow, samples, "map")
