"""Compare two files of figures: how each ratio drifted.

    python tests/benchmarks/compare.py [OLD NEW] [--fall PERCENT]

Without files the newest two of ``tests/benchmarks/results`` are taken, by the order of their
commits in the history (`git rev-list`), files of other commits by their date before them. Exit
code 1 if a ratio fell by more than ``--fall`` (20) percent, a result that agreed differs, or a
line that was measured is gone or unmeasured; 2 if there are no two files to compare. Ratios, not
seconds, are compared: both sides of a line ran on one machine, so that two machines can be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
FALL = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """One line of both files: ratios before and after (None where unmeasured), and the verdict."""

    what: str
    peer: str
    old: float | None
    new: float | None
    bad: bool
    remark: str

    @property
    def change(self) -> float | None:
        """Change of the ratio in percent; negative = slower beside the peer."""
        return None if not self.old or self.new is None else 100 * (self.new / self.old - 1)


def drifts(old: dict[str, Any], new: dict[str, Any], fall: float = FALL) -> list[Drift]:
    """Match lines by benchmark, text and peer, and judge each; lines of either file count."""
    before, after = ({key(row): row for row in file["rows"]} for file in (old, new))
    return [judge(name, before.get(name), after.get(name), fall) for name in before | after]


def key(row: dict[str, Any]) -> tuple[str, str, str]:
    """Return what a line is known by."""
    return row["bench"], row["what"], row["peer"]


def judge(
    name: tuple[str, str, str],
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    fall: float,
) -> Drift:
    """Compare one line."""
    was, now = (None if row is None else row["ratio"] for row in (old, new))
    bad, remark = False, ""
    if old is None:
        remark = "new"
    elif new is None:
        bad, remark = was is not None, "gone"
    elif was is not None and now is None:
        bad, remark = True, f"not measured: {new['note']}".rstrip(": ")
    elif was is not None and now is not None and now < was * (1 - fall / 100):
        bad, remark = True, f"fell by more than {fall:g} %"
    if old and new and old["agrees"] is not False and new["agrees"] is False:
        bad, remark = True, "results differ now"
    if old and new and old["reached"] is True and new["reached"] is False and not bad:
        remark = "goal missed now"
        bad = new["ratio"] is None  # a script's own goals; a ratio may still be within its drift
    return Drift(what=name[1], peer=name[2], old=was, new=now, bad=bad, remark=remark)


def newest_two(folder: Path) -> list[Path]:
    """Return the two newest files, older first, by the order of their commits.

    Parameters
    ----------
    folder
        Where the files are; also inside the repository whose history counts.
    """
    listed = subprocess.run(
        ["git", "rev-list", "--topo-order", "--reverse", "HEAD"],
        cwd=folder, capture_output=True, text=True, check=False,
    ).stdout.split()  # fmt: skip
    places = {name: place for place, name in enumerate(listed)}

    def order(path: Path) -> tuple[int, str]:
        kept = json.loads(path.read_text())
        commit = kept["commit"]
        clean = commit.rstrip("+")
        place = next((places[full] for full in listed if full.startswith(clean)), -1)
        # Files that differ from their commit come after it, before the next one.
        return 2 * place + commit.endswith("+"), kept["date"]

    return sorted(folder.glob("*.json"), key=order)[-2:]


def print_drifts(found: list[Drift], old: dict[str, Any], new: dict[str, Any]) -> None:
    """Print one line per drift."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Ratios at {old['commit']} and {new['commit']}", pad_edge=False)
    table.add_column("what", overflow="fold")
    table.add_column("peer", overflow="fold")
    for column in ("old", "new", "drift"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", overflow="fold")
    for one in found:
        ratios = ("–" if ratio is None else f"{ratio:.2f}" for ratio in (one.old, one.new))
        change = "–" if one.change is None else f"{one.change:+.0f} %"
        table.add_row(one.what, one.peer, *ratios, change, one.remark)
    console = Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False)
    console.print(table)
    for name in ("processor", "threads"):
        if old["machine"][name] != new["machine"][name]:
            console.print(f"{name}: {old['machine'][name]} then, {new['machine'][name]} now")


def main(arguments: list[str] | None = None) -> int:
    """Compare and print; return the exit code."""
    parser = argparse.ArgumentParser(description="Show how the benchmarks' ratios drifted.")
    parser.add_argument("files", nargs="*", type=Path, metavar="OLD NEW")
    parser.add_argument("--fall", type=float, default=FALL, help="percent that a ratio may fall")
    given = parser.parse_args(arguments)
    files = given.files or (newest_two(RESULTS) if RESULTS.is_dir() else [])
    if len(files) != 2:
        have = f"{len(files)} given" if given.files else f"{len(files)} in {RESULTS}"
        print(f"two files of figures are needed, {have}; run `make bench`", file=sys.stderr)
        return 2
    old, new = (json.loads(path.read_text()) for path in files)
    found = drifts(old, new, given.fall)
    print_drifts(found, old, new)
    return int(any(one.bad for one in found))


if __name__ == "__main__":
    sys.exit(main())
