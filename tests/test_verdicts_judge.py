"""A verdict for every printed number: tested, withheld, or a reason why there is none."""

import json
from dataclasses import replace
from xml.etree import ElementTree as Xml

import pytest
from table_frames import make_frame

from adrepro.reports.verdicts.data import render_json
from adrepro.reports.verdicts.github import render_annotations, render_summary
from adrepro.reports.verdicts.junit import render_junit
from adrepro.reports.verdicts.text import render_text
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target
from adrepro.tables.spec import Essential
from adrepro.tables.verdicts.judge import judge
from adrepro.tables.verdicts.places import Scope
from adrepro.tables.verdicts.verdict import Margin, Verdict

TABLE1 = load_target("table1")
RAD = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet", paper_image_size=448)
BOTTLE = Scope(methods=("rad",), noise=(0.0,), places=frozenset({("mvtec_ad", "bottle")}))
PRINTED = 0.972  # image AUROC of bottle on clean data


def frame_with(values, **options):
    """A frame of RAD whose seeds of bottle on clean data have these image and pixel AUROCs."""
    change = {
        ("rad", "mvtec_ad", "bottle", 0.0, seed): {"image_auroc": v, "pixel_auroc": v - 0.007}
        for seed, v in enumerate(values)
    }
    change |= options.pop("change", {})
    return make_frame(TABLE1, methods=["rad"], seeds=len(values), change=change, **options)


def verdicts(frame, scope=BOTTLE, target=TABLE1, **options):
    check = judge(target, frame, methods=[RAD], scope=scope, **options)
    return {cell.label: cell for cell in check.cells}, check


def image(cells):
    return cells["rad/mvtec_ad/bottle/noise0/image_auroc"]


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.972, 0.9721, 0.9719), Verdict.REPRODUCED),
        ((0.99, 0.9901, 0.9902), Verdict.BETTER),
        ((0.93, 0.9301, 0.9302), Verdict.WORSE),
        ((0.95, 0.97, 0.99), Verdict.INCONCLUSIVE),
        ((0.972, 0.972), Verdict.INCONCLUSIVE),
    ],
)
def test_verdict_follows_from_seeds(values, verdict):
    """Close seeds on, above and below the printed 97.2; scattered ones; two of them."""
    cells, check = verdicts(frame_with(values))
    assert image(cells).verdict is verdict
    assert image(cells).reference == TABLE1.numbers[0].value
    assert check.margin == Margin(points=1.2, source=TABLE1.tolerance.source)
    assert len(cells) == 2
    if len(values) < 3:
        assert "at least 3" in image(cells).reason
    else:
        assert image(cells).tested.low == pytest.approx(97.15 - 1.2)
        assert image(cells).tested.high == pytest.approx(97.25 + 1.2)


def test_every_printed_number_has_one_verdict():
    """212 numbers, 212 verdicts; methods without results are not run."""
    check = judge(TABLE1, frame_with((0.97, 0.97, 0.97)), methods=[RAD])
    assert len(check.cells) == len(TABLE1.numbers)
    assert sum(check.counts.values()) == len(TABLE1.numbers)
    rest = {cell.verdict for cell in check.cells if cell.method != "rad"}
    assert rest == {Verdict.NOT_RUN}


@pytest.mark.parametrize(
    ("changes", "kind", "text"),
    [
        ({"backbone": "resnet18"}, Essential.BACKBONE, "backbone resnet18 instead of alexnet"),
        ({"image_size": 256}, Essential.IMAGE_SIZE, "image size 256 instead of 448"),
        ({"protocol": "overlap/1:total=100"}, Essential.PROTOCOL, "protocol overlap"),
        ({"evaluation": "eval/0"}, Essential.EVALUATION, "evaluation eval/0"),
        ({"synthetic": True}, Essential.DATA, "embedded synthetic data"),
    ],
)
def test_essential_departures_forbid_a_verdict(changes, kind, text):
    """What departs is named; a target that does not call it essential is judged all the same."""
    frame = frame_with((0.972, 0.9721, 0.9719)).assign(**changes)
    cell = image(verdicts(frame)[0])
    assert cell.verdict is Verdict.NOT_COMPARABLE
    assert text in cell.reason
    others = tuple(name for name in Essential if name is not kind)
    lenient = replace(TABLE1, essential=others)
    assert image(verdicts(frame, target=lenient)[0]).verdict is Verdict.REPRODUCED


def test_changed_settings_and_presets_are_named():
    """An override, and another preset, are departures of settings."""
    frame = frame_with((0.972, 0.9721, 0.9719))
    changed = replace(RAD, overrides=("epochs 3 instead of 240",))
    check = judge(TABLE1, frame, methods=[changed], scope=BOTTLE, preset="quick")
    assert check.cells[0].verdict is Verdict.NOT_COMPARABLE
    assert check.cells[0].reason == "preset quick; epochs 3 instead of 240"
    unknown = judge(TABLE1, frame, scope=BOTTLE)
    assert "nothing is known" in unknown.cells[0].reason


