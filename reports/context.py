"""What a report says beside the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..tables.assemble import PAPER_PRESET
from ..tables.model import MethodInfo
from ..tables.verdicts.places import Scope
from .evidence import EvidenceSource

__all__ = ["MethodInfo", "ReportContext"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContext:
    """What a report says beside the numbers.

    Attributes
    ----------
    methods
        What is known about the methods, in any order.
    environment
        Name → text, e.g. ``{"Python": "3.11.7", "torch": "2.9.1"}``; shown in this order.
    synthetic
        Whether the results were made on the embedded synthetic data; the frame is asked as well,
        either saying so is enough.
    preset
        Preset of the run.
    command
        Command line that made the results.
    version
        Version of adrepro.
    evidence
        Gives what is stored about a cell, image by image, by its key; None where there is no store.
    scope
        Which printed numbers the run asked for, so that they are judged; None = all.
    """

    methods: tuple[MethodInfo, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    synthetic: bool = False
    preset: str = PAPER_PRESET
    command: str = ""
    version: str = ""
    evidence: EvidenceSource | None = None
    scope: Scope | None = None

    def without_home(self) -> ReportContext:
        """Return the context with the home folder written as ``~``, so that reports can travel."""
        home = str(Path.home())
        if len(home) <= 1:
            return self
        environment = {name: text.replace(home, "~") for name, text in self.environment.items()}
        return replace(self, environment=environment, command=self.command.replace(home, "~"))
