"""Numbers of a text against tables: every kind, and every mistake in writing a check down."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from adrepro.datasets.errors import SpecError, UsageError
from adrepro.tables.audit.claim_cases import cases_of
from adrepro.tables.audit.finding import Severity
from adrepro.tables.audit.ledger import Printed, make_ledger
from adrepro.tables.audit.run import audit_paper
from adrepro.tables.claim_checks import Address, ClaimCheck, Kind
from adrepro.tables.papers import load_target

TARGET = """
title = "Table"
caption = "A table."
reported = "t.csv"

[run]
methods = ["a", "b", "c", "d"]
noise = [0, 50]
seeds = 1
protocol = "added"
evaluation = "eval/2"

[[run.datasets]]
name = "mvtec_ad"
categories = ["bottle", "cable"]

[layout]
label = "tab:t"
rows = "methods"
columns = "noise"
at = { average_of = "mvtec_ad", cell = "{image_auroc}" }
row_header = "Method"
bold = "none"
"""
NUMBERS = "a,0,95.4 a,50,86.8 b,0,93.1 b,50,83.2 c,0,93.8 c,50,83.9 d,0,91.5 d,50,80.4"
M = "image_auroc"


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    folder = tmp_path / "own"
    folder.mkdir()

    def made(check: str, extra: str = "") -> Path:
        paper = (
            f'title = "P"\nshort = "P"\n[[claims]]\nid = "x"\ntext = "t"\nwhere = "s"\n{check}\n'
        )
        (folder / "paper.toml").write_text(paper + extra)
        (folder / "t.toml").write_text(TARGET)
        lines = [f"{r},{c},{M},{v},," for r, c, v in (p.split(",") for p in NUMBERS.split())]
        (folder / "t.csv").write_text(
            "\n".join(["row,column,metric,value,bold,note", *lines]) + "\n"
        )
        return folder

    return made


def _check(text: str) -> str:
    return f"[[claims.checks]]\n{text}"


def _claims(folder: Path) -> list:
    return [f for f in audit_paper("own", [folder]).findings if f.check == "claim"]


@pytest.mark.parametrize(
    ("kind", "of", "rest", "holds"),
    [
        ("value", ["a/0"], 'printed = "95.4"', True),
        ("value", ["a/0"], 'printed = "95.1"', False),
        ("value", ["*/0"], 'above = "91"', True),
        ("value", ["*/0"], 'above = "92"', False),
        ("value", ["a,b/50"], 'below = "87"', True),
        ("value", ["a,b/50"], 'below = "85"', False),
        ("difference", ["a/0", "a/50"], 'printed = "8.6"', True),
        ("difference", ["a/0", "a/50"], 'printed = "8.8"', False),
        ("difference", ["*/0", "*/50"], 'between = ["8", "12"]', True),
        ("difference", ["*/0", "*/50"], 'between = ["9", "10"]', False),
        ("difference", ["*/0", "a/0"], 'between = ["-4", "0"]', True),
        ("difference", ["a/*", "b/*"], "steady = true", True),
        ("difference", ["a/*", "d/*"], "steady = true", False),
        ("difference", ["a/*", "a/*"], 'printed = "0.0"', True),
        ("ratio", ["a/0", "a/50"], 'printed = "1.10"', True),
        ("ratio", ["a/0", "a/50"], 'printed = "1.25"', False),
        ("ratio", ["a/0", "a/50"], 'printed = "1.2"\nabout = true', True),
        ("increase", ["a/0", "a/50"], 'printed = "10"', True),
        ("increase", ["a/0", "a/50"], 'printed = "12"', False),
        ("rest", ["a/0"], 'below = "5"', True),
        ("rest", ["a/0"], 'below = "3"', False),
        ("best", ["a/*", "b/*", "c/*", "d/*"], "", True),
        ("best", ["b/*", "a/*", "c/*"], "", False),
        ("superadditive", ["a/*", "b/*", "c/*", "d/*"], "", False),
        ("superadditive", ["d/*", "c/*", "b/*", "a/*"], "", False),
        ("superadditive", ["b/0", "a/0", "c/0", "d/0"], "", True),
    ],
)
def test_every_kind_of_claim(write, kind: str, of: list[str], rest: str, holds: bool) -> None:
    """A claim that follows from the printed digits raises nothing; one that does not is found."""
    names = ", ".join(f'"t:{place}/{M}"' for place in of)
    found = _claims(write(_check(f'kind = "{kind}"\nof = [{names}]\n{rest}')))
    assert [f.severity for f in found] == ([] if holds else [Severity.INCONSISTENT])


def test_points_written_as_percent_are_noted(write) -> None:
    """A right difference with a percent sign is a note with the relative figure."""
    text = f'kind = "difference"\nof = ["t:a/0/{M}", "t:a/50/{M}"]\nprinted = "8.6"'
    (found,) = _claims(write(_check(f'{text}\nwritten = "percent"')))
    assert found.severity is Severity.NOTE
    assert "9.0 %" in found.sentence


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ('kind = "sum"\nof = []\nprinted = "1"', "'claims.checks.kind' is 'sum'"),
        (f'kind = "value"\nof = ["t:a/{M}"]\nprinted = "1"', "is no address"),
        ('kind = "value"\nof = ["t:a/0/auc"]\nprinted = "1"', "unknown metric 'auc'"),
        (f'kind = "ratio"\nof = ["t:a/0/{M}"]\nprinted = "1"', "has 1 numbers, expected 2"),
        (f'kind = "value"\nof = ["t:a/0/{M}"]', "0 comparisons, expected one of"),
        (f'kind = "value"\nof = ["t:a/0/{M}"]\nprinted = "x"', "expected digits as printed"),
        (f'kind = "value"\nof = ["t:a/0/{M}"]\nbetween = ["2", "1"]', "the smaller first"),
        (
            f'kind = "best"\nof = ["t:a/0/{M}", "t:b/0/{M}"]\nabove = "1"',
            "expected none for 'best'",
        ),
    ],
)
def test_a_malformed_check_is_one_line_with_its_place(write, check: str, message: str) -> None:
    """Mistakes name file and line, what was given and what was expected."""
    folder = write(_check(check))
    with pytest.raises(SpecError) as caught:
        load_target("own/t", [folder])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.line is not None
    assert caught.value.line >= 7


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (f"u:a/0/{M}", "no table 'u'"),
        (f"t:e/0/{M}", "no row 'e'"),
        (f"t:a/25/{M}", "no column '25'"),
    ],
)
def test_an_address_of_nothing_is_an_error(write, address: str, message: str) -> None:
    """A misspelt table, row or column is no silent pass."""
    folder = write(_check(f'kind = "value"\nof = ["{address}"]\nprinted = "1"'))
    with pytest.raises(UsageError, match=message):
        audit_paper("own", [folder])


def test_an_average_has_no_rank(write) -> None:
    """Only single categories are ranked among each other."""
    folder = write(_check(f'kind = "rank"\nof = ["t:a/0/{M}"]\nbelow = "1"'))
    with pytest.raises(UsageError, match="an average has no rank"):
        audit_paper("own", [folder])


@pytest.mark.parametrize("metric", ["image_auroc", "latency_ms"])
@pytest.mark.parametrize("texts", [("95.4", "93.1", "90.0"), ("90.0", "95.4", "95.4")])
def test_ranks_are_those_of_a_naive_count(metric: str, texts: tuple[str, ...]) -> None:
    """A place counts what is strictly better; equal digits leave every place among them open."""
    entries = [
        Printed(
            table="p/t", row=str(i), column="0", label=str(i), method="A", metric=metric,
            categories=(("d", str(i)),), text=text,
        )
        for i, text in enumerate(texts)
    ]  # fmt: skip
    sign = -1 if metric == "latency_ms" else 1
    address = Address(target="t", block=None, rows="*", columns="0", metric=metric)
    check = ClaimCheck(kind=Kind.RANK, of=(address,), below=Decimal(1))
    cases = cases_of(check, make_ledger(entries), "p") or []
    values = [sign * float(text) for text in texts]
    assert len(cases) == len(texts)
    for case, value in zip(cases, values, strict=True):
        best = 1 + sum(other > value for other in values)
        assert case.value == best
        for span in case.spans:
            assert (span.low, span.high) == (best, best + values.count(value) - 1)


def test_stated_counts_and_protocols(write) -> None:
    """Right counts raise nothing, those of a split a note, wrong ones a finding."""
    stated = """
[[protocol]]
dataset = "mvtec_ad"
where = "section 3"
counts = { images = 5354, test = 1725, nominal = 3629, anomalous = 1200, categories = 15 }
"""
    folder = write("", stated)
    found = [f for f in audit_paper("own", [folder]).findings if f.check == "protocol"]
    assert [(f.severity, f.printed, f.computed) for f in found] == [
        (Severity.INCONSISTENT, "1200", "1258"),
        (Severity.NOTE, "3629", "4096"),
    ]


def test_a_protocol_of_an_unknown_dataset_is_refused(write) -> None:
    """Counts can be held only against a dataset whose counts are known."""
    folder = write("", '[[protocol]]\ndataset = "mvtec"\nwhere = "s"\n')
    with pytest.raises(SpecError, match="did you mean 'mvtec_ad'"):
        load_target("own/t", [folder])
