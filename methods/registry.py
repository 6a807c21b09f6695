"""From a method's name to its class, without importing what is not asked for.

A name is a built-in one, one of an installed package's entry points in the group
``adrepro.methods``, ``anomalib:<Model>`` for a model of that library, or ``module:Class`` for a
class of one's own that Python can import from the current folder. ``@variant`` behind any of them
names one of the method's variants.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ..datasets.errors import UnknownNameError, UsageError
from .base import Method
from .settings import PAPER, field_types, make_settings, preset_image_size, variant_of
from .sources import method_source_sha256

__all__ = [
    "MethodInfo",
    "all_methods",
    "make_settings",
    "method_class",
    "method_source_sha256",
    "method_targets",
    "preset_image_size",
    "split_variant",
]

GROUP = "adrepro.methods"
# Names of what is no method: scores that the harness reads from files.
SCORES_PREFIX = "scores:"
ANOMALIB = "anomalib"
BUILTIN = {
    "ae-ssim": "adrepro.methods.aessim.method:AESSIM",
    "comet": "adrepro.methods.comet.method:CoMet",
    "cs-flow": "adrepro.methods.csflow.method:CSFlow",
    "cutpaste": "adrepro.methods.cutpaste.method:CutPaste",
    "differnet": "adrepro.methods.differnet.method:DifferNet",
    "draem": "adrepro.methods.draem.method:DRAEM",
    "glass": "adrepro.methods.glass.method:Glass",
    "irp": "adrepro.methods.refiners.irp:IRP",
    "meds-differnet": "adrepro.methods.meds.method:MedsDifferNet",
    "meds-patchcore": "adrepro.methods.meds.method:MedsPatchCore",
    "mld-ir": "adrepro.methods.refiners.mld_ir:MLDIR",
    "osr": "adrepro.methods.refiners.osr:OSR",
    "padim": "adrepro.methods.padim.method:Padim",
    "patchcore": "adrepro.methods.patchcore.method:PatchCore",
    "rad": "adrepro.methods.rad.method:RAD",
    "rd4ad": "adrepro.methods.rd4ad.method:ReverseDistillation",
    "riad": "adrepro.methods.riad.method:RIAD",
    "simplenet": "adrepro.methods.simplenet.method:SimpleNet",
    "softpatch": "adrepro.methods.softpatch.method:SoftPatch",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodInfo:
    """What a listing shows of a method.

    Attributes
    ----------
    name, title, paper
        As the class says.
    origin
        Where the class lies, ``module:Class``.
    backbone
        The paper's backbone, or None.
    image_size
        The paper's input size in pixels.
    localises
        Whether it returns maps.
    presets
        Names of its presets besides ``paper``.
    variants
        Variant → its ``title``, ``settings``, settings under ``presets`` and ``image_size``; run
        as ``name@variant``.
    settings
        Setting → default.
    departures
        Where it departs from its paper.
    """

    name: str
    title: str
    paper: str
    origin: str
    backbone: str | None
    image_size: int
    localises: bool
    presets: tuple[str, ...]
    variants: dict[str, dict[str, Any]]
    settings: dict[str, object]
    departures: tuple[str, ...]


def method_targets() -> dict[str, str]:
    """Return every registered name with its ``module:Class``.

    Raises
    ------
    UsageError
        Two packages register the same name; the message names both.
    """
    return dict(_known(tuple(sys.path), importlib.metadata.entry_points))


@lru_cache(maxsize=4)
def _known(_search_path: tuple[str, ...], entry_points: Callable[..., Any]) -> dict[str, str]:
    """Read every installed package's entry points: once per search path, as it takes long."""
    return _merge(entry_points(group=GROUP))


def _merge(entries: Iterable[importlib.metadata.EntryPoint]) -> dict[str, str]:
    targets = dict(BUILTIN)
    for entry in entries:
        if targets.setdefault(entry.name, entry.value) != entry.value:
            raise UsageError(
                f"two methods are called '{entry.name}': {targets[entry.name]} and {entry.value}; "
                "rename or uninstall one"
            )
    return targets


def split_variant(name: str) -> tuple[str, str]:
    """Split ``name@variant``; the variant is empty where none is named."""
    base, _, variant = name.partition("@")
    return base, variant


