"""The ``[run]`` and ``[layout]`` tables of a target's file, checked against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..datasets.errors import SpecError
from .layout import ALL_ANOMALOUS, METHODS, NOISE, BoldRule, Layout, Line, Place
from .pattern import parse_pattern
from .spec import DatasetSpec, GroupSpec, RunSpec
from .tomlcheck import KeyPath, Lines, nearest

_PLACE = ("method", "dataset", "category", "average_of", "noise", "cell")


def read_run(table: Mapping[str, Any], at: Lines) -> RunSpec:
    """Read what a target runs."""
    datasets = tuple(
        DatasetSpec(
            name=item["name"],
            categories=tuple(item["categories"]),
            synthetic=item.get("synthetic"),
            label=item.get("label", ""),
        )
        for item in table["datasets"]
    )
    if len({data.name for data in datasets}) < len(datasets):
        raise at.error("'run.datasets' holds a name twice", "run", "datasets")
    presets, groups = table.get("presets", {}), table.get("groups", [])
    if len({item["name"] for item in groups}) < len(groups):
        raise at.error("'run.groups' holds a name twice", "run", "groups")
    for key, values, where in (
        ("noise", table["noise"], ("run", "noise")),
        ("methods", table["methods"], ("run", "methods")),
        *(
            (f"presets.{name}.{key}", item[key], ("run", "presets", name, key))
            for name, item in presets.items()
            for key in ("methods", "categories")
            if key in item
        ),
    ):
        if len(set(values)) < len(values) or not values:
            raise at.error(f"'run.{key}' is empty or holds a value twice", *where)
    _check_presets(presets, datasets, at)
    return RunSpec(
        datasets=datasets,
        methods=tuple(table["methods"]),
        noise=tuple(float(level) for level in table["noise"]),
        seeds=table["seeds"],
        protocol=table["protocol"],
        evaluation=table["evaluation"],
        image_size=table.get("image_size"),
        paper_seeds=table["seeds"],
        hardware=table.get("hardware"),
        preset_methods=_of_presets(presets, "methods"),
        preset_categories=_of_presets(presets, "categories"),
        groups=tuple(_group(item, index, datasets, at) for index, item in enumerate(groups)),
    )


def _check_presets(presets: Mapping[str, Any], datasets: Iterable[DatasetSpec], at: Lines) -> None:
    """Refuse a category of a preset that no dataset of the run has."""
    known = [category for data in datasets for category in data.categories]
    for preset, item in presets.items():
        for name in item.get("categories", ()):
            if name not in known:
                where = ("run", "presets", preset, "categories")
                raise at.error(f"unknown category '{name}': {nearest(name, known)}", *where)


def _of_presets(presets: Mapping[str, Any], key: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(item[key]) for name, item in presets.items() if key in item}


def _group(
    item: Mapping[str, Any], index: int, datasets: Iterable[DatasetSpec], at: Lines
) -> GroupSpec:
    """Read a group of categories; its name must not be taken and it must not be empty."""
    where = ("run", "groups", index)
    known = {data.name: data.categories for data in datasets}
    name, dataset, categories = item["name"], item["dataset"], tuple(item["categories"])
    if name in known:
        raise at.error(f"group '{name}' has the name of a dataset", *where, "name")
    if dataset not in known:
        raise at.error(f"unknown dataset '{dataset}': {nearest(dataset, known)}", *where, "dataset")
    for category in categories:
        if category not in known[dataset]:
            hint = nearest(category, known[dataset])
            raise at.error(f"unknown category '{category}': {hint}", *where, "categories")
    if len(set(categories)) < len(categories) or not categories:
        raise at.error("'categories' is empty or holds a name twice", *where, "categories")
    return GroupSpec(name=name, dataset=dataset, categories=categories)


def read_layout(table: Mapping[str, Any], run: RunSpec, at: Lines) -> Layout:
    """Read a layout; every cell of it must be a place that the run can fill.

    Raises
    ------
    SpecError
        A name that the run does not know, a name that stands twice, a cell without a place or
        pattern; file:line.
    """
    label = table.get("column_label", "{}")
    if label.count("{}") != 1 or label.count("{") != 1 or label.count("}") != 1:
        message = f"'layout.column_label' is '{label}', expected one {{}} in it"
        raise at.error(message, "layout", "column_label")
    check = _Checker(run, at)
    layout = Layout(
        label=table.get("label", f"tab:{at.path.parent.resolve().name}-{at.path.stem}"),
        blocks=check.lines(table.get("blocks", []), "blocks"),
        rows=check.lines(table["rows"], "rows"),
        columns=check.lines(table["columns"], "columns"),
        at=check.place(table.get("at", {}), ("layout", "at")),
        row_header=table.get("row_header", _row_header(table["rows"])),
        column_header=table.get("column_header", ""),
        column_label=label,
        cell_header=table.get("cell_header", ""),
        bold=BoldRule(table.get("bold", BoldRule.NONE.value)),
        curve=tuple(table.get("curve", ())),
        always_reported=table.get("always_reported", False),
    )
    check.cells(layout)
    check.curve(layout)
    return layout


def _row_header(rows: str | list[Mapping[str, Any]]) -> str:
    """Return what stands above the rows' names: by default what the rows are, if they are alike."""
    if isinstance(rows, str) or all("method" in row for row in rows):
        return "Method"
    return "Category" if all("category" in row or "average_of" in row for row in rows) else ""


