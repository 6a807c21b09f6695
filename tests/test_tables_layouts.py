"""Tables whose rows or columns are methods, quantities, categories or levels, in any mixture."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_frames import make_frame

from adrepro.tables.assemble import build_model
from adrepro.tables.layout import ALL_ANOMALOUS, Layout, Line, Place, arrange
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import list_targets, load_target

RAD_TARGETS = tuple(name for name in list_targets() if name.startswith("rad/"))


def infos_for(target):
    return [
        MethodInfo(
            name=name,
            title=name.upper(),
            paper_backbone="wide_resnet50_2" if name == "patchcore" else "alexnet",
        )
        for name in target.run.methods
    ]


def model_for(name, *, methods=None, seeds=1, **options):
    target = load_target(name)
    frame = make_frame(target, methods=methods or target.run.methods, seeds=seeds, **options)
    return build_model(target, frame, methods=infos_for(target))


def shown(block):
    return {
        row.spec.id: [[e.outcome.text() for e in cell.entries] for cell in row.cells]
        for row in block.rows
    }


PLACES = st.builds(
    Place,
    method=st.sampled_from([None, "m"]),
    noise=st.sampled_from([None, 0.0, 10.0]),
    cell=st.sampled_from([None, "{f1}"]),
)


@given(PLACES, PLACES, PLACES)
def test_later_lines_win_and_grouping_does_not_matter(one, two, three):
    """Merging places is associative, and what is said last stands."""
    assert one.under(two).under(three) == one.under(two.under(three))
    assert one.under(two).noise == (one.noise if two.noise is None else two.noise)


def test_a_category_replaces_an_average_and_the_other_way_round():
    """A place is one category or all of a dataset, never both."""
    whole, one = Place(average_of="d"), Place(dataset="d", category="c")
    assert whole.under(one) == one
    assert one.under(whole) == whole


def test_methods_that_the_layout_does_not_name_get_lines_of_their_own():
    """A user's method joins the rows at the end; a named one that did not run has no row."""
    rows = tuple(Line(id=n, label=n.upper(), at=Place(method=n)) for n in ("a", "b"))
    layout = Layout(label="t", rows=rows, columns="noise", at=Place(cell="{f1}"))
    grid = arrange(layout, ("b", "mine"), (0.0, 12.5), {"mine": "Mine"})
    assert [(row.id, row.label, row.group) for row in grid.rows] == [
        ("b", "B", ""),
        ("mine", "Mine", "added"),
    ]
    assert [column.id for column in grid.columns] == ["0", "12.5"]
    assert len(grid.blocks) == 1
    rule = Line(id=ALL_ANOMALOUS, label="All", at=Place(method=ALL_ANOMALOUS))
    grid = arrange(replace(layout, rows=(*rows, rule)), ("b", "mine", ALL_ANOMALOUS), (0.0,))
    assert [row.id for row in grid.rows] == ["b", "mine", ALL_ANOMALOUS]


def test_blocks_are_methods_only_where_nobody_names_one():
    """Table 1 has a block per method; tables over methods are one, or one per dataset."""
    blocks = {name: [b.spec.id for b in model_for(name).blocks] for name in RAD_TARGETS}
    cast = ["rad", "mld-ir", "irp", "osr", "differnet", "patchcore"]
    assert blocks["rad/table1"] == cast
    for name in ("rad/fig3", "rad/removal"):
        assert blocks[name] == ["mvtec_ad", "ksdd2"]
    for name in ("rad/table2", "rad/table3", "rad/table4"):
        assert blocks[name] == [""]


def test_rows_of_methods_hold_the_datasets_means():
    """Table 3's entries equal pandas' mean over categories and seeds."""
    target = load_target("table3")
    frame = make_frame(target, methods=target.run.methods)
    (block,) = build_model(target, frame, methods=infos_for(target)).blocks
    for row in block.rows:
        own = frame[frame.method == row.spec.at.method]
        for cell, noise in zip(row.cells, target.run.noise, strict=True):
            (entry,) = cell.entries
            expected = own[own.noise == noise].image_auroc.mean()
            assert float(entry.outcome.estimate.mean) == pytest.approx(expected, abs=1e-12)
            assert entry.method == row.spec.at.method


