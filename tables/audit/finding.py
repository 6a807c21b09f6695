"""What an audit finds: where, what is printed, what was computed, how much it weighs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum


class Severity(Enum):
    """How much a finding weighs, heaviest first.

    Attributes
    ----------
    rank
        0 for the heaviest.
    meaning
        For legends.
    """

    ERROR = ("error", 0, "cannot be right, however the digits were rounded")
    INCONSISTENT = ("inconsistent", 1, "two printed statements, or one and the dataset, disagree")
    UNUSUAL = ("unusual", 2, "possible, but rare by the reference that the sentence names")
    NOTE = ("note", 3, "worth knowing; nothing need be wrong")

    def __init__(self, word: str, rank: int, meaning: str) -> None:
        self.word, self.rank, self.meaning = word, rank, meaning

    @classmethod
    def named(cls, word: str) -> Severity:
        """Return the severity of a word."""
        return next(severity for severity in cls if severity.word == word)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding.

    Attributes
    ----------
    check
        Name of the check, a key of `CHECKS`.
    severity
        How much it weighs.
    where
        Table and place, or where the text makes the claim.
    printed, computed
        What is printed, and what follows from other printed numbers or the dataset's counts.
    sentence
        What it means, one sentence.
    tables
        Names of the tables it concerns, ``"rad/table1"`` or a file's name.
    claim
        What the text claims, in our own words, where it is about a claim.
    """

    check: str
    severity: Severity
    where: str
    printed: str
    computed: str
    sentence: str
    tables: tuple[str, ...] = ()
    claim: str = ""


# Name of a check → what it holds against what; renderers show them in this order.
CHECKS: Mapping[str, str] = {
    "average": "averages against their cells, under rounding and truncation",
    "f1": "F1 against precision and recall",
    "attainable": "values against what the test set's counts can give",
    "trivial": "values against rules that look at no image",
    "tables": "numbers that stand in several tables",
    "names": "names of categories against those of their dataset",
    "bold": "bold marks against the values",
    "claim": "what the text says against the tables",
    "protocol": "the stated protocol against the dataset's counts",
    "monotone": "rises and falls over the noise levels",
    "steps": "sizes of the steps over the noise levels against what rounding gives",
    "columns": "how closely two metrics go together",
}


@dataclass(frozen=True, kw_only=True)
class Audit:
    """All findings on some printed numbers.

    Attributes
    ----------
    subject
        What was audited: a paper's short name, or files.
    findings
        Heaviest first, then in the order of the checks.
    numbers
        How many printed numbers were looked at.
    checked
        Check → how many comparisons it could make; 0 where nothing could be held against anything.
    unmade
        Check → what it could not compare, and why; of a check that compared nothing, something
        always.
    """

    subject: str
    findings: tuple[Finding, ...]
    numbers: int
    checked: Mapping[str, int] = field(default_factory=dict)
    unmade: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def count(self, severity: Severity) -> int:
        """Count the findings of one severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def concerning(self, table: str) -> tuple[Finding, ...]:
        """Return the findings that concern one table."""
        return tuple(finding for finding in self.findings if table in finding.tables)

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """Return the findings of a severity and of heavier ones."""
        return tuple(f for f in self.findings if f.severity.rank <= severity.rank)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one check returns.

    Attributes
    ----------
    findings
        What it found.
    checked
        How many comparisons it made.
    unmade
        What it could not compare, and why.
    """

    findings: tuple[Finding, ...]
    checked: int
    unmade: tuple[str, ...] = ()


def counted(number: int, noun: str) -> str:
    """Write a count with its noun: ``"1 average"``, ``"3 averages"``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ordered(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: heaviest first, then by check; findings of one check keep their order."""
    place = {name: index for index, name in enumerate(CHECKS)}
    return tuple(sorted(findings, key=lambda f: (f.severity.rank, place[f.check])))
