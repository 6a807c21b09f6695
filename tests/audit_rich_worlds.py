"""Richer tables that are right: groups, claims of a text, hard categories, deviations, gaps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
from audit_worlds import LEVELS, MVTEC, World, _averages, _bold, _cell, _key, digits, random_world

from adrepro.tables.audit.ledger import Printed
from adrepro.tables.audit.user_cells import GROUPS
from adrepro.tables.claim_checks import Address, ClaimCheck, Kind
from adrepro.tables.spec import Claim

PAPER, TABLE = "p", "p/t"
# Claims that each table comes with.
CLAIMS = 6


@dataclass(frozen=True)
class Rich:
    """A table with what its text says, truthfully."""

    world: World
    entries: list[Printed]
    claims: dict[str, Claim]

    @property
    def below_chance(self) -> bool:
        """Whether some AUROC is printed that cannot be 50 or more."""
        aurocs = [e for e in self.entries if e.metric.endswith("auroc")]
        return any(e.value + e.digits.step < 50 for e in aurocs)


def rich_table(rng: np.random.Generator, *, cut: bool = False) -> Rich:
    """Draw runs, their means as printed, averages of groups, bold marks and claims."""
    world = replace(random_world(rng, cut=cut), levels=LEVELS[: int(rng.choice([1, 1, 3, 6, 6]))])
    values, deviations = _values(rng, world)
    cells = [_cell(world, key, digits(value, world)) for key, value in values.items()]
    printed = {_key(e): e for e in cells}
    averages = _averages(world, values, printed)
    for group, names in GROUPS.items():
        if names & set(world.categories):
            averages += _averages(world, values, printed, group, names)
    if world.runs > 1 and rng.integers(2):
        cells = [replace(e, sd=deviations.get(_key(e))) for e in cells]
    # A cell that is not printed is in its averages all the same.
    cells = [e for e in cells if rng.random() > 0.01]
    entries = _marked(rng, world, cells, averages)
    entries = [replace(e, table=TABLE) for e in entries]
    return Rich(world, entries, _claims(rng, world, entries, values))


def _marked(
    rng: np.random.Generator, world: World, cells: list[Printed], averages: list[Printed]
) -> list[Printed]:
    """Mark the best of all, of the averages alone, or of nothing."""
    way = rng.integers(3) if len(world.methods) > 1 else 0
    if way == 2:
        return [*cells, *_bold(averages)]
    return _bold([*cells, *averages]) if way else [*cells, *averages]


def _values(rng: np.random.Generator, world: World) -> tuple[dict, dict]:
    """Return means over runs, and the standard deviations of image AUROC."""
    values: dict[tuple, Fraction] = {}
    deviations: dict[tuple, float] = {}
    for method in world.methods:
        # One method in four is hardly better than chance on some categories.
        least = 48 if rng.integers(4) == 0 else 75
        fall, share = rng.uniform(0, 2.5), rng.uniform(0, 0.7)
        for category in world.categories:
            ease, own = rng.uniform(least, 99.5), rng.uniform(max(least, 60), 99.5)
            slope = fall * rng.uniform(0.3, 1.7)
            for at, level in enumerate(world.levels):
                key = (method, category, level)
                image = _image(rng, world, ease - slope * at, category)
                values[(*key, "image_auroc")] = sum(image, Fraction(0)) / world.runs
                if world.runs > 1:
                    spread = np.std([float(x) for x in image], ddof=1)
                    deviations[(*key, "image_auroc")] = round(float(spread), 2)
                # Pixels share some of what makes a category hard, and have errors of their own.
                pixel = share * ease + (1 - share) * own - slope * at * rng.uniform(0.3, 1)
                pixel += rng.normal(0, world.deviation / 2)
                pixels = Fraction(round(float(np.clip(pixel, 0, 100)) * 10**6), 10**6)
                values[(*key, "pixel_auroc")] = pixels
                if level == 0:
                    for name, value in _decisions(rng, world, category).items():
                        values[(*key, name)] = value
    return values, deviations


def _image(rng: np.random.Generator, world: World, base: float, category: str) -> list[Fraction]:
    """Draw an image AUROC per run that the counts can give, from 0 to 100."""
    counts = MVTEC[category]
    pairs = 2 * counts.test_anomalous * counts.test_nominal
    found = base + rng.normal(0, world.deviation, world.runs)
    return [Fraction(100 * int(np.clip(round(x / 100 * pairs), 0, pairs)), pairs) for x in found]


def _decisions(rng: np.random.Generator, world: World, category: str) -> dict[str, Fraction]:
    """Mean precision, recall and F1 over the runs of a good detector."""
    counts = MVTEC[category]
    names = ("precision", "recall", "f1")
    total = dict.fromkeys(names, Fraction(0))
    for _ in range(world.runs):
        tp = int(np.ceil(counts.test_anomalous * rng.uniform(0.95, 1)))
        fp = int(counts.test_nominal * rng.uniform(0, 0.1))
        parts = (tp + fp, counts.test_anomalous, Fraction(counts.test_anomalous + tp + fp, 2))
        for name, part in zip(names, parts, strict=True):
            total[name] += Fraction(100 * tp) / part
    return {name: value / world.runs for name, value in total.items()}


def _claims(
    rng: np.random.Generator, world: World, entries: list[Printed], values: dict
) -> dict[str, Claim]:
    """Draw claims that follow from the values behind the table, or from its digits."""
    found: dict[str, Claim] = {}
    aurocs = [e for e in entries if e.metric == "image_auroc" and not e.average]
    for index in range(CLAIMS):
        pair = sorted(rng.permutation(len(aurocs))[:2], key=lambda at: -_behind(aurocs[at], values))
        if len(pair) < 2:
            continue
        one, other = (aurocs[at] for at in pair)
        exact = bool(rng.integers(2))
        a, b = (e.value if exact else _behind(e, values) for e in (one, other))
        check = _check(rng, world, (one, other), (max(a, b), b))
        found[f"c{index}"] = Claim(text="text", where="section 1", checks=(check,))
    return found | _ranks(entries)


def _behind(entry: Printed, values: dict) -> Fraction:
    return values[_key(entry)]


def _check(
    rng: np.random.Generator,
    world: World,
    pair: tuple[Printed, Printed],
    behind: tuple[Fraction, Fraction],
) -> ClaimCheck:
    a, b = behind
    of = tuple(map(_address, pair))
    kinds = [Kind.VALUE, Kind.REST, Kind.DIFFERENCE, Kind.RATIO, Kind.INCREASE]
    kind = kinds[int(rng.integers(len(kinds)))]
    exact = {
        Kind.VALUE: a,
        Kind.REST: 100 - a,
        Kind.DIFFERENCE: a - b,
        Kind.RATIO: a / b,
        Kind.INCREASE: 100 * (a / b - 1),
    }[kind]
    of = of[:1] if kind in (Kind.VALUE, Kind.REST) else of
    bound = rng.integers(3)
    if bound == 0:
        return ClaimCheck(kind=kind, of=of, above=Decimal(digits(exact, replace(world, cut=True))))
    if bound == 1:
        return ClaimCheck(kind=kind, of=of, below=Decimal(digits(exact + 1, world)))
    return ClaimCheck(kind=kind, of=of, printed=digits(exact, world))


def _ranks(entries: list[Printed]) -> dict[str, Claim]:
    """Claim the first place for a method that has it in some average."""
    rivals = [
        e for e in entries if e.average == "all" and e.noise == 0 and e.metric == "image_auroc"
    ]
    if len(rivals) < 2:
        return {}
    ordered = sorted(rivals, key=lambda e: -e.value)
    check = ClaimCheck(kind=Kind.BEST, of=tuple(map(_address, ordered)))
    return {"best": Claim(text="text", where="section 1", checks=(check,))}


def _address(entry: Printed) -> Address:
    return Address(
        target=TABLE.partition("/")[2], block=entry.block, rows=entry.row,
        columns=entry.column, metric=entry.metric,
    )  # fmt: skip
