"""The transcription of RAD's other tables, checked against the paper's own arithmetic."""

import re
from decimal import ROUND_HALF_UP, Decimal

import pytest

from adrepro.tables.papers import list_targets, load_target

LEVELS = ("0", "10", "20", "30", "40", "50")


def numbers(name):
    return {n.key: n.value for n in load_target(name).numbers}


def row(name, method, block=""):
    found = {(b, r, c): v for (b, r, c, _), v in numbers(name).items()}
    return [str(found[block, method, level]) for level in LEVELS]


@pytest.mark.parametrize(
    ("name", "count"), [("table2", 15), ("table3", 30), ("table4", 14), ("fig3", 20)]
)
def test_every_printed_number_is_there_once(name, count):
    """Rows times columns of the printed table, nothing twice."""
    found = load_target(name).numbers
    assert len(found) == len({n.key for n in found}) == count
    assert {n.method for n in found} <= set(load_target(name).run.methods)


def test_f1_follows_from_precision_and_recall():
    """2PR/(P + R) of the printed values rounds to every printed F1: no digit is transposed."""
    found = numbers("table2")
    for method in load_target("table2").run.methods:
        p, r, f1 = (found["", method, c, c] for c in ("precision", "recall", "f1"))
        assert (2 * p * r / (p + r)).quantize(Decimal("0.1"), ROUND_HALF_UP) == f1


def test_table2_as_printed():
    """The five rows, digits as printed."""
    found = numbers("table2")
    rows = {
        m: [str(found["", m, c, c]) for c in ("precision", "recall", "f1")]
        for m in load_target("table2").run.methods
    }
    assert rows == {
        "rad": ["84.2", "86.5", "85.3"],
        "mld-ir": ["78.9", "81.2", "80.0"],
        "irp": ["77.4", "79.8", "78.6"],
        "osr": ["80.1", "78.5", "79.3"],
        "differnet": ["79.3", "77.6", "78.4"],
    }


def test_table3_drops_as_recomputed():
    """Differences to the full model equal an independent recomputation of the printed table."""
    full = [Decimal(text) for text in row("table3", "rad")]
    drops = {
        "rad@no-meta": "2.3 2.4 2.9 3.2 3.5 3.6",
        "rad@no-l2": "1.6 1.5 1.8 1.9 3.1 2.9",
        "rad@no-bo": "0.7 0.7 0.9 0.8 0.9 1.1",
        "rad@no-meta-l2": "3.9 3.9 4.8 5.1 6.1 6.4",
    }
    for variant, expected in drops.items():
        own = [Decimal(text) for text in row("table3", variant)]
        assert [str(a - b) for a, b in zip(full, own, strict=True)] == expected.split()


def test_full_model_is_the_same_in_three_places():
    """Table 3's first row and Figure 3's curve are Table 1's averages."""
    table1 = {n.key: str(n.value) for n in load_target("table1").numbers}
    average = [table1["rad", "average", level, "image_auroc"] for level in LEVELS]
    assert row("table3", "rad") == row("fig3", "rad", "mvtec_ad") == average
    ksdd2 = [table1["rad", "ksdd2", level, "image_auroc"] for level in LEVELS]
    assert row("fig3", "rad", "ksdd2") == ksdd2


def test_fig3_states_the_texts_end_points():
    """The end points of the other methods are those that Table 1's file quotes from the text."""
    stated = {
        (n.method, n.column): n.value for n in load_target("table1").numbers if n.method != "rad"
    }
    drawn = {
        (n.method, n.column): n.value
        for n in load_target("fig3").numbers
        if n.method != "rad" and n.block == "mvtec_ad"
    }
    assert drawn == stated
    assert len(drawn) == 8


def test_table4_as_printed():
    """Hours and milliseconds, a row each."""
    found = numbers("table4")
    pairs = {
        method: (
            str(found["", method, "training", "training_h"]),
            str(found["", method, "inference", "latency_ms"]),
        )
        for method in load_target("table4").run.methods
        if method != "rad@no-l2"  # no row of the paper's
    }
    assert pairs == {
        "rad": ("4.2", "12.3"),
        "rad@no-meta": ("2.8", "12.3"),
        "rad@no-bo": ("3.5", "12.3"),
        "mld-ir": ("3.1", "12.8"),
        "irp": ("2.9", "12.6"),
        "osr": ("3.4", "12.9"),
        "differnet": ("2.7", "12.5"),
    }
    assert load_target("table4").run.hardware == "NVIDIA RTX 4090"


def test_every_target_runs_on_the_same_grid():
    """Protocol, size, seeds and categories agree, so that targets share their cells."""
    table1 = load_target("table1")
    for name in ("table2", "table3", "table4", "fig3", "removal"):
        run = load_target(name).run
        assert (run.protocol, run.evaluation, run.image_size, run.seeds) == (
            table1.run.protocol,
            table1.run.evaluation,
            table1.run.image_size,
            table1.run.seeds,
        )
        assert run.datasets[0] == table1.run.datasets[0]
        assert set(run.noise) <= set(table1.run.noise)


def test_captions_count_no_levels():
    """A caption stands above runs of fewer levels too, so it says no number of them."""
    for name in list_targets():
        caption = load_target(name).caption
        assert not re.search(r"\b(two|three|four|five|six|\d+) label-noise levels", caption), name
