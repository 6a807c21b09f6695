"""Statistics as text, Markdown, JSON, and the critical-difference diagram."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from ..datasets.errors import UsageError
from ..tables.formatting import Mark, level, percent
from ..tables.quantities import title
from ..tables.statistics.intervals import Interval
from ..tables.statistics.ranks import Comparison
from ..tables.statistics.summary import Overall, Place, Statistics
from . import statistics_text
from .escape import markdown

Rows = list[list[str]]
NONE = "–"
INTERVALS = (
    "Intervals have 95 % confidence: over seeds Student's of the mean, cut at 0 and 100; over test "
    "images, of a single run, the bootstrap's."
)


def render(found: Statistics, heading: str, *, as_markdown: bool = False) -> str:
    """Render statistics as plain text of at most 80 columns, or as Markdown, with the same digits.

    Parameters
    ----------
    found
        The statistics.
    heading
        First line.
    as_markdown
        Markdown tables instead of aligned columns.
    """
    mark, say = ("## ", markdown) if as_markdown else ("", statistics_text.paragraph)
    parts = [f"{mark}{say(f'{heading}: {title(found.metric)}, percent')}"]
    parts += [say(note) for note in (*found.notes, INTERVALS)]
    if found.absent:
        parts.append(say(f"Without any result: {', '.join(found.absent)}."))
    tables = list(grids(found))
    if not as_markdown:
        # All its columns together are wider than a terminal.
        rows = [row[2 : 2 + len(statistics_text.PLACE_HEADS)] for row in _shown(found.places)]
        parts += statistics_text.places(found.places, rows)
        tables = tables[1:]
    for one in tables:
        parts += [f"{mark}{say(one.caption)}"] if one.caption else []
        parts.append((_markdown_grid if as_markdown else statistics_text.grid)(one.heads, one.rows))
    return "\n\n".join(parts) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One table of statistics: what stands over it (empty: what stood before), heads and rows.

    The first columns, as many as ``names``, say what a row is about.
    """

    caption: str
    heads: Sequence[str]
    rows: Rows
    names: int = 1


def grids(found: Statistics) -> Iterator[Grid]:
    """Yield the tables of statistics, in the order of every output."""
    yield Grid(caption="", heads=_PLACES, rows=_shown(found.places), names=4)
    for one in found.overall:
        caption = f"{one.dataset}: {sentence(one)}"
        yield Grid(caption=caption, heads=_OVERALL, rows=_overall_rows(one))
        if one.comparison is not None:
            yield Grid(caption="", heads=_PAIRS, rows=_pair_rows(one.comparison), names=2)
        for noise, compared in one.by_level.items():
            ranks = zip(compared.methods, compared.mean_ranks, strict=True)
            rows = [[name, f"{rank:.2f}"] for name, rank in ranks]
            caption = f"{one.dataset}, {_at_level(noise, compared)}"
            yield Grid(caption=caption, heads=_RANKS, rows=rows)
            yield Grid(caption="", heads=_PAIRS, rows=_pair_rows(compared), names=2)


_PLACES = (
    *("method", "dataset", *statistics_text.PLACE_HEADS),
    *("categories", "missing"),
)
_RANKS = ("method", "mean rank")
_OVERALL = ("method", "mean rank", "rank over levels", "robustness area")
_PAIRS = ("first", "second", "median difference", "Wilcoxon p (Holm)", "Nemenyi p")


def _shown(places: Iterable[Place]) -> Rows:
    return [_place_row(place) for place in places]


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
    """Return ``"93.1 to 95.0"`` of an interval of fractions."""
    if interval is None:
        return NONE
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def sentence(one: Overall, name: Callable[[str], str] = str) -> str:
    """Say what methods were compared over on a dataset, what the tests found, and who is left out.

    Parameters
    ----------
    one
        The comparison.
    name
        Gives a method's name as it is to be shown.
    """
    kinds = "category" if one.blocks == 1 else "categories"
    whose = "all compared methods" if one.uncompared else "all methods"
    parts = [f"{one.blocks} {kinds}, each the mean over the levels that {whose} have there"]
    if one.left_out:
        places = "place" if one.left_out == 1 else "places"
        parts.append(
            f"{one.left_out} {places} (category and level) left out, as some method lacks them"
        )
    if one.comparison is None:
        parts.append("one method" if len(one.methods) < 2 else "too few to test")
    else:
        parts += _tests(one.comparison)
    levels = ", ".join(f"{level:g}" for level in one.levels)
    levels = f"{levels} %" if levels else "none"
    parts.append(f"levels with complete averages: {levels}")
    if one.uncompared:
        listed = ", ".join(f"{name(method)} ({why})" for method, why in one.uncompared.items())
        parts.append(f"not compared, no number: {listed}")
    return "; ".join(parts)


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
