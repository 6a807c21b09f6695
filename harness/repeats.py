"""Warn where repetitions repeat nothing: three seeds with one and the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .frames import METRIC_COLUMNS, TIME_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

# Two seeds may well agree where few test images leave few possible values; three hardly.
ENOUGH = 3
_PLACE = ["method", "dataset", "category", "noise", "protocol", "evaluation", "settings"]
SOME = 3


def identical_seeds(frame: pd.DataFrame) -> list[str]:
    """Name the places where three seeds or more gave exactly the same metrics and threshold.

    The threshold is a float of the training scores: it agrees to the last digit only where the
    model and the training images do. An interval over such seeds has no width and means nothing.

    Parameters
    ----------
    frame
        As `frames.to_frame` gives it.

    Returns
    -------
    list of str
        At most one line per method.
    """
    import pandas as pd

    measured = [name for name in METRIC_COLUMNS if name not in TIME_COLUMNS]
    done = pd.DataFrame(frame[(frame["status"] == "done") & frame["threshold"].notna()])
    found: dict[str, list[str]] = {}
    for place, rows in done.groupby(_PLACE, dropna=False, sort=False):
        if len(set(rows["seed"])) >= ENOUGH and len(rows[measured].drop_duplicates()) == 1:
            method, dataset, category, noise = list(place)[:4]  # pyright: ignore[reportArgumentType, reportCallIssue]
            found.setdefault(str(method), []).append(f"{dataset}/{category}/noise{noise:g}")
    return [_line(method, places) for method, places in found.items()]


def _line(method: str, places: list[str]) -> str:
    more = f" and {len(places) - SOME} more" if len(places) > SOME else ""
    return (
        f"{method}: all seeds gave exactly the same result at {', '.join(places[:SOME])}{more}; "
        "its deviation over seeds is zero because nothing was drawn, not because it is certain"
    )
