"""What may be compared, what is hidden, and how a grid without a paper is laid out."""

from dataclasses import replace
from decimal import Decimal

import pandas as pd
import pytest
from table_frames import make_frame, make_row

from adrepro.tables.assemble import build_model
from adrepro.tables.generic import generic_target
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target

TABLE1 = load_target("table1")
DIFFERNET = MethodInfo(
    name="differnet", title="DifferNet", paper_backbone="alexnet", paper_image_size=448
)
PATCHCORE = MethodInfo(name="patchcore", title="PatchCore", paper_backbone="wide_resnet50_2")
RAD = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet", paper_image_size=448)
INFOS = (DIFFERNET, PATCHCORE, RAD)


def block_of(model, method):
    return next(block for block in model.blocks if block.method == method)


def entry_at(model, method, row, column=0, position=0):
    return block_of(model, method).rows[row].cells[column].entries[position]


def compared_places(model, method):
    return [
        (row.spec.id, column.at.noise, entry.metric)
        for row in block_of(model, method).rows
        for column, cell in zip(model.columns, row.cells, strict=True)
        for entry in cell.entries
        if entry.reported is not None
    ]


def test_same_method_is_compared_and_no_other():
    """DifferNet meets the two averages stated for it, PatchCore meets nothing."""
    model = build_model(TABLE1, make_frame(TABLE1), methods=INFOS)
    assert compared_places(model, "differnet") == [
        ("average", 0.0, "image_auroc"),
        ("average", 50.0, "image_auroc"),
    ]
    assert compared_places(model, "patchcore") == []
    assert not model.method("patchcore").has_counterpart
    assert model.method("differnet").comparable


def test_the_papers_own_method_is_compared_everywhere():
    """All 204 printed numbers of RAD meet an achieved RAD."""
    model = build_model(TABLE1, make_frame(TABLE1, methods=["rad"]), methods=INFOS)
    assert len(compared_places(model, "rad")) == 204


def test_difference_is_that_of_the_digits_shown():
    """A reader can check every difference by hand."""
    model = build_model(TABLE1, make_frame(TABLE1, methods=["rad"]), methods=INFOS)
    for row in block_of(model, "rad").rows:
        for cell in row.cells:
            for entry in cell.entries:
                shown = Decimal(entry.outcome.text())
                assert entry.difference == shown - entry.reported.value


DEPARTURES = [
    ({"backbone": "efficientnet_lite0"}, {}, "backbone efficientnet_lite0 instead of alexnet"),
    ({"image_size": 256}, {}, "image size 256 instead of 448"),
    ({"image_size": 256.0}, {}, "image size 256 instead of 448"),
    ({"protocol": "overlap/1:total=100"}, {}, "protocol overlap/1:total=100 instead of"),
    ({"protocol": "fixed-test/1:total=60"}, {}, "protocol fixed-test/1:total=60 instead of"),
    ({"evaluation": "eval/0"}, {}, "evaluation eval/0 instead of eval/2"),
    ({}, {"preset": "quick"}, "preset quick"),
]


@pytest.mark.parametrize(("changes", "options", "reason"), DEPARTURES)
def test_departures_forbid_comparison(changes, options, reason):
    """Whatever departs from the paper takes the reported numbers away and is named."""
    frame = make_frame(TABLE1, change={("differnet",): changes})
    model = build_model(TABLE1, frame, methods=INFOS, **options)
    method = model.method("differnet")
    assert not method.comparable
    assert any(reason in text for text in method.departures)
    assert compared_places(model, "differnet") == []
    # The paper's own table still stands apart for reading.
    assert model.reported


def test_overrides_and_unknown_methods_forbid_comparison():
    """A changed setting, or a method nobody described, is not compared."""
    changed = replace(DIFFERNET, overrides=("epochs 30 instead of 240",))
    model = build_model(TABLE1, make_frame(TABLE1), methods=[changed])
    assert model.method("differnet").departures == ("epochs 30 instead of 240",)
    model = build_model(TABLE1, make_frame(TABLE1))
    assert not model.method("differnet").comparable