def test_failures_and_gaps_are_no_bad_results():
    """A failed seed makes the cell and the average failed; a missing category makes it not run."""
    failed = {("rad", "mvtec_ad", "bottle", 0.0, 1): {"status": "failed", "error": "out of memory"}}
    scope = Scope(methods=("rad",), noise=(0.0,))
    cells, _ = verdicts(frame_with((0.97, 0.97, 0.97), change=failed), scope=scope)
    assert image(cells).verdict is Verdict.FAILED
    assert "out of memory" in image(cells).reason
    assert cells["rad/mvtec_ad/average/noise0/image_auroc"].verdict is Verdict.FAILED
    frame = frame_with((0.97, 0.97, 0.97))
    cells, _ = verdicts(frame[frame.category != "wood"], scope=scope)
    average = cells["rad/mvtec_ad/average/noise0/image_auroc"]
    assert average.verdict is Verdict.NOT_RUN
    assert average.reason == "14 of 15 categories are complete"
    assert cells["rad/mvtec_ad/wood/noise0/image_auroc"].verdict is Verdict.NOT_RUN


def test_average_is_tested_over_seeds_of_the_category_mean():
    """The test of an average sees one value per seed: the mean of that seed's categories."""
    frame = frame_with((0.97, 0.97, 0.97))
    cells, _ = verdicts(frame, scope=Scope(methods=("rad",), noise=(0.0,)))
    tested = cells["rad/mvtec_ad/average/noise0/image_auroc"].tested
    here = frame[(frame.dataset == "mvtec_ad") & (frame.noise == 0)]
    means = 100 * here.groupby("seed")["image_auroc"].mean()
    assert tested.n == 3
    assert tested.mean == pytest.approx(means.mean())
    assert tested.sd == pytest.approx(means.std())


@pytest.mark.parametrize("category", ["bottle", "average"])
def test_another_level_than_the_printed_one_is_not_comparable(category):
    """33 % where 50 % is printed says nothing about it, in a category and in its average."""
    off = {("rad", "mvtec_ad", "bottle", 50.0): {"noise_effective": 33.3}}
    scope = Scope(methods=("rad",), noise=(50.0,))
    frame = frame_with((0.9, 0.9, 0.9), change=off)
    label = f"rad/mvtec_ad/{category}/noise50/image_auroc"
    cell = verdicts(frame, scope=scope)[0][label]
    assert cell.reason == "another noise level was reached: bottle 33.3% instead of 50%"
    assert cell.verdict is Verdict.NOT_COMPARABLE
    assert cell.tested is None
    others = tuple(name for name in Essential if name is not Essential.PROTOCOL)
    lenient = verdicts(frame, scope=scope, target=replace(TABLE1, essential=others))[0][label]
    assert lenient.tested is not None
    assert lenient.reason == cell.reason
    assert verdicts(frame, scope=scope)[0]["rad/mvtec_ad/wood/noise50/image_auroc"].tested


def test_without_margin_nothing_is_tested():
    """A target that declares no margin gets no verdict from a test, and says why."""
    bare = replace(TABLE1, tolerance=None)
    cells, _ = verdicts(frame_with((0.972, 0.9721, 0.9719)), target=bare)
    assert image(cells).verdict is Verdict.INCONCLUSIVE
    assert "no margin" in image(cells).reason
    own = Margin(points=0.5, source="given")
    cells, check = verdicts(frame_with((0.972, 0.9721, 0.9719)), target=bare, margin=own)
    assert image(cells).verdict is Verdict.REPRODUCED
    assert check.margin == own


def test_times_are_never_tested():
    """Hours and milliseconds have no margin in points."""
    table4 = load_target("table4")
    rtx = {("rad",): {"device": "cuda", "device_name": "NVIDIA GeForce RTX 4090"}}
    frame = make_frame(table4, methods=["rad"], change=rtx)
    check = judge(table4, frame, methods=[RAD], margin=Margin(points=1, source="x"))
    said = {cell.metric: cell for cell in check.cells if cell.method == "rad"}
    assert said["training_h"].verdict is Verdict.INCONCLUSIVE
    assert "no test is defined" in said["training_h"].reason


@pytest.mark.parametrize(
    ("values", "loose", "strict"),
    [
        ((0.972, 0.9721, 0.9719), 0, 0),
        ((0.99, 0.9901, 0.9902), 0, 1),
        ((0.93, 0.9301, 0.9302), 1, 1),
        ((0.95, 0.97, 0.99), 0, 3),
    ],
)
def test_exit_codes(values, loose, strict):
    """0 as expected, 1 not reproduced, 3 without a decision where strict."""
    check = verdicts(frame_with(values))[1]
    assert check.exit_code() == loose
    assert check.exit_code(strict=True) == strict


