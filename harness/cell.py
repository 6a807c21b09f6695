"""A cell: the smallest unit of work, and the key that identifies its result.

One cell = one method with its settings, trained and tested on one category at one noise level with
one seed. Machine, engine, worker count and paths never enter the key; the content of everything
the result depends on does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any

SCHEMA = 1

_ENCODE = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode


def canonical_json(value: Any) -> str:
    """Serialise to the one JSON text that equal values share (sorted keys, no NaN)."""
    return _ENCODE(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What is asked for, in names and numbers.

    Attributes
    ----------
    dataset, category
        Registered dataset and its category.
    noise
        Label-noise level in percent, e.g. 10.
    protocol
        Noise protocol with its version and parameters, e.g. ``"fixed-test/1:total=100"``.
    seed
        Index of the repetition, from 0.
    method
        Registered method name.
    settings
        Canonical JSON of the method's settings, with hashes of content in place of paths.
    backbone
        Full backbone name with its weights' tag, or ``"none"``.
    image_size
        Side of the square input and of the evaluated maps, in pixels.
    evaluation
        Version of the evaluation protocol (metrics, threshold rule, smoothing).
    """

    dataset: str
    category: str
    noise: float
    protocol: str
    seed: int
    method: str
    settings: str
    backbone: str
    image_size: int
    evaluation: str

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        # All fields are plain: dataclasses.asdict would copy them deeply, for ten times the time.
        return {name: getattr(self, name) for name in Cell.__slots__}

    def label(self, method: str = "") -> str:
        """Return a short human name: ``differnet/mvtec_ad/bottle/noise10/seed0``.

        With ``method``, under that name: a cell has the base name of its method's variant.
        """
        where = f"{method or self.method}/{self.dataset}/{self.category}"
        return f"{where}/noise{self.noise:g}/seed{self.seed}"


_SORTED = tuple(sorted(Cell.__slots__))


def texts_of(fields: Mapping[str, Any]) -> dict[str, str]:
    """Return fields of a cell, or hashes, as they stand in its document: ``"seed":0`` for seed."""
    return {name: f"{quoted(name)}:{_part(value)}" for name, value in fields.items()}


def key_of(fields: Mapping[str, str], hashes: Mapping[str, str]) -> str:
    """Return the key of a cell: the sha256 of the canonical JSON of its document, hexadecimal.

    Parameters
    ----------
    fields, hashes
        All of an `Identity`, by `texts_of`.
    """
    return filled_key(_document(fields, hashes), ())


def key_form(
    fields: Mapping[str, str], hashes: Mapping[str, str], open_hashes: Collection[str]
) -> str:
    """Return the document of many cells with ``%s`` for what they do not share.

    Cells of a grid share nearly all their values: each is serialised once, and a key costs no more
    than filling in a form and hashing it.

    Parameters
    ----------
    fields, hashes
        Those that the cells share, by `texts_of`.
    open_hashes
        Names of the hashes that they do not share.
    """
    left = {name: "%s" for name in _SORTED if name not in fields}
    closed = {name: text.replace("%", "%%") for name, text in fields.items()}
    named = {name: text.replace("%", "%%") for name, text in hashes.items()}
    return _document(left | closed, dict.fromkeys(open_hashes, "%s") | named)


def filled_key(form: str, texts: tuple[str, ...]) -> str:
    """Return the key of a cell from its `key_form` and the open texts in the form's order.

    That is: fields sorted by name, then hashes sorted by name.
    """
    text = form % texts if texts else form
    return hashlib.sha256(text.encode()).hexdigest()


def _document(fields: Mapping[str, str], hashes: Mapping[str, str]) -> str:
    cell = ",".join([fields[name] for name in _SORTED])
    named = ",".join([hashes[name] for name in sorted(hashes)])
    return f'{{"cell":{{{cell}}},"hashes":{{{named}}},"schema":{SCHEMA}}}'


@lru_cache(maxsize=65_536)
def quoted(text: str) -> str:
    """Return the JSON text of a string; those of a grid repeat from cell to cell."""
    return canonical_json(text)


def _part(value: Any) -> str:
    if type(value) is str:
        return quoted(value)
    if type(value) is int or (type(value) is float and isfinite(value)):
        return repr(value)  # as JSON has it
    return canonical_json(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A cell together with the content hashes of what its result depends on.

    Attributes
    ----------
    cell
        The cell.
    hashes
        ``images`` (training and test list with image and mask hashes), ``weights``, ``method``
        (source) and whatever else a result depends on; name → hexadecimal sha256.
    key
        The hexadecimal sha256 of the canonical JSON document.
    """

    cell: Cell
    hashes: Mapping[str, str]
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Once: a run asks for the keys of its cells again and again.
        key = key_of(texts_of(self.cell.as_dict()), texts_of(self.hashes))
        object.__setattr__(self, "key", key)

    def document(self) -> dict[str, Any]:
        """Return the JSON document that the key is the hash of."""
        return {"schema": SCHEMA, "cell": self.cell.as_dict(), "hashes": dict(self.hashes)}
