"""Random tables that are right: independent methods, run noise, digits rounded or cut."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from adrepro.tables.audit.ledger import Ledger, Printed, make_ledger, official_tests
from adrepro.tables.stated import StatedProtocol

MVTEC = {name[1]: counts for name, counts in official_tests().items() if name[0] == "mvtec_ad"}
LEVELS = (0, 10, 20, 30, 40, 50)


@dataclass(frozen=True)
class World:
    """How one random table comes about."""

    categories: tuple[str, ...]
    methods: tuple[str, ...]
    levels: tuple[int, ...]
    runs: int
    places: int
    cut: bool
    from_printed: bool
    deviation: float


def random_world(rng: np.random.Generator, *, cut: bool = False) -> World:
    names = list(MVTEC)
    count = int(rng.choice([4, 5, 6, 8, 15]))
    return World(
        categories=tuple(rng.permutation(names)[:count]),
        methods=tuple(f"m{i}" for i in range(int(rng.choice([1, 1, 2, 3])))),
        levels=LEVELS[: int(rng.choice([1, 1, 1, 1, 1, 6]))],
        runs=int(rng.integers(1, 6)),
        places=int(rng.integers(1, 3)),
        cut=cut,
        from_printed=bool(rng.integers(2)),
        deviation=float(rng.uniform(0.1, 2.0)),
    )


def digits(value: Fraction, world: World) -> str:
    """Print a percentage: half away from zero, or cut."""
    scaled = value * 10**world.places
    whole = scaled.numerator // scaled.denominator
    if not world.cut and scaled - whole >= Fraction(1, 2):
        whole += 1
    text = f"{whole // 10**world.places}.{whole % 10**world.places:0{world.places}d}"
    return "100" if text.startswith("100") and world.places == 1 else text


def _aurocs(rng: np.random.Generator, world: World, base: float, category: str) -> Fraction:
    """Mean over runs of image AUROCs that the counts can give, with run noise."""
    counts = MVTEC[category]
    pairs = 2 * counts.test_anomalous * counts.test_nominal
    found = base + rng.normal(0, world.deviation, world.runs)
    steps = [int(np.clip(round(x / 100 * pairs), 0.55 * pairs, pairs)) for x in found]
    return Fraction(100 * sum(steps), pairs * world.runs)


def _decisions(rng: np.random.Generator, category: str) -> dict[str, Fraction]:
    """Precision, recall and F1 of a good detector, single run."""
    counts = MVTEC[category]
    tp = int(np.ceil(counts.test_anomalous * rng.uniform(0.95, 1)))
    fp = int(counts.test_nominal * rng.uniform(0, 0.1))
    return {
        "precision": Fraction(100 * tp, tp + fp),
        "recall": Fraction(100 * tp, counts.test_anomalous),
        "f1": Fraction(200 * tp, counts.test_anomalous + tp + fp),
    }


def table(rng: np.random.Generator, world: World) -> list[Printed]:
    """Draw a consistent table: cells, their averages and bold marks on the best methods."""
    values: dict[tuple, Fraction] = {}
    for method in world.methods:
        ease = rng.uniform(82, 99, len(world.categories))
        fall = rng.uniform(0, 2.5)
        for index, category in enumerate(world.categories):
            for at, level in enumerate(world.levels):
                base = ease[index] - fall * at
                key = (method, category, level)
                values[(*key, "image_auroc")] = _aurocs(rng, world, base, category)
                pixel = Fraction(round(float(rng.uniform(85, 99.9)) * 10**6), 10**6)
                values[(*key, "pixel_auroc")] = pixel
                if level == 0 and world.runs == 1:
                    for name, value in _decisions(rng, category).items():
                        values[(*key, name)] = value
    entries = [_cell(world, key, digits(value, world)) for key, value in values.items()]
    entries += _averages(world, values, {_key(e): e for e in entries})
    return _bold(entries) if len(world.methods) > 1 and rng.integers(2) else entries


def _key(entry: Printed) -> tuple:
    return entry.method, entry.row, entry.noise, entry.metric


def _cell(world: World, key: tuple, text: str) -> Printed:
    method, category, level, metric = key
    return Printed(
        table="t", block=method, row=category, column=str(level),
        label=f"{method}, {category}, {level} %", method=method, metric=metric,
        categories=(("mvtec_ad", category),), text=text, noise=level, runs=world.runs,
    )  # fmt: skip


def _averages(
    world: World,
    values: dict,
    printed: dict[tuple, Printed],
    group: str = "all",
    inside: frozenset[str] = frozenset(MVTEC),
) -> list[Printed]:
    found = []
    members = [c for c in world.categories if c in inside]
    row = "average" if group == "all" else group
    for method, _, level, metric in {(k[0], "", k[2], k[3]): 0 for k in values}:
        keys = [(method, c, level, metric) for c in members]
        source = (
            [printed[k].value for k in keys] if world.from_printed else [values[k] for k in keys]
        )
        cell = _cell(world, (method, row, level, metric), "0")
        names = tuple(("mvtec_ad", c) for c in members)
        text = digits(sum(source, Fraction(0)) / len(source), world)
        found.append(replace(cell, categories=names, average=group, text=text))
    return found


def _bold(entries: list[Printed]) -> list[Printed]:
    best: dict[tuple, Fraction] = {}
    for e in entries:
        key = (e.row, e.noise, e.metric)
        best[key] = max(best.get(key, e.value), e.value)
    return [replace(e, bold=e.value == best[e.row, e.noise, e.metric]) for e in entries]


def with_copy(entries: list[Printed]) -> list[Printed]:
    """Add a second table that repeats the averages."""
    return [*entries, *(replace(e, table="copy") for e in entries if e.average)]


def stated(world: World) -> StatedProtocol:
    """Return what a paper would say of it, truthfully."""
    return StatedProtocol(
        dataset="mvtec_ad", where="section 4", trials=world.runs, deviation=world.deviation,
        train_images=60, noise=(0,), counts={"images": 5354, "categories": 15, "test": 1725},
    )  # fmt: skip


def ledger(entries: list[Printed]) -> Ledger:
    return make_ledger(entries)
