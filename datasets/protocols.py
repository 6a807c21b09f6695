"""Label-noise protocols: what a level means, and how many images it moves.

Three are known. The first two differ in the test set only, the third in what a level means.

``fixed-test``
    The training set has a fixed size T = min(total, nominal training images) and a level c is the
    *true fraction*: round(c·T) of its images are anomalies that pass for nominal. No injected
    image is tested on, and the test set is the same at every level: it lacks the anomalies that
    ``max_level`` injects, whether or not a study goes that far.
``overlap``
    The same training sets, on the full official test set: injected images are tested on as well.
``added``
    The full nominal training set of N images plus round(r·N) anomalies, which leave the test set.
    The level r is an *added ratio*; the true fraction is about r / (1 + r).

Anomalies come from the test split where the training split has none (MVTec AD). There at least
max(10, ¼ of them, rounded up) stay for testing; what may be injected is the *supply*. A dataset
with anomalies in its official training split (KolektorSDD2) supplies all of those, and its test set
is left alone by every protocol.

Where the supply does not reach, ``shortage`` decides, level by level: ``shrink`` keeps the level
and shrinks T to ⌊supply / c⌋ at that level alone, so other levels keep their size; ``cap`` keeps T
and injects the supply; ``refuse`` raises. ``added`` keeps the nominal set by definition, so it
knows ``cap`` and ``refuse`` only. Counts are rounded half up, from the level's decimal digits.
Sources: SoftPatch (NeurIPS 2022) adds anomalies and takes them out of the test set; InReaCh and
MeDS overlap; RAD has 100 training images per category and does not state its test set.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from enum import StrEnum
from fractions import Fraction
from functools import cache
from math import ceil, floor
from typing import ClassVar

from .errors import NoiseError

__all__ = ["Added", "Amount", "FixedTest", "NoiseProtocol", "Overlap", "Shortage", "supply"]

KEEP_AT_LEAST = 10
KEEP_SHARE = Fraction(1, 4)


class Shortage(StrEnum):
    """What to do where a category has too few anomalies for a level."""

    SHRINK = "shrink"
    CAP = "cap"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How many images a level takes.

    Attributes
    ----------
    n_train, n_injected
        Size of the training set, and how many of it are injected anomalies.
    n_reserved
        How many anomalies, in the order of injection, the test set lacks if it supplies them.
    note
        Why it is not what the level alone would give; empty where it is.
    """

    n_train: int
    n_injected: int
    n_reserved: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseProtocol(ABC):
    """Base of the protocols; see the module docstring.

    Attributes
    ----------
    name, version
        A version pins every rule; a changed rule is a new version.
    overlaps
        Whether injected images stay in the test set.
    max_level
        Highest level in percent.
    shortage
        See `Shortage`.
    """

    name: ClassVar[str]
    version: ClassVar[int] = 1
    overlaps: ClassVar[bool] = False
    shortage: Shortage
    max_level: float

    @property
    def protocol_id(self) -> str:
        """Canonical text with every parameter; ``noise.parse_protocol`` reads it back."""
        return _identifier(self)

    @abstractmethod
    def amount(self, level: float, nominal: int, supply: int) -> Amount:
        """Return how many images a level takes.

        Parameters
        ----------
        level
            Percent, in [0, ``max_level``].
        nominal
            Nominal training images of the category.
        supply
            Anomalies that may be injected, see `supply`.

        Raises
        ------
        NoiseError
            The level is out of range, or the category cannot give it.
        """

    def share(self, level: float) -> Fraction:
        """Return a level in percent as an exact fraction; out of range raises `NoiseError`."""
        if not 0 <= level <= self.max_level:
            raise NoiseError(
                f"noise level {level:g} %: protocol {self.name} allows 0 to {self.max_level:g} %"
            )
        return Fraction(str(level)) / 100  # its digits, so that 12.5 or 0.1 is what was typed


