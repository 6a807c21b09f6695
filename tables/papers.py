"""Published tables, read from ``papers/<paper>/<target>.toml`` and the CSV file it names.

A paper is a folder with ``paper.toml`` and, for each target, a TOML file (what to run, the layout)
and a CSV file (every number as printed). Folders of the user's own are named by ``--papers DIR``:
a folder of papers, or one paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..datasets.errors import SpecError, UnknownNameError, UsageError
from .reported import read_numbers
from .schema import PAPER, TARGET
from .spec import (
    DEFAULT_PAPER,
    BoldRule,
    DatasetSpec,
    Layout,
    Paper,
    RowSpec,
    RunSpec,
    Target,
    Tolerance,
    parse_pattern,
)
from .tomlcheck import Lines, nearest, read_toml

__all__ = ["DEFAULT_PAPER", "list_targets", "load_target"]


_BUILT_IN = Path(__file__).resolve().parent / "papers"
_PAPER_FILE = "paper.toml"


def list_targets(papers_dirs: Iterable[Path | str] = ()) -> tuple[str, ...]:
    """List all targets as ``"<paper>/<target>"``, built-in and in the user's folders, sorted.

    Raises
    ------
    SpecError
        A folder that does not exist or holds no paper.
    UsageError
        Two folders with a paper of the same name.
    """
    return tuple(sorted(_find(papers_dirs)))


def load_target(name: str, papers_dirs: Iterable[Path | str] = ()) -> Target:
    """Load a target with its paper and its reported numbers.

    Parameters
    ----------
    name
        ``"<paper>/<target>"``; without a paper, the one of `DEFAULT_PAPER`, else the only paper
        that has it.
    papers_dirs
        The user's folders.

    Raises
    ------
    UnknownNameError
        No such target.
    SpecError
        Its files say something impossible; the message has file and line.
    """
    files = _find(papers_dirs)
    full = _full_name(name, files)
    path = files[full]
    paper = _load_paper(path.parent)
    document = read_toml(path, TARGET)
    at = Lines(path)
    run, layout = _run(document["run"]), _layout(document["layout"], at)
    _check_rows(run, layout, at)
    return Target(
        name=full,
        title=document["title"],
        caption=document["caption"],
        run=run,
        layout=layout,
        paper=paper,
        reported_method=document["reported_method"],
        numbers=read_numbers(path, document["reported"], run, layout, at),
        tolerance=Tolerance(**document["tolerance"]) if "tolerance" in document else None,
        readings=tuple(document.get("readings", ())),
    )


def _find(papers_dirs: Iterable[Path | str]) -> dict[str, Path]:
    folders: dict[str, Path] = {}
    for base in (_BUILT_IN, *map(Path, papers_dirs)):
        own = [base] if (base / _PAPER_FILE).is_file() else []
        below = sorted(base.iterdir()) if base.is_dir() and not own else []
        papers = own or [p for p in below if (p / _PAPER_FILE).is_file()]
        if not papers:
            message = f"no paper here: expected {_PAPER_FILE}, in it or in a folder below"
            raise SpecError(base, None, message)
        for folder in papers:
            name = folder.resolve().name
            other = folders.setdefault(name, folder)
            if other.resolve() != folder.resolve():
                raise UsageError(f"two papers named '{name}', {other} and {folder}: rename one")
    return {
        f"{name}/{file.stem}": file
        for name, folder in folders.items()
        for file in sorted(folder.glob("*.toml"))
        if file.name != _PAPER_FILE
    }


def _full_name(name: str, files: Mapping[str, Path]) -> str:
    if name in files:
        return name
    default = f"{DEFAULT_PAPER}/{name}"
    if default in files:
        return default
    found = [full for full in files if full.partition("/")[2] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"'{name}' is a target of several papers: say {' or '.join(found)}")
    raise UnknownNameError("target", name, files)


def _load_paper(folder: Path) -> Paper:
    document = read_toml(folder / _PAPER_FILE, PAPER)
    return Paper(
        name=folder.resolve().name,
        title=document["title"],
        short=document["short"],
        authors=tuple(document.get("authors", ())),
        arxiv=document.get("arxiv"),
        notes=tuple(document.get("notes", ())),
        methods=dict(document.get("methods", {})),
    )


def _run(table: Mapping[str, Any]) -> RunSpec:
    datasets = tuple(
        DatasetSpec(
            name=item["name"],
            categories=tuple(item["categories"]),
            synthetic=item.get("synthetic"),
        )
        for item in table["datasets"]
    )
    return RunSpec(
        datasets=datasets,
        methods=tuple(table["methods"]),
        noise=tuple(float(level) for level in table["noise"]),
        seeds=table["seeds"],
        protocol=table["protocol"],
        evaluation=table["evaluation"],
        image_size=table.get("image_size"),
        paper_seeds=table["seeds"],
    )


def _layout(table: Mapping[str, Any], at: Lines) -> Layout:
    try:
        parse_pattern(table["cell"])
    except ValueError as err:
        raise at.error(f"'layout.cell': {err}", "layout", "cell") from err
    if table["column_label"].count("{}") != 1 or table["column_label"].count("{") != 1:
        message = f"'layout.column_label' is '{table['column_label']}', expected one {{}} in it"
        raise at.error(message, "layout", "column_label")
    return Layout(
        label=table["label"],
        rows=tuple(RowSpec(**row) for row in table["rows"]),
        row_header=table["row_header"],
        column_header=table["column_header"],
        column_label=table["column_label"],
        cell=table["cell"],
        cell_header=table["cell_header"],
        bold=BoldRule(table["bold"]),
        curve=tuple(table.get("curve", ())),
    )


def _check_rows(run: RunSpec, layout: Layout, at: Lines) -> None:
    """Refuse rows that no cell of the run can fill, and names that stand twice."""
    for key, values in (("noise", run.noise), ("methods", run.methods)):
        if len(set(values)) < len(values) or not values:
            raise at.error(f"'run.{key}' is empty or holds a value twice", "run", key)
    known = {data.name: data.categories for data in run.datasets}
    if len(known) < len(run.datasets):
        raise at.error("'run.datasets' holds a name twice", "run", "datasets")
    seen: set[str] = set()
    for index, row in enumerate(layout.rows):
        where = ("layout", "rows", index)
        if row.id in seen:
            raise at.error(f"row id '{row.id}' stands twice", *where, "id")
        seen.add(row.id)
        own = row.dataset is not None and row.category is not None
        if own == (row.average_of is not None) or (row.dataset is None) != (row.category is None):
            message = f"row '{row.id}': expected dataset and category, or average_of"
            raise at.error(message, *where)
        dataset = row.average_of or row.dataset or ""
        if dataset not in known:
            key = "average_of" if row.average_of else "dataset"
            hint = nearest(dataset, known)
            raise at.error(f"row '{row.id}' names dataset '{dataset}': {hint}", *where, key)
        if row.category is not None and row.category not in known[dataset]:
            hint = nearest(row.category, known[dataset])
            message = f"row '{row.id}' names category '{row.category}' of {dataset}: {hint}"
            raise at.error(message, *where, "category")
    for name in layout.curve:
        if name not in seen:
            raise at.error(
                f"'layout.curve' names '{name}': {nearest(name, seen)}", "layout", "curve"
            )
