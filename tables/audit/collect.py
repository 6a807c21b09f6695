"""The ledger of a paper, from the targets that its folder holds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..layout import ALL_ANOMALOUS, Line
from ..spec import ReportedNumber, RunSpec, Target
from .ledger import Ledger, Misread, NamedRow, Printed, make_ledger


def ledger_of(targets: Iterable[Target]) -> Ledger:
    """Return the ledger of a paper's targets."""
    entries: list[Printed] = []
    misread: list[Misread] = []
    rows: list[NamedRow] = []
    titles: dict[str, str] = {}
    known: dict[str, tuple[frozenset[str], frozenset[str]]] = {}
    for target in targets:
        titles |= dict(target.paper.methods) if target.paper else {}
        lines = _Lines(target)
        known[target.name] = lines.ids
        rows += lines.named_rows()
        entries += map(lines.printed, target.numbers)
        for cell in target.misprints:
            at = lines.at(cell.block, cell.row, cell.column)
            misread.append(Misread(target.name, _label(at), cell.text))
    ledger = make_ledger(entries, titles=titles, misread=misread)
    return replace(ledger, lines=known, rows=tuple(rows))


class _Lines:
    """Blocks, rows and columns of one target by id."""

    def __init__(self, target: Target) -> None:
        named = (*target.run.methods, ALL_ANOMALOUS, *(n.method for n in target.numbers))
        self.target = target
        self.grid = target.arranged(tuple(dict.fromkeys(name for name in named if name)))
        self.lines = [
            {line.id: line for line in lines}
            for lines in (self.grid.blocks, self.grid.rows, self.grid.columns)
        ]

    @property
    def ids(self) -> tuple[frozenset[str], frozenset[str]]:
        """Ids of all rows and of all columns."""
        return frozenset(self.lines[1]), frozenset(self.lines[2])

    def at(self, block: str, row: str, column: str) -> tuple[Line, Line, Line]:
        blocks, rows, columns = self.lines
        return blocks[block], rows[row], columns[column]

    def named_rows(self) -> Iterable[NamedRow]:
        """Return the rows that are a single category each, with their printed names."""
        for line in self.lines[1].values():
            at = self.grid.at.under(line.at)
            if at.dataset and at.category:
                yield NamedRow(
                    table=self.target.name,
                    name=line.printed or line.label,
                    category=(at.dataset, at.category),
                    beside=(at.method, at.noise, at.cell),
                    misnamed=bool(line.printed),
                )

    def printed(self, number: ReportedNumber) -> Printed:
        lines = self.at(number.block, number.row, number.column)
        place = self.grid.place(*lines)
        run = self.target.run
        return Printed(
            table=self.target.name,
            block=number.block,
            row=number.row,
            column=number.column,
            label=_label(lines),
            method=number.method,
            metric=number.metric,
            categories=run.categories(place),
            average=_average_name(place.average_of or "", run),
            noise=place.noise,
            text=f"{number.value:f}",
            bold=number.bold,
            runs=run.paper_seeds or run.seeds,
        )


def _label(lines: tuple[Line, Line, Line]) -> str:
    """Say a place in words; a row with another printed name says both."""
    block, row, column = lines
    name = f"{row.label} (printed {row.printed})" if row.printed else row.label
    return ", ".join(word for word in (block.label, name, column.label) if word)


def _average_name(average_of: str, run: RunSpec) -> str:
    """Return the name of an average: ``"all"`` for a whole dataset, else that of its group."""
    return "all" if average_of in {data.name for data in run.datasets} else average_of
