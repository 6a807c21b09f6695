"""The critical-difference diagram: mean ranks over categories, and which cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...tables.quantities import title
from ...tables.statistics.overall import Overall
from ...tables.statistics.summary import Statistics
from .material import Material
from .style import INK, Look, canvas, finish, look_of, looks, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NEEDS = "three methods with results in three categories"


def why_not(material: Material) -> str:
    """Say why the figure cannot be drawn; empty where it can."""
    found = material.statistics
    return "" if found and tested(found) else f"it needs {NEEDS} at the same levels"


def alt(material: Material) -> str:
    """Say what the figure shows."""
    found = material.statistics
    said = []
    for one in tested(found) if found else ():
        assert one.comparison is not None
        pairs = zip(one.comparison.methods, one.comparison.mean_ranks, strict=True)
        ranks = ", ".join(f"{material.model.method_title(name)} {rank:.2f}" for name, rank in pairs)
        said.append(f"{material.dataset_title(one.dataset)}: {ranks}")
    return f"Mean ranks by {title(material.metric)} over categories. {'; '.join(said)}"


def draw(material: Material, width: float) -> Figure:
    """Draw a diagram per dataset."""
    found = material.statistics
    assert found is not None
    model = material.model
    titles = {method.name: method.title for method in model.methods}
    labels = {name: material.dataset_title(name) for name in material.datasets}
    figure = draw_statistics(found, width, titles=titles, datasets=labels, colors=looks(model))
    return finish(figure, {}, synthetic=model.synthetic)


def tested(found: Statistics) -> list[Overall]:
    """List the datasets with a Friedman test, which the diagram belongs to."""
    return [
        one for one in found.overall if one.comparison and one.comparison.p_friedman is not None
    ]


def draw_statistics(
    found: Statistics,
    width: float,
    *,
    titles: Mapping[str, str] | None = None,
    datasets: Mapping[str, str] | None = None,
    colors: Mapping[str, Look] | None = None,
) -> Figure:
    """Draw the diagram of each dataset that has a Nemenyi test.

    Parameters
    ----------
    found
        The statistics; `tested` must not be empty.
    width
        In inches.
    titles, datasets
        Printed names of methods and datasets; None = their names.
    colors
        Looks of methods; None = in the order of their ranks.
    """
    shown = tested(found)
    narrow = round(6.2 * width)
    names = {name: wrapped((titles or {}).get(name, name), narrow) for name in found_names(shown)}
    lines = max(name.count("\n") + 1 for name in names.values())
    rows = [max(3, -(-len(_methods(one)) // 2)) for one in shown]
    heights = [0.55 + (0.07 + 0.14 * lines) * count for count in rows]
    figure = canvas(width, sum(heights))
    axes = figure.subplots(len(shown), 1, squeeze=False, gridspec_kw={"height_ratios": heights})
    for axis, one in zip(axes[:, 0], shown, strict=True):
        _diagram(axis, one, names, colors or {})
        name = (datasets or {}).get(one.dataset, one.dataset)
        # In the middle: the names of methods reach far beyond both ends of the axis.
        text = wrapped(f"{name}: mean rank over {one.blocks} categories", round(10 * width))
        axis.set_title(text, fontweight="bold")
    return figure


def found_names(shown: Sequence[Overall]) -> list[str]:
    """List the methods of several diagrams, each once."""
    return list(dict.fromkeys(name for one in shown for name in _methods(one)))


def _methods(one: Overall) -> Sequence[str]:
    assert one.comparison is not None
    return one.comparison.methods


def _diagram(
    axis: Axes, one: Overall, titles: Mapping[str, str], colors: Mapping[str, Look]
) -> None:
    import pandas as pd
    import scikit_posthocs

    comparison = one.comparison
    assert comparison is not None
    names = list(comparison.methods)
    # Methods by number: the library goes through sets, in an order that texts share in no two runs.
    places = {name: place for place, name in enumerate(names)}
    p_values = pd.DataFrame(1.0, index=range(len(names)), columns=range(len(names)))
    for pair in comparison.pairs:
        p = 1.0 if pair.p_nemenyi is None else pair.p_nemenyi
        first, second = places[pair.first], places[pair.second]
        p_values.loc[first, second] = p_values.loc[second, first] = p
    ranks = dict(enumerate(comparison.mean_ranks))
    palette: dict[Any, str] = {i: colors.get(n, look_of(i)).color for i, n in enumerate(names)}
    found: dict[str, Any] = scikit_posthocs.critical_difference_diagram(
        ranks,
        p_values,
        ax=axis,
        color_palette=palette,
        label_fmt_left="{label}  {rank:.2f} ",
        label_fmt_right=" {rank:.2f}  {label}",
        crossbar_props={"color": INK, "linewidth": 2.2},
    )
    # The style hides the upper spine, which is the axis here.
    axis.spines["top"].set_visible(True)
    _name(found["labels"], names, comparison.mean_ranks, titles)


def _name(
    texts: Sequence[Any], names: Sequence[str], ranks: Sequence[float], titles: Mapping[str, str]
) -> None:
    """Put printed names in place of the methods' numbers."""
    by_text = {}
    for place, (name, rank) in enumerate(zip(names, ranks, strict=True)):
        shown = titles[name]
        by_text[f"{place}  {rank:.2f} "] = f"{shown}  {rank:.2f} "
        by_text[f" {rank:.2f}  {place}"] = f" {rank:.2f}  {shown}"
    for text in texts:
        text.set_text(by_text[text.get_text()])
        # The library gives labels their method's colour, too light to read for some.
        text.set_color(INK)
