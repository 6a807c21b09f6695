"""Tables of one's own: CSV files with a number a line, or laid out as printed.

Both forms are described in ``README.md`` beside this file. Digits are kept as typed: ``95.40`` says
more than ``95.4``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from ...datasets.errors import SpecError, UnknownNameError
from ..quantities import QUANTITIES, Unit
from ..tomlcheck import nearest, read_text
from .ledger import Ledger, Printed, make_ledger, official_tests
from .user_cells import UserCell, in_percent, with_categories
from .user_slips import decimal_comma, no_metric, other_separator, split_number, unknown_metric

PLACE = ("table", "method", "dataset", "category", "group", "noise", "runs", "sd")
LONG = ("metric", "value", "bold")
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,4})?")
_DATASETS = frozenset(name for name, _ in official_tests())
_EMPTY = ("", "-", "–", "—", "n/a")
# [METHOD:]METRIC[/METRIC][@NOISE]
_HEAD = re.compile(
    r"(?:(?P<method>[^:]+):)?(?P<metrics>[^@:]+)(?:@(?P<noise>[0-9]+(?:\.[0-9]+)?)%?)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """What the head of a column of numbers says."""

    head: str
    method: str | None
    metrics: tuple[str, ...]
    noise: float | None


def read_tables(
    paths: Iterable[Path | str],
    dataset: str = "",
    runs: int | None = None,
    sd: float | None = None,
) -> Ledger:
    """Read CSV files, in either form.

    Parameters
    ----------
    paths
        The files; a file is a table, or several by its ``table`` column.
    dataset
        Dataset of all numbers whose line names none; empty for one without known counts.
    runs
        Trials behind every number whose line does not say.
    sd
        Standard deviation over trials, in points, of every percentage whose line does not say.

    Raises
    ------
    SpecError
        Missing or unreadable file, unknown metric, a value that is no number, a percentage above
        100, a line without method or category, or with a dataset that the project has no counts of;
        file:line.
    UnknownNameError
        Such a dataset as the argument.
    """
    if dataset and dataset not in _DATASETS:
        raise UnknownNameError("dataset", dataset, _DATASETS)
    entries: list[Printed] = []
    for path in paths:
        cells = _Reader(Path(path), dataset, runs).cells()
        entries += with_categories(in_percent(cells), Path(path))
    filled = (replace(e, sd=sd) if e.sd is None and e.percent else e for e in entries)
    return make_ledger(filled)


def _first_number(head: Sequence[str]) -> int:
    """Return the index of the first column that may hold decimals."""
    return next(
        (i for i, name in enumerate(head) if name == "sd" or name not in (*PLACE, "metric")), 0
    )


class _Reader:
    """Reads one file."""

    def __init__(self, path: Path, dataset: str, runs: int | None) -> None:
        self.path, self.dataset, self.runs = path, dataset, runs

    def error(self, line: int, message: str) -> SpecError:
        return SpecError(self.path, line, message)

    def cells(self) -> list[UserCell]:
        # Spreadsheets put a byte-order mark first.
        text = read_text(self.path).removeprefix("\ufeff")
        slip = other_separator(text.partition("\n")[0])
        if slip:
            raise self.error(1, slip)
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        found: list[UserCell] = []
        try:
            head = [name.strip() for name in next(reader, [])]
            columns = self._columns(head)
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                if len(fields) != len(head):
                    message = f"{len(fields)} fields, expected {len(head)} as in the header"
                    message += split_number(fields, len(head), _first_number(head))
                    raise self.error(reader.line_num, message)
                given = dict(zip(head, (field.strip() for field in fields), strict=True))
                found += self._line(given, columns, reader.line_num)
        except csv.Error as err:
            raise self.error(reader.line_num, f"not valid CSV: {err}") from err
        if not found:
            raise SpecError(self.path, None, "no numbers: expected a header and lines below it")
        return found

    def _columns(self, head: Sequence[str]) -> list[_Column] | None:
        """Read the columns of numbers; None for the long form."""
        if len(set(head)) < len(head):
            raise self.error(1, "a column stands twice: expected each name once")
        lone = [name for name in head if name in LONG and "value" not in head]
        if lone:
            message = f"column '{lone[0]}' goes with 'value', expected both, or metrics as heads"
            raise self.error(1, message)
        if "value" in head:
            unknown = [name for name in head if name not in (*PLACE, *LONG)]
            if unknown or "metric" not in head:
                what = f"unknown column '{unknown[0]}'" if unknown else "no column 'metric'"
                names = ", ".join((*PLACE, *LONG))
                raise self.error(1, f"{what}, expected some of {names}")
            return None
        columns = [self._column(name) for name in head if name not in PLACE]
        if not columns:
            raise self.error(1, "no column of numbers, expected 'value' or names of metrics")
        return columns

    def _column(self, head: str) -> _Column:
        found = _HEAD.fullmatch(head)
        if not found:
            raise self.error(1, f"column '{head}', expected [METHOD:]METRIC[@NOISE]")
        metrics = tuple(part.strip() for part in found["metrics"].split("/"))
        for name in metrics:
            if name not in QUANTITIES:
                plain = found["method"] is None and len(metrics) == 1
                told = (
                    no_metric(name, (*PLACE, *LONG))
                    if plain
                    else unknown_metric(name, found["method"])
                )
                raise self.error(1, told)
        noise = float(found["noise"]) if found["noise"] else None
        return _Column(head=head, method=found["method"], metrics=metrics, noise=noise)

    def _metric(self, name: str, line: int) -> str:
        if name not in QUANTITIES:
            raise self.error(line, unknown_metric(name, None))
        return name

    def _line(
        self, given: Mapping[str, str], columns: Sequence[_Column] | None, line: int
    ) -> Iterable[UserCell]:
        if columns is None:
            bold = given.get("bold", "")
            if bold not in ("", "yes"):
                raise self.error(line, f"bold is '{bold}', expected 'yes' or nothing")
            metric = self._metric(given["metric"], line)
            if given["value"] not in _EMPTY:
                yield self._cell(given, metric, given["value"], line, bold=bold == "yes")
            return
        for column in columns:
            texts = given[column.head].split("/")
            if len(texts) == 1 and texts[0] in _EMPTY:
                continue
            if len(texts) != len(column.metrics):
                message = f"'{given[column.head]}' in column '{column.head}', expected "
                message += f"{len(column.metrics)} number(s) parted by '/'"
                raise self.error(line, message)
            place = dict(given)
            if column.method is not None:
                place["method"] = column.method
            if column.noise is not None:
                place["noise"] = f"{column.noise:g}"
            for metric, raw in zip(column.metrics, texts, strict=True):
                text = raw.strip().strip("*")
                if text not in _EMPTY:
                    yield self._cell(place, metric, text, line, bold=raw.strip().startswith("**"))

    def _cell(
        self, given: Mapping[str, str], metric: str, text: str, line: int, *, bold: bool
    ) -> UserCell:
        number, sign, spread = (part.strip(" *") for part in text.partition("±"))
        comma = decimal_comma(number) or decimal_comma(spread)
        if comma:
            raise self.error(line, comma)
        if not _NUMBER.fullmatch(number) or (sign and not spread):
            raise self.error(line, f"value '{text}', expected digits as printed, such as 95.4")
        text = number
        if QUANTITIES[metric].unit is Unit.PERCENT and Decimal(text) > 100:
            raise self.error(line, f"value '{text}', expected a percentage from 0 to 100")
        method, category = given.get("method", ""), given.get("category", "")
        if not method and not category:
            raise self.error(line, "neither method nor category, expected at least one of them")
        name = category.lower().replace(" ", "_").replace("-", "_")
        level = self._number(given.get("noise", ""), "noise", line)
        runs = self._number(given.get("runs", ""), "runs", line)
        if runs is not None and (runs < 1 or runs != int(runs)):
            raise self.error(line, f"runs is '{given['runs']}', expected a whole number from 1")
        dataset = given.get("dataset", "") or self.dataset
        if dataset and dataset not in _DATASETS:
            hint = nearest(dataset, _DATASETS)
            raise self.error(line, f"unknown dataset '{dataset}': {hint} (empty for one's own)")
        words = (method, category, f"{level:g} %" if level is not None else "")
        entry = Printed(
            table=given.get("table", "") or self.path.name,
            row=category or method,
            column=f"{level:g}" if level is not None else metric,
            block=method if category else "",
            label=", ".join(word for word in words if word),
            method=method,
            metric=metric,
            categories=(),
            text=text,
            noise=level,
            bold=bold,
            runs=int(runs) if runs is not None else self.runs,
            sd=self._number(spread or given.get("sd", ""), "sd", line),
        )
        return UserCell(entry=entry, dataset=dataset, category=name, group=given.get("group", ""))

    def _number(self, text: str, name: str, line: int) -> float | None:
        text = text.removesuffix("%").strip()
        if not text:
            return None
        if not _NUMBER.fullmatch(text):
            raise self.error(line, f"{name} is '{text}', expected a number")
        return float(text)
