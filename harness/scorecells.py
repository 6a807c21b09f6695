"""Cells whose scores come from a file: found when planned, evaluated like every other cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..datasets.errors import CellError, UsageError
from .cell import Cell
from .evaluations import PER_IMAGE_MINMAX, STRETCHED
from .fitting import Fitted
from .scorefiles import SUFFIXES, CellScores, digest, read_scores
from .scorefolder import ScoreFolder, file_method
from .task import Task, phase

if TYPE_CHECKING:
    from ..datasets.noise import NoiseProtocol
    from .planned import PlannedCell

SOME = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFile:
    """Where a cell's scores lie.

    Attributes
    ----------
    folder
        What its ``scores.toml`` says.
    path
        The file; None where there is none to read, and ``problem`` says why.
    shown
        Its path below the folder.
    has_maps
        Whether it has maps.
    """

    folder: ScoreFolder
    path: Path | None
    shown: str = ""
    has_maps: bool = False
    problem: str = ""


def protocol_folders(protocols: Iterable[NoiseProtocol]) -> dict[str, str]:
    """Return protocol id → folder name: its bare name, with its parameters where two share it."""
    protocols = tuple(protocols)
    names = Counter(protocol.name for protocol in protocols)
    return {
        p.protocol_id: p.name if names[p.name] == 1 else re.sub(r"[/:]", "-", p.protocol_id)
        for p in protocols
    }


def file_stem(cell: Cell) -> str:
    """Return where a cell's file lies below its folder, without the ending."""
    return f"{cell.dataset}/{cell.category}/noise{cell.noise:g}/seed{cell.seed}"


def add_scores(
    cells: Sequence[PlannedCell], protocols: Iterable[NoiseProtocol], *, need_files: bool = True
) -> tuple[tuple[PlannedCell, ...], list[str]]:
    """Find the files of the cells whose scores come from some.

    Parameters
    ----------
    cells
        All cells of a plan.
    protocols
        The plan's noise protocols.
    need_files
        Whether a folder without a file for any of its cells is an error.

    Returns
    -------
    tuple
        The same cells, those with scores from files with the hash of their file in place of a
        method's source; and a line for each folder that lacks some.

    Raises
    ------
    UsageError
        A folder has a file for none of its cells.
    """
    folders = protocol_folders(protocols)
    mine = [planned for planned in cells if planned.method.scores is not None]
    alone = _alone([planned.cell for planned in mine])
    found = tuple(
        _with_file(p, folder, folders, alone) if (folder := p.method.scores) else p for p in cells
    )
    lines: list[str] = []
    for given in dict.fromkeys(p.scores.folder.given for p in found if p.scores):
        own = [p for p in found if p.scores and p.scores.folder.given == given]
        lines += _lacking(given, own, need_files)
    return found, lines


