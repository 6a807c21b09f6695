"""Which painter draws a category, and which defects it can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .canvas import Canvas, Picture
from .change import Change
from .electric_objects import cable, transistor
from .flaws import (
    Overlay,
    colour,
    contamination,
    crack,
    fold,
    hole,
    liquid,
    push,
    scratch,
    thread,
)
from .long_objects import capsule, screw, toothbrush, zipper
from .round_objects import bottle, hazelnut, metal_nut, pill
from .textures import carpet, grid, leather, tile, wood

Painter = Callable[[Canvas, np.random.Generator, Change], Picture]


@dataclass(frozen=True)
class Recipe:
    """How to draw a category.

    Attributes
    ----------
    paint
        Draws the scene, nominal or structurally changed.
    defects
        By name: an overlay, or None where the painter makes the defect itself.
    """

    paint: Painter
    defects: Mapping[str, Overlay | None]


_PALE = (0.75, 0.72, 0.66)
_DARK = (0.10, 0.09, 0.09)
_RED = (0.62, 0.18, 0.14)

RECIPES: Mapping[str, Recipe] = {
    "bottle": Recipe(
        bottle,
        {
            "broken_large": None,
            "broken_small": None,
            "contamination": contamination("inside", colours=((0.4, 0.38, 0.36), (0.2, 0.2, 0.22))),
            "scratch": scratch("rim", length=(0.1, 0.4)),
        },
    ),
    "cable": Recipe(
        cable,
        {
            "bent_wire": None,
            "cable_swap": None,
            "cut_inner_insulation": crack(
                "insulation", colour=(0.06, 0.05, 0.05), width=(0.02, 0.08)
            ),
            "cut_outer_insulation": crack("sheath", colour=(0.2, 0.18, 0.16), width=(0.02, 0.07)),
            "missing_cable": None,
            "missing_wire": None,
            "poke_insulation": hole("insulation", radius=(0.02, 0.07)),
        },
    ),
    "capsule": Recipe(
        capsule,
        {
            "crack": crack(length=(0.12, 0.5), width=(0.008, 0.024)),
            "faulty_imprint": None,
            "poke": hole(colour=(0.92, 0.86, 0.8), radius=(0.015, 0.08), rim=-0.15),
            "scratch": scratch(length=(0.1, 0.45), step=0.3),
            "squeeze": push(distance=(0.02, 0.12), radius=(0.15, 0.35)),
        },
    ),
    "carpet": Recipe(
        carpet,
        {
            "color": colour(steps=((0.22, -0.12, -0.14), (-0.12, -0.05, 0.2))),
            "cut": crack(colour=(0.12, 0.11, 0.11), length=(0.15, 0.7), width=(0.015, 0.05)),
            "hole": hole(colour=(0.06, 0.06, 0.06), radius=(0.045, 0.13), rim=0.12),
            "metal_contamination": contamination(
                colours=((0.95, 0.93, 0.88), (0.75, 0.6, 0.3)), grains=True
            ),
            "thread": thread(colours=(_PALE, _RED)),
        },
    ),
    "grid": Recipe(
        grid,
        {
            "bent": push("wire", distance=(0.03, 0.11), radius=(0.2, 0.38)),
            "broken": None,
            "glue": liquid("wire", radius=(0.08, 0.25), gloss=0.5, darken=-0.5),
            "metal_contamination": contamination("wire", colours=(0.9, 0.1), radius=(0.05, 0.16)),
            "thread": thread(colours=(0.95, 0.7), width=(0.016, 0.036)),
        },
    ),
    "hazelnut": Recipe(
        hazelnut,
        {
            "crack": crack(colour=(0.03, 0.02, 0.02), length=(0.25, 1.0), width=(0.01, 0.05)),
            "cut": scratch(step=(0.34, 0.27, 0.18), length=(0.12, 0.5), width=(0.014, 0.04)),
            "hole": hole(colour=(0.03, 0.02, 0.01), radius=(0.02, 0.08)),
            "print": contamination(colours=((0.85, 0.84, 0.8),), radius=(0.03, 0.14), grains=True),
        },
    ),
    "leather": Recipe(
        leather,
        {
            "color": colour(steps=((0.28, 0.1, -0.12), (-0.3, -0.18, 0.02))),
            "cut": crack(
                colour=(0.07, 0.04, 0.03), length=(0.2, 0.8), width=(0.018, 0.05), rim=0.4
            ),
            "fold": fold(depth=0.3),
            "glue": liquid(radius=(0.05, 0.22), darken=-0.3),
            "poke": hole(colour=(0.08, 0.05, 0.04), radius=(0.025, 0.08), rim=0.4),
        },
    ),
    "metal_nut": Recipe(
        metal_nut,
        {
            "bent": None,
            "color": colour(steps=((-0.05, -0.2, -0.35), (-0.35, -0.2, 0.05)), radius=(0.05, 0.2)),
            "flip": None,
            "scratch": scratch(step=0.35, length=(0.15, 0.8)),
        },
    ),
    "pill": Recipe(
        pill,
        {
            "color": colour(steps=((-0.05, -0.25, -0.35), (-0.35, -0.2, 0.05)), radius=(0.06, 0.2)),
            "contamination": contamination(colours=(_DARK, _RED), radius=(0.03, 0.13)),
            "crack": crack(
                "edge", colour=(0.25, 0.22, 0.2), length=(0.12, 0.7), width=(0.01, 0.04)
            ),
            "faulty_imprint": None,
            "pill_type": None,
            "scratch": scratch(step=-0.3, length=(0.15, 0.6)),
        },
    ),
    "screw": Recipe(
        screw,
        {
            "manipulated_front": None,
            "scratch_head": scratch("head", step=0.4, length=(0.1, 0.3), width=(0.018, 0.045)),
            "scratch_neck": scratch("neck", step=0.4, length=(0.12, 0.4), width=(0.018, 0.045)),
            "thread_side": None,
            "thread_top": None,
        },
    ),
    "tile": Recipe(
        tile,
        {
            "crack": crack(colour=(0.1, 0.1, 0.1), length=(0.5, 1.6), width=(0.015, 0.05)),
            "glue_strip": liquid(radius=(0.1, 0.28), gloss=0.5, darken=-0.45),
            "gray_stroke": scratch(step=-0.5, length=(0.4, 1.2), width=(0.06, 0.18)),
            "oil": colour(steps=((-0.10, -0.20, -0.45),), radius=(0.1, 0.35)),
            "rough": fold(depth=0.4, length=(0.5, 1.4)),
        },
    ),
    "toothbrush": Recipe(
        toothbrush,
        {
            "bent_bristles": None,
            "contamination": contamination("tufts", colours=(_RED, _DARK, (0.7, 0.6, 0.3))),
            "missing_tuft": None,
            "wrong_tuft": None,
        },
    ),
    "transistor": Recipe(
        transistor,
        {
            "bent_lead": None,
            "cut_lead": None,
            "damaged_case": contamination("edge", colours=((0.45, 0.42, 0.4), (0.3, 0.28, 0.27))),
            "misplaced": None,
        },
    ),
    "wood": Recipe(
        wood,
        {
            "color": colour(steps=((-0.25, -0.2, -0.1), (0.1, -0.15, -0.15), (-0.2, -0.05, 0.15))),
            "hole": hole(colour=(0.10, 0.06, 0.04), radius=(0.02, 0.08), rim=0.05),
            "liquid": liquid(radius=(0.08, 0.3), darken=0.4, gloss=0.15),
            "scratch": scratch(step=0.28, length=(0.2, 1.1)),
        },
    ),
    "zipper": Recipe(
        zipper,
        {
            "broken_teeth": None,
            "fabric_border": push("border", distance=(0.03, 0.12), radius=(0.12, 0.26)),
            "fabric_interior": crack("fabric", colour=0.55, length=(0.12, 0.6), width=(0.01, 0.04)),
            "rough": contamination(
                "fabric", colours=(0.42, 0.32), radius=(0.05, 0.14), grains=True
            ),
            "split_teeth": None,
            "squeezed_teeth": None,
        },
    ),
}
