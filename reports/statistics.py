"""Statistics as text, Markdown, JSON, and the critical-difference diagram."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from ..datasets.errors import UsageError
from ..tables.formatting import Mark, level, percent
from ..tables.quantities import title
from ..tables.statistics.intervals import Interval
from ..tables.statistics.ranks import Comparison
from ..tables.statistics.summary import Overall, Place, Statistics
from .escape import markdown

Rows = list[list[str]]
NONE = "–"


def render(found: Statistics, heading: str, *, as_markdown: bool = False) -> str:
    """Render statistics as plain text or Markdown; both show the same digits.

    Parameters
    ----------
    found
        The statistics.
    heading
        First line.
    as_markdown
        Markdown tables instead of aligned columns.
    """
    grid = _markdown_grid if as_markdown else _text_grid
    mark = "## " if as_markdown else ""
    say = markdown if as_markdown else str
    parts = [f"{mark}{say(heading)}: {say(title(found.metric))}, percent"]
    parts += [say(note) for note in found.notes]
    if found.absent:
        parts.append(say(f"Without any result: {', '.join(found.absent)}."))
    for one in grids(found):
        parts += [f"{mark}{say(one.caption)}"] if one.caption else []
        parts.append(grid(one.heads, one.rows))
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One table of statistics: what stands over it (empty: what stood before), heads and rows."""

    caption: str
    heads: Sequence[str]
    rows: Rows


def grids(found: Statistics) -> Iterator[Grid]:
    """Yield the tables of statistics, in the order of every output."""
    yield Grid(caption="", heads=_PLACES, rows=[_place_row(place) for place in found.places])
    for one in found.overall:
        caption = f"{one.dataset}: {sentence(one)}"
        yield Grid(caption=caption, heads=_OVERALL, rows=_overall_rows(one))
        if one.comparison is not None:
            yield Grid(caption="", heads=_PAIRS, rows=_pair_rows(one.comparison))
        for noise, compared in one.by_level.items():
            ranks = zip(compared.methods, compared.mean_ranks, strict=True)
            rows = [[name, f"{rank:.2f}"] for name, rank in ranks]
            caption = f"{one.dataset}, {_at_level(noise, compared)}"
            yield Grid(caption=caption, heads=_RANKS, rows=rows)
            yield Grid(caption="", heads=_PAIRS, rows=_pair_rows(compared))


_PLACES = (
    *("method", "dataset", "category", "noise", "mean", "sd", "95 % interval", "over", "seeds"),
    *("categories", "missing"),
)
_RANKS = ("method", "mean rank")
_OVERALL = ("method", "mean rank", "rank over levels", "robustness area")
_PAIRS = ("first", "second", "median difference", "Wilcoxon p (Holm)", "Nemenyi p")


def _place_row(place: Place) -> list[str]:
    return [
        place.method,
        place.dataset,
        place.category,
        f"{place.noise:g}",
        mean_text(place),
        NONE if place.sd is None else percent(place.sd),
        interval_text(place.interval),
        place.interval.over.value if place.interval else NONE,
        f"{place.n}" if place.n == place.planned else f"{place.n} of {place.planned}",
        f"{place.categories}",
        place.reason,
    ]


def mean_text(place: Place) -> str:
    """Return the digits of a mean, or the mark that every table shows in its place."""
    if place.mean is not None:
        return percent(place.mean)
    if place.mark is None or place.mark is Mark.INCOMPLETE:
        return place.detail
    return place.mark.symbol


def interval_text(interval: Interval | None) -> str:
    """Return ``"93.1 to 95.0"`` of an interval of fractions; a mean's may pass 100."""
    if interval is None:
        return NONE
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def sentence(one: Overall) -> str:
    """Say what methods were compared over on a dataset, and what the tests found."""
    kinds = "category" if one.blocks == 1 else "categories"
    parts = [f"{one.blocks} {kinds}, each the mean over the levels that all methods have there"]
    if one.left_out:
        places = "place" if one.left_out == 1 else "places"
        parts.append(
            f"{one.left_out} {places} (category and level) left out, as some method lacks them"
        )
    if one.comparison is None:
        parts.append("one method" if len(one.methods) < 2 else "too few to test")
    else:
        parts += _tests(one.comparison)
    levels = ", ".join(f"{level:g}" for level in one.levels) or "none"
    return "; ".join([*parts, f"levels with complete averages: {levels}"])


def _at_level(noise: float, found: Comparison) -> str:
    return "; ".join([f"at {level(noise)} % alone: {found.n} categories", *_tests(found)])


def _tests(found: Comparison) -> list[str]:
    parts = []
    if found.p_friedman is not None:
        parts.append(f"Friedman p = {found.p_friedman:.3g}")
    if found.critical_difference is not None:
        parts.append(f"critical difference {found.critical_difference:.2f} ranks at 5 %")
    return parts


def _overall_rows(one: Overall) -> Rows:
    ranks = mean_ranks(one)
    names = ranks or one.areas
    return [
        [
            name,
            f"{ranks[name]:.2f}" if name in ranks else NONE,
            f"{one.level_ranks[name]:.2f}" if name in one.level_ranks else NONE,
            NONE if (area := one.areas[name]) is None else percent(area),
        ]
        for name in names
    ]


def mean_ranks(one: Overall) -> dict[str, float]:
    """Return method → mean rank over categories; empty where nothing was compared."""
    found = one.comparison
    return dict(zip(found.methods, found.mean_ranks, strict=True)) if found else {}


def _pair_rows(found: Comparison) -> Rows:
    return [
        [
            pair.first,
            pair.second,
            f"{100 * pair.median:+.1f}",
            NONE if pair.p_wilcoxon is None else f"{pair.p_wilcoxon:.3g}",
            NONE if pair.p_nemenyi is None else f"{pair.p_nemenyi:.3g}",
        ]
        for pair in found.pairs
    ]


def _text_grid(head: Sequence[str], rows: Rows) -> str:
    widths = [max(len(row[i]) for row in [list(head), *rows]) for i in range(len(head))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(head), *rows]
    ]
    return "\n".join(lines)


def _markdown_grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    lines += [f"| {' | '.join(markdown(text) for text in row)} |" for row in rows]
    return "\n".join(lines)


def render_json(found: Statistics, target: str) -> str:
    """Render statistics as JSON at full precision: fractions, None where undefined."""
    document = {"schema": 1, "target": target, **asdict(found)}
    return json.dumps(document, indent=1, default=_plain, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Mark):
        return value.name.lower()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} is no JSON value")


def render_diagram(found: Statistics, form: str) -> bytes:
    """Draw the critical-difference diagram of each dataset that has a Nemenyi test.

    Methods stand at their mean rank over categories; a bar joins those that Nemenyi's test
    at 5 % cannot tell apart.

    Parameters
    ----------
    form
        ``"svg"``, ``"pdf"`` or ``"png"``.

    Raises
    ------
    UsageError
        No dataset with three methods and enough places.
    """
    from .figures.ranks import NEEDS, draw_statistics, tested
    from .figures.style import WIDTHS, render

    if not tested(found):
        raise UsageError(f"no critical-difference diagram: it needs {NEEDS}")
    return render(lambda: draw_statistics(found, WIDTHS["page"]), form)
