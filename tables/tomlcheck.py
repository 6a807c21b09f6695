"""TOML files checked against a schema that is data, with the line of every complaint.

The standard parser gives no positions, so `locate` finds the line of a key in the text. It knows
the flat style of the specification files (one key a line); where it cannot tell, the complaint
names the line of the enclosing table.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..datasets.errors import SpecError

# No specification comes near this; a larger file is a wrong file.
MAX_BYTES = 1_000_000
# What else is wrong with a file is said in the same line, up to here.
MOST_SAID = 15

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"^\s*[\"']?([\w.@-]+)[\"']?\s*=")
_AT_LINE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What one key may hold.

    Attributes
    ----------
    kind
        ``"text"``, ``"integer"``, ``"number"``, ``"boolean"``, ``"table"``, or an array of one of
        them: ``"texts"``, ``"numbers"``, ``"tables"``; ``"names"`` is a table of free keys to text,
        ``"lines"`` one of ``choices`` or an array of tables.
    required
        Whether the key must be there.
    choices
        The only valid texts, if not empty.
    at_least
        Smallest valid number, also for every number of an array.
    table
        Schema of the table, or of each table of an array.
    """

    kind: str
    required: bool = True
    choices: tuple[str, ...] = ()
    at_least: float | None = None
    table: Mapping[str, Key] | None = None


Schema = Mapping[str, Key]

_EXPECTED = {
    "text": "a text that is not empty",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "table": "a table",
    "texts": "an array of texts",
    "numbers": "an array of numbers",
    "tables": "an array of tables",
    "names": "a table of texts",
    "lines": "an array of tables, or the word for one",
}
_TYPES: Mapping[str, Any] = {
    "text": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "table": dict,
}


def read_toml(path: Path, schema: Schema) -> dict[str, Any]:
    """Read and check a TOML file.

    Parameters
    ----------
    path
        The file.
    schema
        Valid keys of the document.

    Returns
    -------
    dict
        The document as parsed; keys that are not required may be missing.

    Raises
    ------
    SpecError
        Missing, unreadable or too large file, syntax error, unknown, missing or duplicate key,
        wrong type: file:line, what was given, what was expected, for all keys at once.
    """
    text = read_text(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        message = str(err)
        found = _AT_LINE.search(message)
        line = int(found[1]) if found and found[1] else None
        if found and line is None:
            line = max(1, len(text.splitlines()))
        raise SpecError(path, line, f"not valid TOML: {_AT_LINE.sub('', message)}") from err
    check = _Checker(locate(text))
    check.table(document, schema, ())
    if check.found:
        (line, message), *others = check.found
        also = "".join(f"; line {number}: {said}" for number, said in others[:MOST_SAID])
        also += f"; and {len(others) - MOST_SAID} more" if len(others) > MOST_SAID else ""
        raise SpecError(path, line, message + also)
    return document


def read_text(path: Path) -> str:
    """Read a specification file as UTF-8; what cannot be read is a `SpecError`."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise SpecError(path, None, f"over {MAX_BYTES} bytes, expected a specification file")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as err:
        raise SpecError(path, None, f"not UTF-8 text (byte {err.start}): save it as UTF-8") from err
    except OSError as err:
        reason = err.strerror or type(err).__name__
        raise SpecError(path, None, f"cannot be read ({reason}): expected a file") from err


def locate(text: str) -> dict[KeyPath, int]:
    """Find the 1-based line of each table and key of a TOML text, by key path.

    Elements of arrays of tables have their index in the path: ``("layout", "rows", 0, "id")``.
    """
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    prefix: KeyPath = ()
    quoted = False
    for number, line in enumerate(text.splitlines(), start=1):
        fences = line.count('"""') + line.count("'''")
        if not quoted and (header := _HEADER.match(line)):
            prefix = _resolve(header[2], counts, array=header[1] == "[[")
            lines.setdefault(prefix, number)
            lines.setdefault(tuple(p for p in prefix if isinstance(p, str)), number)
        elif not quoted and (key := _KEY.match(line)):
            lines.setdefault((*prefix, *key[1].split(".")), number)
        quoted ^= bool(fences % 2)
    return lines


def _resolve(header: str, counts: dict[KeyPath, int], *, array: bool) -> KeyPath:
    parts = [part.strip().strip("\"'") for part in header.split(".")]
    path: KeyPath = ()
    for position, part in enumerate(parts):
        path = (*path, part)
        last = position == len(parts) - 1
        if last and array:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path = (*path, counts[path])
    return path


class Lines:
    """Raises `SpecError` at the line of a key of one file."""

    def __init__(self, path: Path) -> None:
        self.path, self.lines = path, locate(read_text(path))

    def error(self, message: str, *where: str | int) -> SpecError:
        """Make an error at a key path, or at the nearest table around it that has a line."""
        return SpecError(self.path, _line(self.lines, where), message)


def _line(lines: Mapping[KeyPath, int], where: KeyPath) -> int:
    ends = (where[:end] for end in range(len(where), 0, -1))
    return next((lines[end] for end in ends if end in lines), 1)


class _Checker:
    """Walks a document beside its schema and keeps all that is wrong, with its line."""

    def __init__(self, lines: Mapping[KeyPath, int]) -> None:
        self.lines = lines
        self.found: list[tuple[int, str]] = []

    def fail(self, where: KeyPath, message: str) -> None:
        self.found.append((_line(self.lines, where), message))

    def table(self, given: Mapping[str, Any], schema: Schema, where: KeyPath) -> None:
        place = f" in [{_dotted(where)}]" if where else ""
        for name in given:
            if name not in schema:
                self.fail((*where, name), f"unknown key '{name}'{place}: {nearest(name, schema)}")
        for name, key in schema.items():
            if name in given:
                self.value(given[name], key, (*where, name))
            elif key.required:
                message = f"missing key '{name}'{place}: expected {_EXPECTED[key.kind]}"
                self.fail(where, message)

    def value(self, given: Any, key: Key, where: KeyPath) -> None:
        name = _dotted(where)
        if not _is_kind(given, key.kind):
            self.fail(where, f"'{name}' is {_describe(given)}, expected {_EXPECTED[key.kind]}")
            return
        items = given if isinstance(given, list) else [given]
        for index, item in enumerate(items):
            if isinstance(item, dict):
                if key.table:
                    self.table(item, key.table, (*where, index) if item is not given else where)
                continue
            if key.choices and item not in key.choices:
                self.fail(where, f"'{name}' is '{item}': {nearest(item, key.choices)}")
            # Written so that NaN fails too.
            if key.at_least is not None and not key.at_least <= item < math.inf:
                self.fail(where, f"'{name}' holds {item}, expected at least {key.at_least:g}")


def _is_kind(given: Any, kind: str) -> bool:
    if kind == "names":
        return isinstance(given, dict) and all(_is_kind(v, "text") for v in given.values())
    if kind == "lines":
        return _is_kind(given, "text") or (given != [] and _is_kind(given, "tables"))
    if kind not in _TYPES:
        return isinstance(given, list) and all(_is_kind(v, kind.removesuffix("s")) for v in given)
    # In Python a bool is an int; in a specification it never is.
    fits = isinstance(given, _TYPES[kind]) and (kind == "boolean") == isinstance(given, bool)
    return fits and (kind != "text" or bool(given.strip()))


def nearest(given: str, known: Any) -> str:
    """Say which known name was probably meant, or list them all."""
    names = sorted(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"expected one of {', '.join(names)}"


def _dotted(where: KeyPath) -> str:
    return ".".join(str(part) for part in where if isinstance(part, str))


def _describe(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 40 else f"{text[:37]}..."
