"""Seeds that depend on names, never on what ran before.

A draw is identified by the axes it belongs to: two methods that ask for the training subset of
the same category and seed get the same one, and the order in which cells run changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from json.encoder import encode_basestring_ascii


def derive_seed(*axes: str | int) -> int:
    """Derive a seed from named axes.

    Parameters
    ----------
    axes
        The purpose first, then what the draw depends on, e.g.
        ``derive_seed("subset", "mvtec_ad", "bottle", 0)``.

    Returns
    -------
    int
        In [0, 2**63), the same on every machine and Python version.
    """
    text = f"[{','.join(map(_axis, axes))}]"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def _axis(axis: str | int) -> str:
    """Return the JSON text of an axis; a draw asks for one per image."""
    if type(axis) is str:
        return encode_basestring_ascii(axis)
    return int.__repr__(axis) if type(axis) is int else json.dumps(axis, separators=(",", ":"))