def test_synthetic_data_meet_no_reported_number():
    """On synthetic data the paper's numbers are neither shown nor compared."""
    frame = make_frame(TABLE1, methods=["rad", "differnet"], stand_ins=True)
    model = build_model(TABLE1, frame, methods=INFOS)
    assert model.synthetic
    assert model.reported == ()
    assert compared_places(model, "rad") == []
    assert compared_places(model, "differnet") == []
    average = entry_at(model, "rad", 15).outcome
    assert average.estimate is not None


def test_synthetic_by_name_is_enough():
    """A stand-in dataset is synthetic even if the frame's flag were lost."""
    frame = make_frame(TABLE1, stand_ins=True).assign(synthetic=False)
    assert build_model(TABLE1, frame, methods=INFOS).synthetic


def test_best_is_shared_by_ties_and_needs_all_methods():
    """Bold goes to the best complete mean, to both on a tie, to none if a rival is incomplete."""
    change = {
        ("differnet", "mvtec_ad", "bottle"): {"image_auroc": 0.9},
        ("patchcore", "mvtec_ad", "bottle"): {"image_auroc": 0.90001},
        ("differnet", "mvtec_ad", "cable"): {"image_auroc": 0.9},
        ("patchcore", "mvtec_ad", "cable"): {"image_auroc": 0.8},
        ("patchcore", "mvtec_ad", "grid", 0.0, 1): {"status": "failed"},
    }
    model = build_model(TABLE1, make_frame(TABLE1, change=change), methods=INFOS)

    def best(method, index):
        return entry_at(model, method, index).best

    names = [row.id for row in TABLE1.layout.rows]
    bottle, cable, grid = (names.index(n) for n in ("bottle", "cable", "grid"))
    assert (best("differnet", bottle), best("patchcore", bottle)) == (True, True)
    assert (best("differnet", cable), best("patchcore", cable)) == (True, False)
    assert (best("differnet", grid), best("patchcore", grid)) == (False, False)


def test_results_outside_the_table_are_said():
    """Rows that no cell of the table shows are counted in a note, not dropped silently."""
    extra = pd.DataFrame([make_row("differnet", "mvtec_ad", "bottle", 25.0, 0)])
    frame = pd.concat([make_frame(TABLE1), extra], ignore_index=True)
    notes = build_model(TABLE1, frame, methods=INFOS).notes
    assert any("1 of 577 results lie outside" in note for note in notes)


def test_fewer_seeds_than_the_target_are_said():
    """Fewer seeds than the paper's trials are said, also if the user asked for so few."""
    asked = replace(TABLE1, run=replace(TABLE1.run, seeds=1, methods=("differnet",)))
    for target in (TABLE1, asked):
        model = build_model(target, make_frame(target, seeds=1), methods=INFOS)
        assert model.few_seeds == "1 seed; the paper's table is the mean of 3 trials."
        assert model.few_seeds in model.notes
    model = build_model(TABLE1, make_frame(TABLE1, seeds=2), methods=INFOS)
    assert model.few_seeds.startswith("2 seeds; ")


@pytest.mark.parametrize("options", [{"seeds": 3}, {"seeds": 4}, {"seeds": 1, "stand_ins": True}])
def test_enough_seeds_or_nothing_reported_needs_no_word(options):
    """As many seeds as trials, or synthetic data, which nothing reported stands beside."""
    model = build_model(TABLE1, make_frame(TABLE1, **options), methods=INFOS)
    assert model.few_seeds == ""
    assert not [note for note in model.notes if "trials" in note]


ADDED = "added/1:shortage=cap,max_level=100"


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({"protocol": ADDED}, {}, f"protocol {ADDED} instead of fixed-test/1"),
        ({"protocol": "overlap/1:total=100"}, {}, "protocol overlap/1:total=100 instead of"),
        ({}, {"preset": "quick"}, "preset quick"),
    ],
)
def test_reported_is_drawn_beside_no_other_run(changes, options, reason):
    """Another protocol or preset takes the reported numbers out of the figure, with one note."""
    frame = make_frame(TABLE1).assign(**changes)
    model = build_model(TABLE1, frame, methods=INFOS, **options)
    assert model.reported
    assert model.beside == ()
    assert len([note for note in model.notes if reason in note]) == 1


