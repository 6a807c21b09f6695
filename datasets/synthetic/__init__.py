"""Procedural industrial images: runs everything, everywhere, without a download.

Fifteen categories named as those of MVTec AD and a steel strip in the manner of KolektorSDD2, with
nominal variation of pose, light, texture and sensor noise, and with defects that range from
obvious to barely visible, each with its exact mask. Nothing here is a photograph, and a result on
these images says nothing about the published benchmarks.
"""

from .jobs import Counts
from .scene import CATEGORIES, defects, draw, draw_strip
from .write import VERSION, materialise

__all__ = ["CATEGORIES", "VERSION", "Counts", "defects", "draw", "draw_strip", "materialise"]
