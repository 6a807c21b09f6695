"""Label noise: which anomalies pass for nominal in training, and what is left to test on.

The orders behind a draw depend on (dataset, category, seed) alone, never on the level, the
protocol, the method or what was drawn before: one order of the nominal and one of the anomalous
images is fixed by hash, and every level takes a prefix of each. Hence the anomalies at 10 % are
among those at 20 %, and the nominal images kept at 50 % among those at 40 %. Orders come from
sha256 rather than from a random generator, whose stream a library may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import MISSING, dataclass, fields
from functools import lru_cache
from itertools import chain, zip_longest
from typing import Any

from .draws import NoisyDraw, identical_train_test, leak_check
from .errors import NoiseError, UnknownNameError
from .protocols import (
    Added,
    Amount,
    FixedTest,
    NoiseProtocol,
    Overlap,
    Shortage,
    supply,
)
from .seeds import derive_seed
from .types import Category, ImageRef

__all__ = [
    "Added",
    "Feasibility",
    "FixedTest",
    "NoiseProtocol",
    "NoisyDraw",
    "Orders",
    "Overlap",
    "Shortage",
    "draw",
    "feasibility",
    "identical_train_test",
    "leak_check",
    "parse_protocol",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """What one level would take from one category, without drawing it.

    Attributes
    ----------
    level
        In percent.
    n_train, n_injected
        Size of the training set and anomalies in it; None where the level cannot be had.
    effective
        ``n_injected / n_train``; None where the level cannot be had.
    test_good, test_anomalous
        Images tested on; None where the level cannot be had.
    note
        Why it differs from what the level alone would give, or cannot be had.
    """

    level: float
    n_train: int | None = None
    n_injected: int | None = None
    effective: float | None = None
    test_good: int | None = None
    test_anomalous: int | None = None
    note: str = ""

    @property
    def possible(self) -> bool:
        """Whether the category can give the level."""
        return self.n_train is not None


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders that all draws of a category with one seed take prefixes of.

    Attributes
    ----------
    category, seed
        Whose they are.
    anomalous
        The order of injection.
    nominal
        The order in which nominal training images are kept.
    mixed
        All of them, in the order in which a training set has its images.
    """

    category: Category
    seed: int
    anomalous: tuple[ImageRef, ...]
    nominal: tuple[ImageRef, ...]
    mixed: tuple[ImageRef, ...]

    @classmethod
    def of(cls, category: Category, seed: int) -> Orders:
        """Return the orders of a category for a repetition."""
        axes = (category.dataset, category.name, seed)
        anomalous = tuple(_stratified(_pool(category), *axes))
        nominal = tuple(_shuffled(category.train_nominal, "subset", *axes))
        mixed = tuple(_shuffled([*nominal, *anomalous], "train-order", *axes))
        return cls(category, seed, anomalous, nominal, mixed)


def draw(
    category: Category,
    level: float,
    seed: int,
    protocol: NoiseProtocol,
    orders: Orders | None = None,
) -> NoisyDraw:
    """Draw the training and test images of one cell.

    Parameters
    ----------
    category
        All images of the category, with their official labels and splits.
    level
        Noise level in percent, as the protocol defines it.
    seed
        Index of the repetition; another one draws another subset and other injections.
    protocol
        See `datasets.protocols`.
    orders
        Of this category and seed, where they are at hand.

    Raises
    ------
    NoiseError
        The protocol does not allow the level, or the category cannot give it.
    ValueError
        ``orders`` are of another category or seed.
    """
    amount = _amount(category, level, protocol)
    orders = orders or Orders.of(category, seed)
    if orders.category is not category or orders.seed != seed:
        raise ValueError("orders of another category or seed; expected those of the draw")
    injected = orders.anomalous[: amount.n_injected]
    kept = orders.nominal[: amount.n_train - amount.n_injected]
    away = {ref.id for ref in orders.anomalous[: amount.n_reserved]}
    taken = {ref.id for ref in (*kept, *injected)}
    return NoisyDraw(
        train=tuple([ref for ref in orders.mixed if ref.id in taken]),
        injected=injected,
        test=tuple([ref for ref in category.test if ref.id not in away]),
        level=level,
        protocol=protocol,
        note=amount.note,
    )


def feasibility(
    category: Category, levels: Iterable[float], protocol: NoiseProtocol
) -> list[Feasibility]:
    """Tell what each level takes from a category; an impossible one is a row that says why."""
    return [_feasible(category, level, protocol) for level in levels]


