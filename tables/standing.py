"""Which method wins: the order by image AUROC per dataset and noise level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .aggregate import summarise
from .formatting import percent_value
from .outcome import Estimate
from .runs import Run
from .spec import DatasetSpec, Target

# The quantity that methods are ranked by.
RANKED = "image_auroc"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The order of the methods on one dataset at one level.

    Attributes
    ----------
    dataset
        Printed name.
    noise
        Level in percent.
    order
        Method and its mean image AUROC over all categories, best first; complete sets only.
    incomplete
        Methods whose set is not complete: they stand in no order.
    """

    dataset: str
    noise: float
    order: tuple[tuple[str, Estimate], ...]
    incomplete: tuple[str, ...] = ()

    @property
    def winners(self) -> tuple[str, ...]:
        """Methods whose digits, as shown, no other method exceeds."""
        shown = {name: percent_value(found.mean) for name, found in self.order}
        return tuple(name for name, value in shown.items() if value == max(shown.values()))

    def rank(self, method: str) -> int | None:
        """Return 1 + the methods whose shown digits are larger; None for one without a place."""
        shown = {name: percent_value(found.mean) for name, found in self.order}
        if method not in shown:
            return None
        return 1 + sum(value > shown[method] for value in shown.values())


def standings(target: Target, methods: Mapping[str, Sequence[Run]]) -> tuple[Standing, ...]:
    """Order the methods on every dataset and level that has results.

    Parameters
    ----------
    target
        Names the categories of a complete set.
    methods
        Method → its runs.
    """
    found = []
    for data in target.run.datasets:
        for noise in target.run.noise:
            here = {
                name: [r for r in runs if r.dataset == data.name and r.noise == noise]
                for name, runs in methods.items()
            }
            if any(here.values()):
                found.append(_standing(data, noise, here, methods))
    return tuple(found)


def _standing(
    data: DatasetSpec,
    noise: float,
    here: Mapping[str, Sequence[Run]],
    methods: Mapping[str, Sequence[Run]],
) -> Standing:
    order, incomplete = [], []
    for name, runs in here.items():
        if not runs:
            continue
        members = [
            [run for run in runs if run.category == category] for category in data.categories
        ]
        planned = len({run.seed for run in methods[name]})
        found = summarise(members, RANKED, planned, average=True).estimate
        if found is None:
            incomplete.append(name)
        else:
            order.append((name, found))
    order.sort(key=lambda item: -item[1].mean)
    return Standing(
        dataset=data.label or data.name,
        noise=noise,
        order=tuple(order),
        incomplete=tuple(incomplete),
    )
