"""Published tables, read from ``papers/<paper>/<target>.toml`` and the CSV file it names.

A paper is a folder with ``paper.toml`` and, for each target, a TOML file (what to run, the layout)
and a CSV file (every number as printed). Folders of the user's own are named by ``--papers DIR``:
a folder of papers, or one paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..datasets.errors import SpecError, UnknownNameError, UsageError
from .claim_checks import read_checks
from .layout_file import read_layout, read_run
from .reported import read_numbers
from .schema import PAPER, TARGET
from .spec import DEFAULT_PAPER, Claim, Essential, Paper, Target, Tolerance
from .stated import read_protocols
from .tomlcheck import Lines, nearest, read_toml

__all__ = ["DEFAULT_PAPER", "list_targets", "load_target", "read_target"]


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
    return read_target(files[full], full)


def read_target(path: Path, full: str) -> Target:
    """Load the target of one file, under the given full name; its paper lies beside it.

    Raises
    ------
    SpecError
        The files say something impossible; the message has file and line.
    """
    paper = _load_paper(path.parent)
    document = read_toml(path, TARGET)
    at = Lines(path)
    run = read_run(document["run"], at)
    layout = read_layout(document["layout"], run, at)
    target = Target(
        name=full,
        title=document["title"],
        caption=document["caption"],
        run=run,
        layout=layout,
        paper=paper,
        reported_method=document.get("reported_method"),
        tolerance=Tolerance(**document["tolerance"]) if "tolerance" in document else None,
        readings=tuple(document.get("readings", ())),
        notes=tuple(document.get("notes", ())),
        essential=tuple(Essential(name) for name in document.get("essential", Essential)),
        claims=_claims(document.get("claims", ()), paper, at),
    )
    if "reported" not in document:
        return target
    numbers, misprints, blanks = read_numbers(path, document["reported"], target, at)
    return replace(target, numbers=numbers, misprints=misprints, blanks=blanks)


def _claims(names: Iterable[str], paper: Paper, at: Lines) -> tuple[Claim, ...]:
    """Look the claims of a target up in its paper, where each stands once."""
    for name in names:
        if name not in paper.claims:
            hint = nearest(name, paper.claims) if paper.claims else "expected none"
            raise at.error(f"'claims' names '{name}': {hint}", "claims")
    return tuple(paper.claims[name] for name in names)


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
    at = Lines(folder / _PAPER_FILE)
    return Paper(
        name=folder.resolve().name,
        title=document["title"],
        short=document["short"],
        authors=tuple(document.get("authors", ())),
        arxiv=document.get("arxiv"),
        notes=tuple(document.get("notes", ())),
        methods=dict(document.get("methods", {})),
        claims={
            item["id"]: Claim(
                text=item["text"],
                where=item["where"],
                checks=read_checks(item.get("checks", ()), at, "claims", index, "checks"),
            )
            for index, item in enumerate(document.get("claims", ()))
        },
        protocols=read_protocols(document.get("protocol", ()), at),
        folder=folder,
    )
