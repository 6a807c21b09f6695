"""Reported numbers, read from the CSV file of a target exactly as the paper prints them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from ..datasets.errors import SpecError
from .spec import Layout, ReportedNumber, RunSpec
from .tomlcheck import Lines, nearest, read_text

_COLUMNS = ("method", "row", "column", "metric", "value", "bold", "note")
_PRINTED = re.compile(r"[0-9]{1,3}(\.[0-9]{1,4})?")


def read_numbers(
    target: Path, name: str, run: RunSpec, layout: Layout, at: Lines
) -> tuple[ReportedNumber, ...]:
    """Read every reported number of a target, digits as printed.

    Parameters
    ----------
    target
        The target's TOML file.
    name
        The CSV file beside it, with the columns method, row, column, metric, value, bold, note.
    run, layout
        The target's, which rows, columns and metrics must agree with.
    at
        Lines of the TOML file.

    Raises
    ------
    SpecError
        Missing file, wrong header, unknown name, a second number for one place, or a value that
        is not a printed percentage; file:line.
    """
    if Path(name).name != name:
        message = f"'reported' is '{name}', expected the name of a file beside this one"
        raise at.error(message, "reported")
    path = target.parent / name
    if not path.is_file():
        raise at.error(f"'reported' names '{name}', which is not beside this file", "reported")
    reader = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    numbers: dict[tuple, ReportedNumber] = {}
    try:
        head = next(reader, [])
        if tuple(head) != _COLUMNS:
            message = f"header is '{','.join(head)}', expected '{','.join(_COLUMNS)}'"
            raise SpecError(path, 1, message)
        for fields in reader:
            number = _number(fields, path, reader.line_num, run, layout)
            key = (number.method, number.row, number.column, number.metric)
            if key in numbers:
                raise SpecError(
                    path, reader.line_num, f"a second number for {', '.join(fields[:4])}"
                )
            numbers[key] = number
    except csv.Error as err:
        raise SpecError(path, reader.line_num, f"not valid CSV: {err}") from err
    return tuple(numbers.values())


def _number(
    fields: Sequence[str], path: Path, line: int, run: RunSpec, layout: Layout
) -> ReportedNumber:
    if len(fields) != len(_COLUMNS):
        raise SpecError(path, line, f"{len(fields)} fields, expected {len(_COLUMNS)}")
    method, row, column, metric, value, bold, note = fields
    levels = {f"{level:g}": level for level in run.noise}
    known = {"row": [r.id for r in layout.rows], "column": levels, "metric": layout.metrics}
    for key, given in (("row", row), ("column", column), ("metric", metric)):
        if given not in known[key]:
            raise SpecError(path, line, f"unknown {key} '{given}': {nearest(given, known[key])}")
    if not method:
        raise SpecError(path, line, "no method: expected the name of the method reported")
    if not _PRINTED.fullmatch(value) or Decimal(value) > 100:
        raise SpecError(path, line, f"value '{value}', expected a percentage as printed, 0 to 100")
    if bold not in ("", "yes"):
        raise SpecError(path, line, f"bold is '{bold}', expected 'yes' or nothing")
    return ReportedNumber(
        method=method,
        row=row,
        column=levels[column],
        metric=metric,
        value=Decimal(value),
        bold=bold == "yes",
        note=note,
    )