def _alone(cells: Iterable[Cell]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Return for each category that is run once the names of a file that says no more than that."""
    cells = tuple(cells)
    runs: dict[tuple[str, str], set[tuple[Any, ...]]] = {}
    for cell in cells:
        place = (cell.noise, cell.seed, cell.protocol)
        runs.setdefault((cell.dataset, cell.category), set()).add(place)
    one_dataset = len({cell.dataset for cell in cells}) == 1
    return {
        (dataset, category): (f"{dataset}/{category}", *([category] if one_dataset else []))
        for (dataset, category), places in runs.items()
        if len(places) == 1
    }


def _with_file(
    planned: PlannedCell,
    folder: ScoreFolder,
    folders: Mapping[str, str],
    alone: Mapping[tuple[str, str], tuple[str, ...]],
) -> PlannedCell:
    cell = planned.cell
    stem = file_stem(cell)
    stems = (f"{folders[cell.protocol]}/{stem}", stem)
    stems += alone.get((cell.dataset, cell.category), ())
    names = [f"{each}{suffix}" for each in stems for suffix in SUFFIXES]
    there = [name for name in names if (folder.root / name).is_file()]
    if len(there) == 1:
        path = (folder.root / there[0]).absolute()
        sha256, has_maps = digest(path)
        file = ScoreFile(folder=folder, path=path, shown=there[0], has_maps=has_maps)
    else:
        sha256, problem = "none", f"no file {stem}.csv or .npz{_too_short(folder, cell)}"
        if there:
            problem = f"{' and '.join(there)} are both for this cell; keep one"
        file = ScoreFile(folder=folder, path=None, problem=problem)
    hashes = {"images": planned.hashes["images"], "scores": sha256}
    return planned.with_hashes(hashes, scores=file)


def _too_short(folder: ScoreFolder, cell: Cell) -> str:
    """Say why a file that is named after the category alone is not taken, if there is one."""
    stems = (f"{cell.dataset}/{cell.category}", cell.category)
    names = [f"{stem}{suffix}" for stem in stems for suffix in SUFFIXES]
    short = next((name for name in names if (folder.root / name).is_file()), None)
    if short is None:
        return ""
    return f" ({short} does for a run of one noise level, seed, protocol and dataset only)"


def without_mapless(
    cells: Sequence[PlannedCell],
) -> tuple[tuple[PlannedCell, ...], tuple[str, ...]]:
    """Leave out the evaluation of maps where none of a folder's files has any.

    Where some have, a cell without stays in and fails, so that no average passes over it.

    Returns
    -------
    tuple
        The cells that are left, and the names of the folders' methods that lost some.
    """
    stretched = [p for p in cells if p.scores and p.cell.evaluation == PER_IMAGE_MINMAX]
    files: dict[str, list[ScoreFile]] = {}
    for planned in stretched:
        if planned.scores is not None and planned.scores.path is not None:
            files.setdefault(planned.method.name, []).append(planned.scores)
    names = tuple(name for name, own in files.items() if not any(file.has_maps for file in own))
    gone = {id(planned) for planned in stretched if planned.method.name in names}
    return tuple(planned for planned in cells if id(planned) not in gone), names


def _lacking(given: str, cells: Sequence[PlannedCell], need_files: bool) -> list[str]:
    """Return one line on the cells without a file."""
    files = [p.scores for p in cells if p.scores is not None]
    lost = [p for p in cells if p.scores and p.scores.path is None]
    if not lost:
        return []
    reasons = [file.problem for file in files if file.problem]
    if len(lost) == len(cells) and need_files:
        raise UsageError(
            f"method '{given}': nothing to read for any of its {len(cells)} cells, first: "
            f"{reasons[0]}; `reproduce scores template` writes the files to fill in"
        )
    names = [p.label for p in lost[:SOME]]
    more = f" and {len(lost) - SOME} more" if len(lost) > SOME else ""
    line = f"{given}: nothing to read for {len(lost)} of {len(cells)} cells, which will fail"
    return [f"{line}: {', '.join(names)}{more}; first: {reasons[0]}"]


def measure_file(task: Task, file: ScoreFile) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read a cell's scores and evaluate them; return the row and the arrays to store.

    Times and memory are None: nothing was run. So is what needs a threshold where the file has no
    scores of the training images.
    """
    from ..methods.base import Scores
    from .evaluate import evaluate, score_arrays
    from .minmax import stretched_scores

    cell = task.identity.cell
    with phase("load"):
        found = _read(task, file)
        method = file_method(file.folder)(task.settings)
    print(f"scores from {file.shown} of {file.folder.name}")
    raw = Scores(image=found.test, maps=found.maps)
    fitted = Fitted(
        method=method, train_scores=Scores(image=found.train), train_weights=None, fit_s=0.0
    )
    with phase("metrics"):
        scores = raw
        if cell.evaluation == PER_IMAGE_MINMAX:
            if raw.maps is None:
                raise CellError(
                    f"{file.shown}: no maps to normalise; expected maps in it as in others of "
                    f"{file.folder.name}, or leave --{STRETCHED} out"
                )
            scores = stretched_scores(raw, method, cell.image_size)
        row = dict(task.row) | evaluate(scores, fitted, task.train, task.test, cell)
    row["warnings"] = [*task.warnings, *found.warnings]
    arrays = {"scores": score_arrays(scores, fitted, task.train, task.test, row["threshold"])}
    if task.keep_maps and raw.maps is not None:
        arrays["maps"] = {"maps": raw.maps.astype(np.float32)}
    return row, arrays


def _read(task: Task, file: ScoreFile) -> CellScores:
    """Read a file that is what the cell's key says, or say in one line why not."""
    size = task.identity.cell.image_size
    if file.path is None:
        raise CellError(f"{file.problem}; `reproduce scores template` writes one to fill in")
    if digest(file.path)[0] != task.identity.hashes["scores"]:
        raise CellError(f"{file.shown} has changed since the run began; run the same command again")
    try:
        found = read_scores(file.path, task.train, task.test)
    except CellError as err:
        raise CellError(f"{file.shown}: {err}") from err
    if found.maps is not None and max(found.maps.shape[1:]) > size:
        height, width = found.maps.shape[1:]
        raise CellError(
            f"{file.shown}: maps of {height} × {width} pixels, evaluated at {size}; set image_size "
            f"= {max(height, width)} in scores.toml, or shrink the maps"
        )
    return found