def test_reported_is_drawn_only_in_rows_with_a_result():
    """A panel without an achieved number gets no reported one, and the note names it."""
    change = {("patchcore", "ksdd2"): {"status": "pending"}}
    frame = make_frame(TABLE1, methods=["patchcore"], change=change)
    model = build_model(TABLE1, frame, methods=INFOS)
    assert model.beside == ("average",)
    label = next(row.label for row in TABLE1.layout.rows if row.id == "ksdd2")
    assert any(note.endswith(f"no complete result for {label}.") for note in model.notes)
    # Another backbone or method alone forbids a comparison, not the drawing.
    frame = make_frame(TABLE1).assign(backbone="efficientnet_lite0")
    model = build_model(TABLE1, frame, methods=INFOS)
    assert model.beside == TABLE1.layout.curve
    assert model.notes == ()


def bottle_at(model, index):
    return model.blocks[0].rows[0].cells[index].entries[0]


def test_level_missed_by_one_seed_marks_the_cell_and_its_average():
    """More than 0.05 points in any seed count; a ratio protocol's true share does not."""
    change = {
        ("patchcore", "mvtec_ad", "bottle", 50.0, 1): {"noise_effective": 48.8, "n_train": 84},
        ("patchcore", "mvtec_ad", "bottle", 40.0, 1): {"noise_effective": 40.05},
    }
    frame = make_frame(TABLE1, methods=["patchcore"], change=change)
    model = build_model(TABLE1, frame, methods=INFOS)
    assert bottle_at(model, 5).off_level
    assert bottle_at(model, 5).training.missed == (("mvtec_ad", "bottle", "50", "48.8", False),)
    assert float(bottle_at(model, 5).training.noise_effective) == pytest.approx(49.6)
    assert not bottle_at(model, 4).off_level
    average = model.blocks[0].rows[15].cells
    assert [cell.entries[0].off_level for cell in average] == [False] * 5 + [True]
    added = build_model(TABLE1, frame.assign(protocol=ADDED), methods=INFOS)
    assert not bottle_at(added, 5).off_level
    failed = frame.assign(status="failed")
    assert not bottle_at(build_model(TABLE1, failed, methods=INFOS), 5).off_level


def test_levels_are_named_by_their_protocol():
    """A ratio of added anomalies is not called label noise."""
    frame = make_frame(TABLE1, methods=["patchcore"])
    assert build_model(TABLE1, frame, methods=INFOS).level_title == "Label noise (%)"
    frame = frame.assign(protocol=ADDED)
    title = "Added anomalies (% of nominal training images)"
    assert build_model(TABLE1, frame, methods=INFOS).level_title == title
    assert generic_target(frame).layout.column_header == title


def test_empty_frame_gives_an_empty_table():
    """No result is a table without blocks, not a crash."""
    frame = make_frame(TABLE1).iloc[:0]
    assert build_model(TABLE1, frame, methods=INFOS).blocks == ()
    assert generic_target(frame).layout.rows == ()


def test_generic_target_lays_out_any_grid():
    """Rows are the frame's categories with an average per dataset that has several."""
    rows = [
        make_row("mine", dataset, category, noise, 0)
        for noise in (10.0, 0.0)
        for dataset, category in (("parts", "nut"), ("parts", "bolt"), ("strip", "strip"))
    ]
    frame = pd.DataFrame(rows)
    target = generic_target(frame)
    assert [row.label for row in target.layout.rows] == [
        "parts nut",
        "parts bolt",
        "parts (average)",
        "strip",
    ]
    assert target.run.noise == (0.0, 10.0)
    assert target.layout.curve == ("parts/", "strip/strip")
    model = build_model(target, frame)
    assert model.reported == ()
    average = model.blocks[0].rows[2].cells[0].entries[0].outcome.estimate
    expected = frame.query("dataset == 'parts' and noise == 0").image_auroc.mean()
    assert float(average.mean) == pytest.approx(expected, abs=1e-12)