def _feasible(category: Category, level: float, protocol: NoiseProtocol) -> Feasibility:
    try:
        amount = _amount(category, level, protocol)
    except NoiseError as err:
        return Feasibility(level=level, note=str(err))
    reserved = 0 if category.train_anomalous else amount.n_reserved
    return Feasibility(
        level=level,
        n_train=amount.n_train,
        n_injected=amount.n_injected,
        effective=amount.n_injected / amount.n_train,
        test_good=len(category.test_nominal),
        test_anomalous=len(category.test_anomalous) - reserved,
        note=amount.note,
    )


def _pool(category: Category) -> Sequence[ImageRef]:
    """Return the anomalies that injections are drawn from."""
    return category.train_anomalous or category.test_anomalous


def _amount(category: Category, level: float, protocol: NoiseProtocol) -> Amount:
    nominal = len(category.train_nominal)
    available = supply(len(_pool(category)), from_test=not category.train_anomalous)
    where = f"{category.dataset}/{category.name}"
    if not nominal:
        raise NoiseError(f"{where}: no nominal training image; expected at least one")
    try:
        return _protocol_amount(protocol, level, nominal, available)
    except NoiseError as err:
        raise NoiseError(f"{where}: {err}") from None


@lru_cache(maxsize=1024)
def _protocol_amount(protocol: NoiseProtocol, level: float, nominal: int, available: int) -> Amount:
    return protocol.amount(level, nominal, available)  # all seeds ask for the same


def _shuffled(refs: Iterable[ImageRef], *axes: str | int) -> list[ImageRef]:
    """Order images by a hash of the axes and their id: the same order for any subset of them."""
    return sorted(refs, key=lambda ref: (derive_seed(*axes, ref.id), ref.id))


def _stratified(refs: Sequence[ImageRef], *axes: str | int) -> list[ImageRef]:
    """Deal the defect types out in turns, each in its own shuffled order.

    Every prefix holds the types evenly: two types differ by more than one image only once the
    smaller one is used up.
    """
    defects = sorted({ref.defect for ref in refs})
    defects.sort(key=lambda defect: derive_seed("noise-defect", *axes, defect))
    piles = [
        _shuffled((r for r in refs if r.defect == defect), "noise", *axes) for defect in defects
    ]
    return [ref for ref in chain.from_iterable(zip_longest(*piles)) if ref is not None]


_TEXT = re.compile(r"(?P<name>[a-z-]+)(/(?P<version>\d+))?(:(?P<values>.+))?")
_PROTOCOLS: dict[str, type[NoiseProtocol]] = {p.name: p for p in (FixedTest, Overlap, Added)}


def parse_protocol(text: str) -> NoiseProtocol:
    """Read ``name[/version][:parameter=value,…]``; what is left out takes its default.

    Raises
    ------
    UnknownNameError
        No such protocol or parameter.
    NoiseError
        Not of that form, a version that this release does not know, or an impossible value.
    """
    match = _TEXT.fullmatch(text)
    if not match:
        raise NoiseError(f"noise protocol '{text}': expected e.g. fixed-test/1:total=100")
    if match["name"] not in _PROTOCOLS:
        raise UnknownNameError("noise protocol", match["name"], _PROTOCOLS)
    protocol = _PROTOCOLS[match["name"]]
    if match["version"] and int(match["version"]) != protocol.version:
        known = f"{protocol.name}/{protocol.version}"
        raise NoiseError(f"noise protocol '{text}': unknown version; this release has {known}")
    given = [pair.partition("=") for pair in (match["values"] or "").split(",") if pair]
    values = {key: _value(protocol, key, value) for key, _, value in given}
    if len(values) < len(given):
        raise NoiseError(f"noise protocol '{text}': a parameter is given twice; expected once")
    return protocol(**values)


def _value(protocol: type[NoiseProtocol], key: str, text: str) -> Any:
    defaults = {f.name: f.default for f in fields(protocol) if f.default is not MISSING}
    if key not in defaults:
        raise UnknownNameError(f"parameter of {protocol.name}", key, defaults)
    kind = type(defaults[key])
    try:
        return kind(text)
    except ValueError:
        expected = "|".join(Shortage) if kind is Shortage else kind.__name__
        raise NoiseError(f"{protocol.name}: {key}={text}; expected {expected}") from None