def test_columns_of_quantities_take_each_their_own():
    """Table 2's columns show nine different columns of the frame."""
    found = shown(model_for("table2").blocks[0])["rad"]
    expected = [90, 80, 85, 88, 92, 90, 85, 80, 82]
    assert [float(text) for (text,) in found] == expected


def test_calling_everything_anomalous_is_computed_from_the_test_sets():
    """Precision is the mean share of anomalous images over categories, F1 follows per category."""
    change = {("rad", "mvtec_ad", "bottle"): {"n_test_good": 60, "n_test_anomalous": 20}}
    model = model_for("table2", methods=["rad"], change=change)
    found = shown(model.blocks[0])[ALL_ANOMALOUS]
    share = [2 / 3] * 14 + [1 / 4]
    f1 = [2 * p / (p + 1) for p in share]
    expected = [f"{100 * sum(values) / 15:.1f}" for values in (share, f1)]
    assert found[0] == [expected[0]]
    assert found[1] == ["100.0"]
    assert found[2] == [expected[1]]
    assert found[5] == [expected[1]]
    assert found[6:] == [["50.0"], ["100.0"], ["66.7"]]
    assert [method.name for method in model.methods] == ["rad"]


def test_the_trivial_rule_wins_no_bold():
    """Its recall of 100 does not take the bold from the best method."""
    (block,) = model_for("table2", methods=["rad", "osr"]).blocks
    best = {row.spec.id: [c.entries[0].best for c in row.cells] for row in block.rows}
    assert not any(best[ALL_ANOMALOUS])
    assert all(best["rad"])


def test_bold_takes_the_shorter_time():
    """Where less is better the smallest digits shown are bold, in their column."""
    change = {("irp",): {"fit_s": 0.5}, ("osr",): {"latency_ms": 1.0}}
    (block,) = model_for("table4", change=change).blocks
    best = {row.spec.id: [c.entries[0].best for c in row.cells] for row in block.rows}
    assert best["irp"] == [True, False]
    assert best["osr"] == [False, True]
    assert not any(any(flags) for name, flags in best.items() if name not in ("irp", "osr"))


def test_every_variant_meets_its_own_reported_number():
    """Table 3 compares each row with the number printed in that row, by the digits shown."""
    (block,) = model_for("table3").blocks
    numbers = {n.key[1:3]: n.value for n in load_target("table3").numbers}
    for row in block.rows:
        for cell, column in zip(row.cells, ("0", "10", "20", "30", "40", "50"), strict=True):
            (entry,) = cell.entries
            assert entry.reported.value == numbers[row.spec.id, column]
            assert entry.difference == Decimal(entry.outcome.text()) - entry.reported.value


def test_one_departing_method_takes_only_its_own_comparison():
    """In a joint table comparability is a matter of each method."""
    change = {("osr",): {"backbone": "efficientnet_lite0"}}
    model = model_for("table2", change=change)
    reported = {
        row.spec.id: any(e.reported for cell in row.cells for e in cell.entries)
        for row in model.blocks[0].rows
    }
    assert not reported["osr"]
    assert all(reported[name] for name in ("rad", "mld-ir", "irp", "differnet"))


def test_the_papers_table_has_only_what_the_paper_prints():
    """Columns and rows that the paper does not have are left out of its own table."""
    model = model_for("table2", methods=["rad"])
    (reported,) = model.reported
    assert [column.label for column in reported.columns] == ["Precision", "Recall", "F1-Score"]
    assert [row.spec.label for row in reported.rows][:2] == ["RAD", "MLD-IR"]
    assert len(reported.rows) == 5
    assert model_for("removal").reported == ()


