"""Which method wins at a level, and where the paper's own stands."""

from table_frames import make_frame

from adrepro.reports import claims
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target

TABLE1 = load_target("table1")
METHODS = ("rad", "osr", "irp")


def model_with(**options):
    target = load_target("table1")
    flat = {("rad",): {"image_auroc": 0.9}, ("osr",): {"image_auroc": 0.8}}
    flat[("irp",)] = {"image_auroc": 0.7}
    change = flat | options.pop("change", {})
    return build_model(target, make_frame(target, methods=METHODS, change=change, **options))


def at(model, dataset, noise):
    return next(s for s in model.standings if (s.dataset, s.noise) == (dataset, noise))


def test_order_is_that_of_the_means():
    """The best mean over all categories wins; the paper's method has its rank."""
    change = {("osr", "ksdd2", "ksdd2", 50.0): {"image_auroc": 0.95}}
    model = model_with(change=change)
    assert [name for name, _ in at(model, "MVTec AD", 0.0).order] == ["rad", "osr", "irp"]
    assert at(model, "KSDD2", 50.0).winners == ("osr",)
    assert at(model, "KSDD2", 50.0).rank("rad") == 2
    assert len(model.standings) == 12


def test_ties_share_the_win():
    """Methods with the same digits shown both win and have rank 1."""
    change = {("osr",): {"image_auroc": 0.90004}}
    standing = at(model_with(change=change), "MVTec AD", 10.0)
    assert set(standing.winners) == {"rad", "osr"}
    assert standing.rank("rad") == standing.rank("osr") == 1
    assert standing.rank("irp") == 3


def test_an_incomplete_set_stands_in_no_order():
    """One failed seed of one category takes a method out of that level, by name."""
    change = {("rad", "mvtec_ad", "grid", 20.0, 1): {"status": "failed", "error": "x"}}
    model = model_with(change=change)
    standing = at(model, "MVTec AD", 20.0)
    assert standing.winners == ("osr",)
    assert standing.incomplete == ("rad",)
    assert standing.rank("rad") is None
    line = next(x for x in claims.winners(model) if (x.dataset, x.noise) == ("MVTec AD", "20%"))
    assert (line.methods, line.rank, line.aside) == ("osr", "incomplete", "rad")


def test_claims_stand_beside_real_data_only():
    """Synthetic results are ranked among themselves, without the paper's claims."""
    real, drawn = model_with(), model_with(stand_ins=True)
    assert claims.claims(real) == TABLE1.claims
    assert len(TABLE1.claims) == 4
    assert claims.claims(drawn) == ()
    assert claims.heading(drawn) == "Which method wins"
    assert len(claims.winners(drawn)) == 12


def test_nothing_complete_ranks_nothing():
    """With one category of fifteen nobody wins, and the report says so."""
    frame = make_frame(TABLE1, methods=METHODS)
    model = build_model(TABLE1, frame[frame.category == "wood"])
    assert claims.winners(model) == []
    assert "nothing is ranked" in claims.nothing(model)
    assert claims.nothing(model_with()) == ""


def test_tables_without_image_auroc_rank_nothing():
    """Table 4 is about time."""
    target = load_target("table4")
    model = build_model(target, make_frame(target, methods=("rad", "osr"), seeds=1))
    assert model.standings == ()