def method_class(name: str) -> type[Method]:
    """Return the class of a method.

    Parameters
    ----------
    name
        A registered name, ``anomalib:<Model>`` or ``module:Class``; any may be followed by
        ``@variant``.

    Raises
    ------
    UnknownNameError
        No such name, no such class in the module, or no such variant.
    UsageError
        The module cannot be imported, the class is no `Method`, or it has no variants.
    """
    if name.startswith(SCORES_PREFIX):
        raise UsageError(
            f"'{name}' means scores from a file, which are no method; expected a method here "
            "(a class in a module called scores: package.scores:Class)"
        )
    base, variant = split_variant(name)
    cls = _load(base) if ":" in base else _registered(base)
    if base != name and not variant:
        raise UsageError(f"method '{name}': expected the name of a variant behind the @")
    variant_of(cls, variant)
    return cls


def _registered(name: str) -> type[Method]:
    targets = method_targets()
    if name not in targets:
        _refuse_bare_module(name)
        raise UnknownNameError("method", name, targets)
    cls = _load(targets[name])
    if getattr(cls, "name", None) != name:
        raise UsageError(f"{targets[name]} is registered as '{name}' but calls itself '{cls.name}'")
    return cls


def _refuse_bare_module(name: str) -> None:
    """Raise where the name is that of a file here, whose class was left out."""
    module = name.removesuffix(".py")
    path = Path.cwd() / f"{module}.py"
    if not (module.isidentifier() and path.is_file()):
        return
    try:
        nodes = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError):
        nodes = []
    classes = [node.name for node in nodes if isinstance(node, ast.ClassDef) and node.bases]
    targets = " or ".join(f"{module}:{cls}" for cls in classes) or f"{module}:Class"
    raise UsageError(
        f"unknown method '{name}', but {path.name} is in this folder: a method of your own is "
        f"named with its class; use {targets}"
    )


@lru_cache(maxsize=64)
def _load(target: str) -> type[Method]:
    module_name, _, class_name = target.partition(":")
    if module_name == ANOMALIB:
        # No module of that name holds methods: the classes are made from the library's models.
        from .anomalib_adapter.method import anomalib_method

        return anomalib_method(class_name)
    if os.getcwd() not in sys.path:
        # Last, so that a file in the current folder never hides an installed package.
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as err:  # a user's module may fail in any way while it is imported
        raise UsageError(
            f"method '{target}': importing {module_name} failed ({type(err).__name__}: {err}); "
            f"expected an importable module, searched from {os.getcwd()}"
        ) from err
    cls = getattr(module, class_name, None)
    if cls is None:
        classes = [k for k, v in vars(module).items() if isinstance(v, type)]
        raise UnknownNameError(f"class in {module_name}", class_name, classes)
    if not (isinstance(cls, type) and issubclass(cls, Method)):
        raise UsageError(f"method '{target}': expected a subclass of adrepro.methods.base.Method")
    if not isinstance(getattr(cls, "name", None), str) or not isinstance(
        getattr(cls, "title", None), str
    ):
        raise UsageError(f"method '{target}': the class must set 'name' and 'title'")
    return cls


def method_info(cls: type[Method], origin: str) -> MethodInfo:
    """Describe a method class."""
    defaults = cls.Settings()
    return MethodInfo(
        name=cls.name,
        title=cls.title,
        paper=cls.paper,
        origin=origin,
        backbone=cls.backbone,
        image_size=cls.image_size,
        localises=cls.localises,
        presets=tuple(cls.presets),
        variants={
            name: {
                "title": variant.title,
                "settings": dict(variant.settings),
                "presets": {preset: dict(own) for preset, own in variant.presets.items()},
                "image_size": preset_image_size(cls, PAPER, name),
            }
            for name, variant in cls.variants.items()
        },
        settings={key: getattr(defaults, key) for key in field_types(cls)},
        departures=cls.departures,
    )


def all_methods() -> list[MethodInfo]:
    """Describe every registered method, by name; imports neither torch nor any weights."""
    targets = method_targets()
    return [method_info(method_class(name), targets[name]) for name in sorted(targets)]
