"""From text to a method's settings: presets, variants, ``--set`` overrides and their types."""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any

from ..datasets.errors import ContractError, UnknownNameError, UsageError
from .base import Method, Variant

PAPER = "paper"
# A preset may also set these; they are no settings of the method but of the cell.
CELL_KEYS = ("image_size", "backbone")


def preset_of(cls: type[Method], preset: str) -> Mapping[str, Any]:
    """Return what a preset changes; nothing for ``paper``.

    Raises
    ------
    UnknownNameError
        The method has no such preset.
    """
    if preset == PAPER:
        return {}
    if preset not in cls.presets:
        raise UnknownNameError(f"preset of {cls.name}", preset, [PAPER, *cls.presets])
    return cls.presets[preset]


def preset_image_size(cls: type[Method], preset: str, variant: str = "") -> int:
    """Return the input size in pixels: the preset's, else the variant's, else the method's."""
    chosen = variant_of(cls, variant)
    own = chosen.image_size if chosen and chosen.image_size is not None else cls.image_size
    return int(preset_of(cls, preset).get("image_size", own))


def variant_of(cls: type[Method], variant: str) -> Variant | None:
    """Return a named variant of a method; None for the empty name, the method as it is.

    Raises
    ------
    UnknownNameError
        The method has no such variant.
    UsageError
        It has none at all.
    """
    if not variant:
        return None
    if not cls.variants:
        raise UsageError(f"method '{cls.name}@{variant}': {cls.name} has no variants; drop the @")
    if variant not in cls.variants:
        raise UnknownNameError(f"variant of {cls.name}", variant, cls.variants)
    return cls.variants[variant]


def make_settings(
    cls: type[Method],
    preset: str = PAPER,
    overrides: Mapping[str, str] | None = None,
    *,
    variant: str = "",
) -> tuple[Any, str]:
    """Build a method's settings: defaults, preset, variant, its own for the preset, overrides.

    Parameters
    ----------
    cls
        The method.
    preset
        ``"paper"``, or a name in ``cls.presets``.
    overrides
        Setting → value as text, as in ``--set differnet.epochs=10``; wins over all.
    variant
        A name in ``cls.variants``; wins over the preset, but for what it says of that preset
        itself. Empty = none.

    Returns
    -------
    tuple
        The settings, and their canonical JSON, which goes into the cell.

    Raises
    ------
    UnknownNameError
        No such preset, variant or setting.
    UsageError
        A value that its field's type cannot hold.
    """
    known = field_types(cls)
    values = {k: v for k, v in preset_of(cls, preset).items() if k not in CELL_KEYS}
    chosen = variant_of(cls, variant)
    if chosen is not None:
        values |= {**chosen.settings, **_variant_preset(cls, chosen, preset)}
    unknown = [key for key in (*values, *(overrides or {})) if key not in known]
    if unknown:
        raise UnknownNameError(f"setting of {cls.name}", unknown[0], known)
    for key, text in (overrides or {}).items():
        values[key] = parse_value(text, known[key], f"{cls.name}.{key}")
    try:
        settings = cls.Settings(**values)
    except (TypeError, ValueError) as err:
        raise UsageError(f"settings of {cls.name}: {err}") from err
    return settings, settings_json(settings)


def _variant_preset(cls: type[Method], variant: Variant, preset: str) -> Mapping[str, Any]:
    """Return what a variant changes under a preset; it can speak of its method's presets only."""
    for name in variant.presets:
        if name not in cls.presets:
            raise UnknownNameError(f"preset of {cls.name}", name, cls.presets)
    return variant.presets.get(preset, {})


def settings_json(settings: Any) -> str:
    """Return the canonical JSON of a settings dataclass."""
    document = dataclasses.asdict(settings)
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def field_types(cls: type[Method]) -> dict[str, Any]:
    """Return setting → type, in the order of the fields.

    Raises
    ------
    ContractError
        ``Settings`` is not a frozen dataclass.
    """
    kind = cls.Settings
    params = getattr(kind, "__dataclass_params__", None)
    if not dataclasses.is_dataclass(kind) or params is None or not params.frozen:
        raise ContractError(f"{cls.__qualname__}.Settings must be a frozen dataclass")
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def parse_value(text: str, kind: Any, what: str) -> Any:
    """Parse a value by its type: bool, int, float, str, tuples of these, or a union with None.

    Raises
    ------
    UsageError
        The text is no such value; one line.
    """
    found = _parse(text.strip(), kind)
    if found is _NOTHING:
        raise UsageError(f"{what}={text}: expected {_type_name(kind)}")
    return found


_NOTHING = object()


def _parse(text: str, kind: Any) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in {typing.Union, types.UnionType}:
        tried = (_parse(text, option) for option in arguments)
        return next((value for value in tried if value is not _NOTHING), _NOTHING)
    if origin is tuple:
        return _parse_tuple(text, arguments)
    if kind in {int, float, str}:
        return _parse_plain(text, kind)
    words: dict[str, Any] = {}
    if origin is typing.Literal:
        words = {str(option): option for option in arguments}
    elif kind is types.NoneType:
        words = {"none": None, "null": None}
    elif kind is bool:
        words = {"true": True, "false": False}
    return words.get(text if origin else text.lower(), _NOTHING)


def _parse_plain(text: str, kind: type) -> Any:
    try:
        value = kind(text)
    except ValueError:
        return _NOTHING
    # JSON has no infinities, and no setting means anything by one.
    return _NOTHING if isinstance(value, float) and not math.isfinite(value) else value


def _parse_tuple(text: str, arguments: tuple[Any, ...]) -> Any:
    parts = [part.strip() for part in text.strip("()[]").split(",") if part.strip()]
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(parts)
    if len(parts) != len(arguments):
        return _NOTHING
    values = tuple(_parse(part, kind) for part, kind in zip(parts, arguments, strict=True))
    return _NOTHING if any(value is _NOTHING for value in values) else values


def _type_name(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) and not typing.get_args(kind) else str(kind)
