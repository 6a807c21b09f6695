"""Reported numbers, read from the CSV file of a target exactly as the paper prints them.

The columns are row, column, metric, value, bold and note; before them stands ``method`` where
methods have blocks, or ``block`` where the layout has blocks of its own. The metric ``cell`` stands
for a whole cell whose text is no number; a dash is the paper's sign for no number.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from ..datasets.errors import SpecError
from .layout import ALL_ANOMALOUS, Arrangement, Line, Place
from .quantities import QUANTITIES, Unit
from .spec import Blank, Misprint, ReportedNumber, Target
from .tomlcheck import Lines, nearest, read_text

_COLUMNS = ("row", "column", "metric", "value", "bold", "note")
# Instead of a quantity: the cell cannot be parted into its numbers.
WHOLE_CELL = "cell"
# What papers print where there is no number.
BLANK = ("-", "–", "—")
_PRINTED = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")


def read_numbers(
    path_of_target: Path, name: str, target: Target, at: Lines
) -> tuple[tuple[ReportedNumber, ...], tuple[Misprint, ...], tuple[Blank, ...]]:
    """Read every reported number of a target, digits as printed, every misprint and every blank.

    Parameters
    ----------
    path_of_target
        The target's TOML file.
    name
        The CSV file beside it.
    target
        The target, with whose blocks, rows, columns and metrics the numbers must agree.
    at
        Lines of the TOML file.

    Raises
    ------
    SpecError
        Missing file, wrong header, unknown name, a second number for one place, or a value that
        is not a printed number, or a misprint that is one; file:line.
    """
    if Path(name).name != name:
        message = f"'reported' is '{name}', expected the name of a file beside this one"
        raise at.error(message, "reported")
    path = path_of_target.parent / name
    if not path.is_file():
        raise at.error(f"'reported' names '{name}', which is not beside this file", "reported")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    read = _Reader(path, target)
    numbers: dict[tuple, ReportedNumber | Misprint | Blank] = {}
    try:
        head = next(reader, [])
        if tuple(head) != read.header:
            message = f"header is '{','.join(head)}', expected '{','.join(read.header)}'"
            raise SpecError(path, 1, message)
        for fields in reader:
            number = read.number(fields, reader.line_num)
            taken = number.key in numbers or number.key[:3] in numbers
            if isinstance(number, Misprint):
                taken = number.key in {key[:3] for key in numbers}
            if taken:
                place = ", ".join(fields[: len(read.header) - 3])
                raise SpecError(path, reader.line_num, f"a second number for {place}")
            numbers[number.key] = number
    except csv.Error as err:
        raise SpecError(path, reader.line_num, f"not valid CSV: {err}") from err
    found = tuple(numbers.values())
    return (
        tuple(number for number in found if isinstance(number, ReportedNumber)),
        tuple(number for number in found if isinstance(number, Misprint)),
        tuple(number for number in found if isinstance(number, Blank)),
    )


class _Reader:
    """Turns lines of one file into numbers, checked against the target's layout."""

    def __init__(self, path: Path, target: Target) -> None:
        self.path, self.layout = path, target.layout
        first = "method" if self.layout.block_per_method else "block"
        whole = not self.layout.blocks and not self.layout.block_per_method
        self.header = _COLUMNS if whole else (first, *_COLUMNS)
        methods = (*target.run.methods, ALL_ANOMALOUS)
        self.grid: Arrangement = target.arranged(methods)

    def number(self, fields: Sequence[str], line: int) -> ReportedNumber | Misprint | Blank:
        if len(fields) != len(self.header):
            raise SpecError(self.path, line, f"{len(fields)} fields, expected {len(self.header)}")
        given: dict[str, str] = dict(zip(self.header, fields, strict=True))
        row = self._line("row", given["row"], self.grid.rows, line)
        column = self._line("column", given["column"], self.grid.columns, line)
        block = self._block(given, line)
        place = self.grid.place(block, row, column)
        if given["metric"] == WHOLE_CELL:
            return Misprint(
                method=place.method or "",
                block=block.id,
                row=row.id,
                column=column.id,
                text=self._misprint(given["value"], line),
                note=given["note"],
            )
        if given["metric"] not in place.metrics:
            hint = nearest(given["metric"], place.metrics)
            raise SpecError(self.path, line, f"unknown metric '{given['metric']}': {hint}")
        if given["bold"] not in ("", "yes"):
            raise SpecError(
                self.path, line, f"bold is '{given['bold']}', expected 'yes' or nothing"
            )
        known = {
            "method": place.method or "",
            "block": block.id,
            "row": row.id,
            "column": column.id,
            "metric": given["metric"],
            "note": given["note"],
        }
        if given["value"] in BLANK:
            return Blank(**known, text=given["value"])
        return ReportedNumber(
            **known,
            value=self._value(given, line),
            bold=given["bold"] == "yes",
        )

    def _line(self, key: str, name: str, lines: Sequence[Line], at: int) -> Line:
        known = {line.id: line for line in lines}
        if name not in known:
            raise SpecError(self.path, at, f"unknown {key} '{name}': {nearest(name, known)}")
        return known[name]

    def _block(self, given: dict[str, str], at: int) -> Line:
        """Return the block; a paper may report methods that the run does not have."""
        if not self.layout.block_per_method:
            return self._line("block", given.get("block", ""), self.grid.blocks, at)
        name = given["method"]
        if not name:
            raise SpecError(self.path, at, "no method: expected the name of the method reported")
        return Line(id=name, label=name, at=Place(method=name))

    def _misprint(self, text: str, at: int) -> str:
        if not text.strip() or all(_PRINTED.fullmatch(part) for part in text.split("/")):
            message = f"value '{text}' of a whole cell, expected one that is no number"
            raise SpecError(self.path, at, message)
        return text

    def _value(self, given: dict[str, str], at: int) -> Decimal:
        percent = QUANTITIES[given["metric"]].unit is Unit.PERCENT
        text = given["value"]
        if not _PRINTED.fullmatch(text) or (percent and Decimal(text) > 100):
            wanted = "a percentage as printed, 0 to 100" if percent else "a number as printed"
            raise SpecError(self.path, at, f"value '{text}', expected {wanted}")
        return Decimal(text)
