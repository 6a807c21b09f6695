"""Counterfactuals are means within one version of a measurement, never over several."""

from decimal import Decimal

import pytest

from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.triage import Alternative, triage
from adrepro.tables.verdicts.verdict import Check, Judged, Margin, Verdict

TABLE1 = load_target("table1")


def checked(category, value):
    """A check of one worse cell with this printed number, and next to no margin."""
    cell = Judged(
        method="rad", title="RAD", dataset="mvtec_ad", category=category, noise=0.0,
        metric="image_auroc", where="", reference=Decimal(value), verdict=Verdict.WORSE,
    )  # fmt: skip
    margin = Margin(points=0.0, source="here")
    return Check(
        target="rad/table1", title="", reference="", margin=margin, essential=(), cells=(cell,)
    )


def stored(value, seed, version, category="bottle", variation="protocol (a → b)"):
    """One stored result with an image AUROC in percent."""
    return Alternative(
        method="rad", dataset="mvtec_ad", category=category, noise=0.0, seed=seed,
        variation=variation, values={"image_auroc": value / 100}, version=version,
        key=f"{version}{seed}{value}".ljust(12, "0"),
    )  # fmt: skip


def hints(category, printed, alternatives):
    (cell,) = triage(checked(category, printed), TABLE1, alternatives).cells
    return cell.alternatives


@pytest.mark.parametrize(("printed", "version"), [("80.0", "aaa"), ("90.0", "bbb")])
def test_versions_with_the_same_words_stay_apart(printed, version):
    """Two versions of 80 and 90 give means of 80 and 90, each named; never one, and never 85."""
    both = [stored(80, seed, "aaa") for seed in range(2)]
    both += [stored(90, seed, "bbb") for seed in range(2)]
    found = hints("bottle", printed, both)
    assert any(f"protocol (a → b) (version {version}), mean of 2 seeds" in text for text in found)
    assert not any(other in text for other in {"aaa", "bbb"} - {version} for text in found)
    assert hints("bottle", "85.0", both) == ()
    # Half of one version and half of the other make no complete seeds of either.
    halves = [stored(80, 0, "aaa"), stored(90, 1, "bbb")]
    assert hints("bottle", "85.0", halves) == ()


def test_a_single_version_needs_no_name():
    """Words that one version has stand alone, as before."""
    found = hints("bottle", "80.0", [stored(80, seed, "aaa") for seed in range(3)])
    assert found[0] == "80.00 (prints the same): protocol (a → b), mean of 3 seeds"


def test_two_results_of_one_place_are_not_averaged():
    """Of a category each is named with its key; of an average nothing can be said."""
    doubled = [stored(80, 0, "aaa"), stored(90, 0, "aaa"), stored(82, 1, "aaa")]
    (text,) = hints("bottle", "90.0", doubled)
    assert "seed 0 alone (aaa090000000)" in text
    assert hints("bottle", "86.0", doubled) == hints("bottle", "81.0", doubled) == ()
    names = next(d.categories for d in TABLE1.run.datasets if d.name == "mvtec_ad")
    whole = [stored(80, 0, "aaa", category=name) for name in names]
    assert len(hints("average", "80.0", whole)) == 1
    assert hints("average", "80.0", [*whole, stored(80, 0, "aaa", category=names[0])]) == ()
