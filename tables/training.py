"""What the models behind one cell of a table were trained on."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from statistics import mean

from .formatting import exact, level
from .model import Training
from .runs import Run, Status

# Protocols whose level is the true fraction of mislabelled images; that of `added` is a ratio.
_TRUE_FRACTION = ("fixed-test", "overlap")

# Percentage points by which a reached level may miss the nominal one without a word.
_SAME_LEVEL = Fraction(1, 20)
# A level that no whole number of images gives is off by no more; frames hold levels as floats.
_HALF_AN_IMAGE = Fraction(1, 2) + Fraction(1, 10**6)


def training(runs: Sequence[Run]) -> Training:
    """Summarise what one cell of a table was trained on.

    Parameters
    ----------
    runs
        Its runs, over seeds and for an average also over categories. Only those that are done
        count, as long as one is.
    """
    done = [run for run in runs if run.status is Status.DONE]

    def average(name: str) -> Fraction | None:
        found = [exact(v) for run in done or runs if (v := run.facts.get(name)) is not None]
        return mean(found) if found else None

    return Training(
        n_train=average("n_train"),
        n_train_noisy=average("n_train_noisy"),
        noise_effective=average("noise_effective"),
        missed=tuple(_missed(done)),
    )


def _missed(runs: Sequence[Run]) -> list[tuple[str, str, str, str, bool]]:
    """List where levels differ, see `Training.missed`, each once."""
    found: dict[tuple[str, str, str, str, bool], None] = {}
    for run in runs:
        reached = run.facts.get("noise_effective")
        name = str(run.facts.get("protocol") or "").partition("/")[0]
        if reached is None or name not in _TRUE_FRACTION:
            continue
        off = abs(exact(reached) - exact(run.noise))
        if off > _SAME_LEVEL:
            size = run.facts.get("n_train")
            nearest = size is not None and off / 100 * exact(size) <= _HALF_AN_IMAGE
            reached_text = f"{float(reached):.1f}"
            found[run.dataset, run.category, level(run.noise), reached_text, nearest] = None
    return list(found)