class _Checker:
    """Reads lines and places; the first thing that is wrong is raised at its line."""

    def __init__(self, run: RunSpec, at: Lines) -> None:
        self.run, self.at = run, at
        self.known = {data.name: data.categories for data in run.datasets}
        self.averages = (*self.known, *(group.name for group in run.groups))

    def lines(self, given: Any, axis: str) -> Any:
        if isinstance(given, str):
            return given
        found: list[Line] = []
        for index, item in enumerate(given):
            where = ("layout", axis, index)
            place = self.place({k: v for k, v in item.items() if k in _PLACE}, where)
            name = item.get("id", item.get("method"))
            if name is None:
                raise self.at.error(f"{axis} without 'id': expected an id or a method", *where)
            if name in {line.id for line in found}:
                kind = axis.removesuffix("s")
                raise self.at.error(f"{kind} id '{name}' stands twice", *where, "id")
            texts = {key: item.get(key, "") for key in ("label", "group", "header", "printed")}
            found.append(Line(id=name, at=place, **texts))
        return tuple(found)

    def place(self, given: Mapping[str, Any], where: KeyPath) -> Place:
        place = Place(**given)
        methods = (*self.run.methods, *self._preset_methods(), ALL_ANOMALOUS)
        if place.method is not None and place.method not in methods:
            raise self._unknown("method", place.method, methods, where)
        both = place.average_of is not None and place.category is not None
        if both or (place.category is None) != (place.dataset is None):
            raise self.at.error("expected dataset and category, or average_of", *where)
        for key in ("dataset", "average_of"):
            name = getattr(place, key)
            known = self.averages if key == "average_of" else tuple(self.known)
            if name is not None and name not in known:
                raise self._unknown(key, name, known, where)
        if place.category is not None and place.category not in self.known[place.dataset or ""]:
            raise self._unknown("category", place.category, self.known[place.dataset or ""], where)
        if place.cell is not None:
            try:
                parse_pattern(place.cell)
            except ValueError as err:
                raise self.at.error(f"'cell': {err}", *where, "cell") from err
        return place

    def _preset_methods(self) -> Iterable[str]:
        return (name for names in self.run.preset_methods.values() for name in names)

    def _unknown(self, key: str, name: str, known: Iterable[str], where: KeyPath) -> SpecError:
        return self.at.error(f"unknown {key} '{name}': {nearest(name, known)}", *where, key)

    def cells(self, layout: Layout) -> None:
        """Refuse a layout with a cell that belongs to no place, or to two methods."""
        if isinstance(layout.rows, str) and layout.rows == layout.columns == METHODS:
            raise self.at.error("rows and columns are both methods", "layout", "columns")
        blocks = layout.blocks or (Line(id="", label=""),)
        levels = tuple(Line(id="", label="", at=Place(noise=x)) for x in self.run.noise)
        some = (Line(id="", label="", at=Place(method=self.run.methods[0])),)

        def sample(lines: Any) -> tuple[Line, ...]:
            return {METHODS: some, NOISE: levels}[lines] if isinstance(lines, str) else lines

        for block in blocks:
            for row in sample(layout.rows):
                for column in sample(layout.columns):
                    place = layout.at.under(block.at).under(row.at).under(column.at)
                    missing = self._missing(place, layout)
                    if missing:
                        names = " of ".join(n for n in (column.id, row.id, block.id) if n)
                        message = f"cell {names or 'of the table'} has no {missing}: expected it "
                        message += "from its row, its column or [layout.at]"
                        raise self.at.error(message, "layout")

    def _missing(self, place: Place, layout: Layout) -> str:
        if place.average_of is None and place.category is None:
            return "category and no average_of"
        if place.noise is None:
            return "noise"
        if place.cell is None:
            return "cell pattern"
        return "" if place.method or layout.block_per_method else "method"

    def curve(self, layout: Layout) -> None:
        """Refuse curve rows that are not there."""
        names = [] if isinstance(layout.rows, str) else [row.id for row in layout.rows]
        for name in layout.curve:
            if name not in names:
                message = f"'layout.curve' names '{name}': {nearest(name, names)}"
                raise self.at.error(message, "layout", "curve")
