"""The page of one method, for ``reproduce methods show``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

if TYPE_CHECKING:
    from ...methods.base import Method
    from ...methods.meanings import SettingInfo


def method_page(name: str) -> Group:
    """Return all that is declared of a method, as a printable page.

    Parameters
    ----------
    name
        As on the command line, also of a variant, whose settings are then shown.

    Raises
    ------
    UsageError
        No such method or variant.
    """
    from ...methods.registry import method_class, split_variant

    return Group(*_page(method_class(name), split_variant(name)[1]))


def _page(cls: type[Method], variant: str) -> Iterator[RenderableType]:
    from ...methods.meanings import preset_cells, setting_infos
    from ...methods.settings import PAPER, preset_image_size, variant_of
    from ..presets import PRESETS

    chosen = variant_of(cls, variant)
    title = f"{cls.title}, as printed: {chosen.title}" if chosen else cls.title
    yield Text(f"{cls.name}{f'@{variant}' if variant else ''}: {title}", style="bold")
    yield Text(cls.paper or "no paper named")
    yield Text("")
    yield Text(f"backbone  {cls.backbone or 'none'}")
    size = preset_image_size(cls, PAPER, variant)
    yield Text(f"image     {size} px, maps smoothed with σ = {cls.smoothing_sigma:g} px")
    yield Text(f"maps      {'yes' if cls.localises else 'no'}")
    yield Text(f"presets   {', '.join((PAPER, *cls.presets))}")
    for preset, changes in preset_cells(cls).items():
        # A preset's own backbone serves every method that names none for it (see `grid`).
        usual = PRESETS[preset].backbone if preset in PRESETS and cls.backbone else None
        shown = ({"backbone": usual} if usual else {}) | changes
        if shown:
            yield Text(f"          {preset}: {_listed(shown)}")
    yield from _variants(cls)
    yield from _settings(setting_infos(cls, variant))
    if cls.departures:
        yield Text("\nDepartures from the paper", style="bold")
        yield from (_indented(f"- {sentence}") for sentence in cls.departures)


def _variants(cls: type[Method]) -> Iterator[RenderableType]:
    if not cls.variants:
        return
    yield Text("\nVariants", style="bold")
    for name, variant in cls.variants.items():
        size = {} if variant.image_size is None else {"image_size": variant.image_size}
        changes = _listed({**variant.settings, **size}) or "as the method"
        yield _indented(f"{cls.name}@{name} ({variant.title}): {changes}")


def _settings(settings: list[SettingInfo]) -> Iterator[RenderableType]:
    yield Text("\nSettings" if settings else "\nNo settings", style="bold")
    for setting in settings:
        presets = "".join(f", {name}: {_shown(value)}" for name, value in setting.presets.items())
        yield _indented(f"{setting.name} = {_shown(setting.default)}{presets}")
        if setting.meaning:
            yield _indented(setting.meaning, 6)


def _indented(text: str, by: int = 2) -> Padding:
    return Padding(Text(text), (0, 0, 0, by))


def _listed(changes: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {_shown(value)}" for name, value in changes.items())


def _shown(value: Any) -> str:
    """Write a value as ``--set`` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(_shown, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