@cache
def _identifier(protocol: NoiseProtocol) -> str:
    """Write a protocol out; once, as every cell of a plan asks for it."""
    own_first = reversed(fields(protocol))
    values = ((f.name, str(getattr(protocol, f.name))) for f in own_first)
    text = ",".join(f"{name}={value.removesuffix('.0')}" for name, value in values)
    return f"{protocol.name}/{protocol.version}:{text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTest(NoiseProtocol):
    """True fraction of a fixed-size training set; one test set for all levels, none injected.

    Attributes
    ----------
    total
        Size of the training set where the category has that many nominal images.
    """

    name: ClassVar[str] = "fixed-test"
    total: int = 100
    shortage: Shortage = Shortage.SHRINK
    max_level: float = 50.0

    def __post_init__(self) -> None:
        if self.total < 1:
            raise NoiseError(f"protocol {self.name}: total={self.total}; expected 1 or more images")
        if not 0 <= self.max_level <= 50:
            raise NoiseError(
                f"protocol {self.name}: max_level={self.max_level:g}; expected 0 to 50"
            )

    def amount(self, level: float, nominal: int, supply: int) -> Amount:
        """See `NoiseProtocol.amount`."""
        share, size = self.share(level), min(self.total, nominal)
        notes = [] if size == self.total else [f"{nominal} of {self.total} nominal images"]
        wanted = half_up(share * size)
        most = min(half_up(self.share(self.max_level) * size), supply)
        if wanted > supply:
            given = _short(self, level, wanted, supply)
            if self.shortage == Shortage.SHRINK:
                notes.append(f"T {size} → {floor(supply / share)}: {given}")
                size = floor(supply / share)
            else:
                notes.append(f"capped: {given}")
        injected = min(wanted, supply)
        if level > 0 and not injected:
            notes.append(f"{level:g} % of {size} images rounds to none")
        return Amount(
            n_train=size,
            n_injected=injected,
            n_reserved=0 if self.overlaps else most,
            note="; ".join(notes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap(FixedTest):
    """The injections of `FixedTest`, on the full official test set."""

    name: ClassVar[str] = "overlap"
    overlaps: ClassVar[bool] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Added(NoiseProtocol):
    """Ratio added to the full nominal training set; the test set lacks what the level injects."""

    name: ClassVar[str] = "added"
    shortage: Shortage = Shortage.CAP
    max_level: float = 100.0

    def __post_init__(self) -> None:
        if self.shortage == Shortage.SHRINK:
            raise NoiseError(
                "protocol added: shortage=shrink; it keeps the full nominal set: use cap or refuse"
            )
        if not 0 <= self.max_level <= 100:
            raise NoiseError(f"protocol added: max_level={self.max_level:g}; expected 0 to 100")

    def amount(self, level: float, nominal: int, supply: int) -> Amount:
        """See `NoiseProtocol.amount`."""
        wanted = half_up(self.share(level) * nominal)
        note = ""
        if wanted > supply:
            note = f"capped: {_short(self, level, wanted, supply)}"
        elif level > 0 and not wanted:
            note = f"{level:g} % of {nominal} images rounds to none"
        injected = min(wanted, supply)
        return Amount(
            n_train=nominal + injected, n_injected=injected, n_reserved=injected, note=note
        )


def half_up(value: Fraction) -> int:
    """Round to the nearest whole number, halves upwards."""
    return floor(value + Fraction(1, 2))


def supply(anomalous: int, *, from_test: bool) -> int:
    """Return how many of a category's anomalies may be injected."""
    if not from_test:
        return anomalous
    return max(0, anomalous - max(KEEP_AT_LEAST, ceil(KEEP_SHARE * anomalous)))


def _short(protocol: NoiseProtocol, level: float, wanted: int, supply: int) -> str:
    """Say what is short; raise where the protocol refuses it or nothing at all can be injected."""
    given = f"{wanted} anomalies wanted, {supply} may be injected"
    if protocol.shortage == Shortage.REFUSE or not supply:
        raise NoiseError(f"noise level {level:g} %: {given} (protocol {protocol.protocol_id})")
    return given
