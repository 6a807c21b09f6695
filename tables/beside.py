"""What must be known before numbers of the paper and of a run stand side by side.

The paper's own table may always be read by itself. Beside achieved results, in one drawing or one
table, it may stand only where a level means the same on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..datasets.noise import parse_protocol
from .model import MethodInfo, MethodRuns
from .runs import Run
from .spec import Target

PAPER_PRESET = "paper"


def run_differs(target: Target, protocols: Sequence[str], preset: str) -> tuple[str, ...]:
    """Name what makes a whole run differ from the paper's: its preset, its noise protocol."""
    reasons = [f"preset {preset}"] if preset != PAPER_PRESET else []
    # The target names a protocol with the defaults left out; results carry all parameters.
    wanted = parse_protocol(target.run.protocol).protocol_id
    reasons += [f"protocol {given} instead of {wanted}" for given in protocols if given != wanted]
    return tuple(reasons)


def departures(
    target: Target,
    info: MethodInfo | None,
    facts: Mapping[str, tuple[str, ...]],
    preset: str,
    *,
    synthetic: bool,
) -> tuple[str, ...]:
    """Name everything that forbids to set a method's numbers against the paper's."""
    reasons = []
    if synthetic:
        reasons.append("embedded synthetic data")
    reasons += run_differs(target, facts["protocol"], preset)
    if info is None:
        return (*reasons, "nothing is known about the method's own paper")
    expected = info.paper_backbone or "none"
    for backbone in facts["backbone"]:
        if backbone != expected:
            reasons.append(f"backbone {backbone} instead of {expected}")
    size = target.run.image_size or info.paper_image_size
    for given in facts["image_size"]:
        if size is not None and given != str(size):
            reasons.append(f"image size {given} instead of {size}")
    wanted = target.run.evaluation
    reasons += [f"evaluation {g} instead of {wanted}" for g in facts["evaluation"] if g != wanted]
    reasons += _other_hardware(target, facts)
    return (*reasons, *info.overrides)


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
