"""A model's settings: its constructor's own arguments, as a frozen dataclass."""

from __future__ import annotations

import builtins
import dataclasses
import enum
import functools
import inspect
import operator
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...datasets.errors import UsageError
from .catalogue import (
    BATCH_SIZE,
    BATCH_SIZES,
    EPOCHS,
    LAYERS,
    TEXTURE_ARGUMENTS,
    installed_version,
    trainer_arguments,
)

# The harness's own doing: pixels, scores, the network and its weights.
OURS = frozenset(
    {"pre_processor", "post_processor", "evaluator", "visualizer", "pre_trained", "input_shape"}
)


def settings_class(model: type, backbone_argument: str | None) -> type:
    """Make the settings dataclass of an anomalib model.

    Its fields are ``anomalib`` (the installed version, so that it is part of every cell's key),
    ``batch_size``, ``epochs`` unless the model fixes them itself, and every argument of the
    constructor that can be written as text: numbers, texts, names of an enum, tuples of these.

    Parameters
    ----------
    model
        anomalib's class.
    backbone_argument
        The argument that the harness fills in from ``--backbone``.
    """
    name = model.__name__
    fields: list[tuple[str, Any, Any]] = [
        ("anomalib", str, installed_version()),
        ("batch_size", int, BATCH_SIZES.get(name, BATCH_SIZE)),
    ]
    if "max_epochs" not in trainer_arguments(model):
        fields.append(("epochs", int | None, EPOCHS.get(name)))
    hints = argument_types(model)
    for key, parameter in list(inspect.signature(model).parameters.items()):
        kind = setting_type(hints.get(key))
        taken = key in OURS or key == backbone_argument or key in {field for field, *_ in fields}
        if taken or kind is None:
            continue
        if key in TEXTURE_ARGUMENTS:
            fields.append((key, str | None, None))
        elif parameter.default is not inspect.Parameter.empty:
            default = LAYERS.get(name) if key == "layers" and not parameter.default else None
            fields.append((key, kind, default or plain(parameter.default)))
    return dataclasses.make_dataclass(
        f"{name}Settings", fields, frozen=True, kw_only=True, namespace={"__post_init__": _check}
    )


class _Names(dict[str, Any]):
    """Names in annotations; what is imported for type checkers only is anything at all."""

    def __missing__(self, key: str) -> Any:
        return Any


def argument_types(model: type) -> dict[str, Any]:
    """Return argument → type of a constructor."""
    make: Any = model.__init__
    common = {"Path": Path, "Sequence": Sequence}
    names = _Names(vars(builtins) | common | getattr(make, "__globals__", {}))
    return typing.get_type_hints(make, localns=names)


def _check(self: Any) -> None:
    installed = installed_version()
    if self.anomalib != installed:
        raise ValueError(f"anomalib={self.anomalib}: {installed} is installed; leave it out")
    if self.batch_size < 1:
        raise ValueError(f"batch_size={self.batch_size}: expected at least 1")
    epochs = getattr(self, "epochs", None)
    if epochs is not None and epochs < 1:
        raise ValueError(f"epochs={epochs}: expected at least 1")


def setting_type(hint: Any) -> Any:
    """Return the type of a setting for a constructor's argument; None if text cannot say it."""
    if hint in {bool, int, float, str, types.NoneType}:
        return hint
    if hint is Path:
        return str
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return typing.Literal[tuple(str(member.value) for member in hint)]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return hint
    if origin in {typing.Union, types.UnionType}:
        return _union(arguments)
    if origin in {list, tuple, Sequence}:
        inner = tuple(setting_type(a) for a in arguments if a is not Ellipsis)
        if not inner or any(kind is None or typing.get_origin(kind) is tuple for kind in inner):
            return None
        fixed = origin is tuple and Ellipsis not in arguments
        return types.GenericAlias(tuple, inner if fixed else (*inner, ...))
    return None


def _union(arguments: Sequence[Any]) -> Any:
    kinds = [setting_type(argument) for argument in arguments]
    if any(typing.get_origin(kind) is typing.Literal for kind in kinds):
        # "Enum | str": the enum says which texts are meant.
        kinds = [kind for kind in kinds if kind is not str]
    real = [kind for kind in dict.fromkeys(kinds) if kind not in {None, types.NoneType}]
    if not real:
        return None
    # None comes first, so that "none" is not taken for a text.
    parts = (types.NoneType, *real) if types.NoneType in kinds else tuple(real)
    return functools.reduce(operator.or_, parts)


def plain(value: Any) -> Any:
    """Return a default in the form settings have: enums as values, lists as tuples."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return tuple(plain(item) for item in value)
    return value


def constructor_arguments(model: type, settings: Any) -> dict[str, Any]:
    """Return the settings that are arguments of the constructor, in its own types.

    Raises
    ------
    UsageError
        A folder that the model needs is not there: anomalib would download it.
    """
    parameters = inspect.signature(model).parameters
    hints: Mapping[str, Any] = argument_types(model)
    found = {}
    for key in (field.name for field in dataclasses.fields(settings)):
        if key not in parameters or key in TEXTURE_ARGUMENTS:
            continue
        value = getattr(settings, key)
        options = typing.get_args(hints[key]) or (hints[key],)
        if Path in options and value is not None and not Path(value).exists():
            raise UsageError(
                f"anomalib:{model.__name__} needs {key}, which is not at {value}; fetch it as "
                f"anomalib's documentation says, then --set anomalib:{model.__name__}.{key}=PATH"
            )
        found[key] = _own_type(value, hints[key])
    return found


def _own_type(value: Any, hint: Any) -> Any:
    options = (hint, *typing.get_args(hint))
    for option in options:
        if isinstance(option, type) and issubclass(option, enum.Enum) and isinstance(value, str):
            return option(value)
    if isinstance(value, tuple) and any(typing.get_origin(o) is list for o in options):
        return list(value)
    return value