def test_levels_asked_for_are_the_columns():
    """--noise replaces the columns of every table over levels, reported numbers included."""
    target = load_target("fig3")
    target = replace(target, run=replace(target.run, noise=(0.0, 25.0)))
    frame = make_frame(target, methods=["rad", "osr"])
    model = build_model(target, frame, methods=infos_for(target))
    assert [column.label for column in model.columns] == ["0%", "25%"]
    assert [c.id for c in model.reported[0].columns] == ["0"]


@pytest.mark.parametrize("name", RAD_TARGETS)
def test_synthetic_data_meet_no_reported_number(name):
    """On synthetic data no target shows or compares anything the paper reports."""
    model = model_for(name, stand_ins=True)
    assert model.reported == ()
    assert model.beside == ()
    assert not [e for block in model.blocks for e in block.entries if e.reported]
    assert any(e.outcome.estimate for block in model.blocks for e in block.entries)


def test_figure_of_reported_points_is_drawn_beside_any_run():
    """Figure 3 always shows what the paper reports, and says how the run differs."""
    target = load_target("fig3")
    frame = make_frame(target, methods=["rad", "osr"])
    model = build_model(target, frame, methods=infos_for(target), preset="quick")
    assert model.beside == ("mvtec_ad", "ksdd2")
    assert any("for reference; this run: preset quick" in note for note in model.notes)
    plain = build_model(target, frame, methods=infos_for(target))
    assert not [note for note in plain.notes if "reference" in note]
    # Table 3 keeps to the rule of Table 1.
    target = load_target("table3")
    frame = make_frame(target, methods=["rad"])
    model = build_model(target, frame, methods=infos_for(target), preset="quick")
    assert model.beside == ()


def test_categories_are_drawn_where_an_average_is_nowhere():
    """Two categories of Table 1 are drawn themselves; rows that are no part of the run are not."""
    target = load_target("table1")
    frame = make_frame(target)
    small = frame[frame.category.isin(["tile", "wood"])]
    model = build_model(target, small)
    assert [line.label for line in model.curve] == ["Tile", "Wood"]
    assert any("MvTec-AD (Average): figures plot its categories" in note for note in model.notes)
    assert [line.id for line in build_model(target, frame).curve] == ["average", "ksdd2"]


@pytest.mark.parametrize(("name", "count"), [("table3", 2), ("fig3", 3), ("table2", 2)])
def test_categories_have_their_own_tables_where_only_some_were_asked_for(name, count):
    """Two categories of fifteen are two tables, never a partial mean; nothing is compared."""
    target = load_target(name)
    frame = make_frame(target, methods=["rad", "osr"], seeds=1)
    small = frame[frame.category.isin(["tile", "wood", "ksdd2"])]
    model = build_model(target, small, methods=infos_for(target))
    assert len(model.blocks) == count
    tile = model.blocks[0]
    assert tile.spec.label.endswith("tile")
    expected = small[(small.category == "tile") & (small.method == "rad") & (small.noise == 0)]
    metric = tile.entries[0].metric
    assert float(tile.entries[0].outcome.estimate.mean) == pytest.approx(expected[metric].mean())
    assert any("each that ran has its own table" in note for note in model.notes)
    assert not [e for b in model.blocks[:2] for e in b.entries if e.reported]
    assert model.reported


def test_an_average_waits_while_its_categories_are_planned():
    """Pending categories belong to the run: the average shows its count, in one table."""
    change = {("rad", "mvtec_ad", "grid"): {"status": "pending"}}
    model = model_for("table3", methods=["rad"], change=change)
    assert len(model.blocks) == 1
    assert model.blocks[0].entries[0].outcome.text() == "14 of 15"


def test_times_of_some_categories_are_extrapolated_in_one_table():
    """Table 4 needs no split: a sum that was extrapolated says so."""
    target = load_target("table4")
    frame = make_frame(target, methods=["rad"], seeds=1)
    model = build_model(target, frame[frame.category == "tile"], methods=infos_for(target))
    (block,) = model.blocks
    assert block.entries[0].outcome.estimate.extrapolated == "1 of 15 categories"
