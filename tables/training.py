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


def _missed(runs: Sequence[Run]) -> list[tuple[str, str, str, str]]:
    """List dataset, category, nominal and reached level where they differ, each once."""
    found: dict[tuple[str, str, str, str], None] = {}
    for run in runs:
        reached = run.facts.get("noise_effective")
        name = str(run.facts.get("protocol") or "").partition("/")[0]
        if reached is None or name not in _TRUE_FRACTION:
            continue
        if abs(exact(reached) - exact(run.noise)) > _SAME_LEVEL:
            place = (run.dataset, run.category, level(run.noise), f"{float(reached):.1f}")
            found[place] = None
    return list(found)