def test_failed_cells_fail_and_what_was_not_run_does_not():
    """A failed seed ends with 1 as JUnit and GitHub say "error"; a missing one is 0, strict 3."""
    failed = {("rad", "mvtec_ad", "bottle", 0.0, 1): {"status": "failed", "error": "no memory"}}
    check = verdicts(frame_with((0.972, 0.9721, 0.9719), change=failed))[1]
    assert (check.exit_code(), check.exit_code(strict=True)) == (1, 1)
    assert 'errors="2"' in render_junit(check)
    assert "::error" in render_annotations(check)
    frame = frame_with((0.972, 0.9721, 0.9719))
    gone = verdicts(frame[frame.category != "bottle"])[1]
    assert (gone.exit_code(), gone.exit_code(strict=True)) == (0, 3)


def test_an_empty_check_is_no_success_when_strict():
    """Nothing to judge is incomplete."""
    nowhere = Scope(noise=(7.0,))
    check = verdicts(frame_with((0.97, 0.97, 0.97)), scope=nowhere)[1]
    assert (check.exit_code(), check.exit_code(strict=True)) == (0, 3)


@pytest.fixture(scope="module")
def mixed():
    """A check with every verdict but 'not comparable' and 'inconclusive'."""
    change = {
        ("rad", "mvtec_ad", "cable", 0.0): {"image_auroc": 0.5},
        ("rad", "mvtec_ad", "grid", 0.0, 1): {"status": "failed", "error": "a <b> & \x00 \x1b[1m"},
        ("rad", "mvtec_ad", "wood", 0.0): {"image_auroc": 1.0},
    }
    frame = frame_with((0.972, 0.9721, 0.9719), change=change)
    scope = Scope(methods=("rad", "osr"), noise=(0.0,))
    return judge(TABLE1, frame, methods=[RAD], scope=scope)


def test_outputs_agree(mixed):
    """Text, JSON, JUnit and summary count the same verdicts; JUnit is valid XML."""
    document = json.loads(render_json(mixed))
    counts = {v.label: n for v, n in mixed.counts.items()}
    assert document["counts"] == counts
    assert document["exit_code"] == 1
    assert [c["verdict"] for c in document["cells"]] == [c.verdict.label for c in mixed.cells]
    root = Xml.fromstring(render_junit(mixed))
    assert root.get("tests") == str(len(mixed.cells))
    assert len(root.findall(".//failure")) == counts["worse"] == int(root.get("failures"))
    assert len(root.findall(".//error")) == counts["failed"] == int(root.get("errors"))
    skipped = sum(counts[n] for n in ("not run", "inconclusive", "not comparable"))
    assert len(root.findall(".//skipped")) == skipped == int(root.get("skipped"))
    text = render_text(mixed)
    summary = render_summary(mixed)
    for verdict, n in mixed.counts.items():
        if n:
            assert f"{n} {verdict.label}" in text
            assert f"| {verdict.label} | {n} |" in summary
    everything = render_text(mixed, everything=True)
    assert everything.count("\n  ") == len(mixed.cells)
    # On a terminal nothing but a single word is longer than a line, and every word is there.
    narrow = render_text(mixed, everything=True, width=60)
    assert narrow.split() == everything.split()
    assert max(map(len, everything.splitlines())) > 120
    assert all(len(line) <= 60 or " " not in line.strip() for line in narrow.splitlines())


def test_strict_junit_fails_what_is_not_reproduced(mixed):
    """With strict, only reproduced cells are a success."""
    root = Xml.fromstring(render_junit(mixed, strict=True))
    counts = mixed.counts
    others = len(mixed.cells) - counts[Verdict.REPRODUCED] - counts[Verdict.FAILED]
    assert int(root.get("failures")) == others
    assert root.get("skipped") == "0"


def test_annotations_are_one_line_commands_and_limited(mixed):
    """Each line is a workflow command; special characters are encoded; ten of a kind at most."""
    lines = render_annotations(mixed).splitlines()
    assert all(line.startswith(("::error ", "::warning ", "::notice ")) for line in lines)
    assert lines[-1].startswith("::notice")
    bad = {("rad",): {"image_auroc": 0.3, "pixel_auroc": 0.3}}
    check = judge(TABLE1, frame_with((0.3, 0.3, 0.3), change=bad), methods=[RAD])
    worse = check.counts[Verdict.WORSE]
    errors = [line for line in render_annotations(check).splitlines() if "::error" in line]
    assert worse > 10
    assert len(errors) == 10
    assert f"{worse - 9} more cells are worse" in errors[-1]


def test_text_of_a_failure_cannot_become_markup(mixed):
    """An error message from a method is inert in the summary, and its controls are gone in XML."""
    assert "<b>" not in render_summary(mixed)
    assert "\x00" not in render_junit(mixed)
    assert "\x1b" not in render_junit(mixed)
