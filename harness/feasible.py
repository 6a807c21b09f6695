"""What a noise protocol can give on the data at hand, before any image is opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.errors import NoiseError
from ..datasets.types import Dataset
from .grid import Grid, check_names
from .selection import chosen_categories, open_datasets

if TYPE_CHECKING:
    from ..datasets.noise import Feasibility, NoiseProtocol


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one protocol gives: (dataset, category) → one row per noise level of the grid."""

    grid: Grid
    protocol: NoiseProtocol
    rows: Mapping[tuple[str, str], tuple[Feasibility, ...]]

    @property
    def notes(self) -> list[str]:
        """What is not as the levels alone would give it; a line for all it is equally true of."""
        levels: dict[tuple[str, str], list[float]] = {}
        for (_, category), rows in self.rows.items():
            for row in rows:
                if row.note and row.possible:
                    levels.setdefault((category, row.note), []).append(row.level)
        alike: dict[tuple[str, str], list[str]] = {}
        for (category, note), at in levels.items():
            alike.setdefault((note, ", ".join(f"{level:g}" for level in at)), []).append(category)
        return [
            f"{', '.join(names) if len(names) < 4 else f'{len(names)} categories'}"
            f" at {at} %: {note}"
            for (note, at), names in alike.items()
        ]

    def raise_if_impossible(self) -> None:
        """Raise the first impossible level as a `NoiseError`, with the count of the others."""
        said = [row.note for rows in self.rows.values() for row in rows if not row.possible]
        if said:
            more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
            raise NoiseError(f"{said[0]}{more}")


def noise_protocols(grid: Grid) -> tuple[NoiseProtocol, ...]:
    """Return the grid's protocols; two texts for the same one give it once."""
    from ..datasets.noise import parse_protocol

    parsed = [parse_protocol(text) for text in grid.protocols]
    return tuple({protocol.protocol_id: protocol for protocol in parsed}.values())


def outlooks(grid: Grid, data_root: Path | None) -> tuple[Outlook, ...]:
    """Open the grid's datasets and say what each protocol and level takes from each category."""
    protocols = noise_protocols(grid)
    check_names(grid)
    datasets = open_datasets(grid, data_root)
    return tuple(Outlook(grid, p, feasible(grid, datasets, p)) for p in protocols)


def feasible(
    grid: Grid, datasets: tuple[Dataset, ...], protocol: NoiseProtocol
) -> dict[tuple[str, str], tuple[Feasibility, ...]]:
    """Return the rows of every chosen category."""
    from ..datasets.noise import feasibility

    return {
        (dataset.name, name): tuple(feasibility(dataset.category(name), grid.noise, protocol))
        for dataset in datasets
        for name in chosen_categories(grid, dataset)
    }
