"""What must be known before numbers of the paper and of a run stand side by side.

The paper's own table may always be read by itself. Beside achieved results, in one drawing or one
table, it may stand only where a level means the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..datasets.noise import parse_protocol
from .model import MethodInfo, MethodRuns
from .runs import Run
from .spec import Essential, Target

PAPER_PRESET = "paper"


def run_differs(target: Target, protocols: Sequence[str], preset: str) -> tuple[str, ...]:
    """Name what makes a whole run differ from the paper's: its preset, its noise protocol."""
    reasons = [f"preset {preset}"] if preset != PAPER_PRESET else []
    # The target names a protocol with the defaults left out; results carry all parameters.
    wanted = parse_protocol(target.run.protocol).protocol_id
    reasons += [f"protocol {given} instead of {wanted}" for given in protocols if given != wanted]
    return tuple(reasons)


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure:
    """One way in which a run differs from the paper's: of what kind, and which in words."""

    kind: Essential
    text: str


def departures(
    target: Target,
    info: MethodInfo | None,
    facts: Mapping[str, tuple[str, ...]],
    preset: str,
    *,
    synthetic: bool,
) -> tuple[Departure, ...]:
    """Name everything in which a method's run differs from the paper's, by kind."""
    protocols = run_differs(target, facts["protocol"], PAPER_PRESET)
    found: dict[Essential, Sequence[str]] = {
        Essential.DATA: ["embedded synthetic data"] if synthetic else [],
        Essential.SETTINGS: run_differs(target, (), preset),
        Essential.PROTOCOL: protocols,
    }
    if info is None:
        overrides: Sequence[str] = ["nothing is known about the method's own paper"]
        return _listed(found) + _listed({Essential.SETTINGS: overrides})
    expected = info.paper_backbone or "none"
    found[Essential.BACKBONE] = [
        f"backbone {given} instead of {expected}"
        for given in facts["backbone"]
        if given != expected
    ]
    size = target.run.image_size or info.paper_image_size
    found[Essential.IMAGE_SIZE] = [
        f"image size {given} instead of {size}"
        for given in facts["image_size"]
        if size is not None and given != str(size)
    ]
    wanted = target.run.evaluation
    found[Essential.EVALUATION] = [
        f"evaluation {given} instead of {wanted}"
        for given in facts["evaluation"]
        if given != wanted
    ]
    found[Essential.HARDWARE] = _other_hardware(target, facts)
    return _listed(found) + _listed({Essential.SETTINGS: info.overrides})


def _listed(found: Mapping[Essential, Sequence[str]]) -> tuple[Departure, ...]:
    return tuple(Departure(kind=kind, text=text) for kind, texts in found.items() for text in texts)


def _other_hardware(target: Target, facts: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Name the devices of a run whose times are not the paper's device's."""
    wanted = target.run.hardware
    if wanted is None:
        return []
    # The driver says "NVIDIA GeForce RTX 4090" where papers write "NVIDIA RTX 4090".
    known = wanted.casefold().replace("geforce ", "")
    used = facts["device_name"] or facts["device"] or ("unknown",)
    return [
        f"device {name} instead of {wanted}"
        for name in used
        if name.casefold().replace("geforce ", "") != known
    ]


def few_seeds(
    target: Target, shown: bool, methods: Sequence[MethodRuns], runs: Sequence[Run]
) -> str:
    """Say how many seeds were run where they are fewer than the paper's trials.

    Empty where they are not, or where nothing reported is ``shown``.
    """
    planned = target.run.paper_seeds or target.run.seeds
    counts = sorted({method.seeds for method in methods})
    if not shown or not runs or not counts or counts[0] >= planned:
        return ""
    number = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return (
        f"{number} seed{'s' if counts[-1] != 1 else ''}; the paper's table is the mean of "
        f"{planned} trials."
    )
