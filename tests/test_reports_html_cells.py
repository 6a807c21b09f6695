"""Behind the cells of the HTML page: verdicts, views, details, thumbnails, downloads."""

import base64
import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from table_frames import make_frame
from test_reports_html import CONTEXT, Page
from test_reports_text import CHANGE, INFOS

from adrepro.reports.evidence import Evidence
from adrepro.reports.html import render_html
from adrepro.reports.html_thumbs import EACH, ranked
from adrepro.reports.text import render_csv
from adrepro.reports.verdicts import words
from adrepro.tables.assemble import build_model
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.judge import judge
from adrepro.tables.verdicts.verdict import Verdict

TABLE1 = load_target("table1")
RAD = MethodInfo(name="rad", title="RAD", paper_backbone="alexnet", paper_image_size=448)
FRAME = make_frame(TABLE1, methods=["rad", "differnet"], change=CHANGE)
METHODS = (RAD, *INFOS)


@pytest.fixture(scope="module", autouse=True)
def no_drawings():
    """Leave out the drawings, which take most of a page's time and have their own tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("adrepro.reports.html.figures", lambda *_: [])
        patch.setattr("adrepro.reports.html.has_figure", lambda *_: False)
        yield


@pytest.fixture(scope="module")
def model():
    return build_model(TABLE1, FRAME, methods=METHODS)


@pytest.fixture(scope="module")
def check():
    return judge(TABLE1, FRAME, methods=METHODS)


@pytest.fixture(scope="module")
def page(model, check):
    return Page(render_html(model, CONTEXT, check))


@pytest.fixture(scope="module")
def data(page):
    return json.loads(page.code[-2])


def table(page, title):
    return next(t for t in page.tables if t["caption"].startswith(f"{title}, achieved"))


def test_every_verdict_has_its_own_sign(page, check):
    """Signs differ in shape; the counts are the check's, zeros too."""
    from adrepro.reports.html_verdicts import SIGNS

    assert set(SIGNS) == set(Verdict)
    assert len({text for text, _ in SIGNS.values()}) == len(Verdict)
    for verdict, count in check.counts.items():
        assert f"{SIGNS[verdict][0]} {count} {verdict.label}" in page.text
    assert words.method_sentence(check) in page.text


def test_signs_stand_at_their_numbers(page, check):
    """Each cell shows the signs of its own numbers, one where they agree."""
    from adrepro.reports.html_verdicts import SIGNS

    rows = {row[0]["text"]: row[1:] for row in table(page, "RAD")["rows"][2:]}
    found = {(c.category, c.noise, c.metric): c.verdict for c in check.cells if c.method == "rad"}
    for category, label in (("bottle", "Bottle"), ("screw", "Screw"), ("average", None)):
        cells = rows[label or "MvTec-AD (Average)"]
        for noise, cell in zip(TABLE1.run.noise, cells, strict=True):
            two = [found[category, noise, name] for name in ("image_auroc", "pixel_auroc")]
            signs = [SIGNS[verdict][0] + verdict.label for verdict in dict.fromkeys(two)]
            # The sign stands in the achieved and in the difference view.
            assert cell["sign"] == "".join(signs) * 2


def test_views_show_the_papers_numbers(model, page):
    """Under "reported" stand the printed digits, under "difference" the model's differences."""
    rows = {row[0]["text"]: row[1:] for row in table(page, "RAD")["rows"][2:]}
    assert rows["Wood"][0]["reported"] == "100/99.4"
    assert rows["MvTec-AD (Average)"][-1]["reported"] == "86.8/85.4"
    block = next(block for block in model.blocks if block.method == "rad")
    for row in block.rows:
        shown = rows[row.spec.label][0]["difference"]
        values = [e.difference for e in row.cells[0].entries]
        assert shown == "/".join(f"{v:+}" if v > 0 else f"{v}" for v in values)


def test_methods_that_may_not_be_compared_have_no_difference(check):
    """With another backbone the printed numbers can be seen, and no difference is taken."""
    infos = [MethodInfo(name="rad", title="RAD", paper_backbone="other", paper_image_size=448)]
    own = FRAME[FRAME["method"] == "rad"]
    page = Page(render_html(build_model(TABLE1, own, methods=infos), CONTEXT))
    cells = [cell for row in table(page, "RAD")["rows"][2:] for cell in row[1:]]
    assert {cell["difference"] for cell in cells} == {"n/c"}
    assert "100/99.4" in {cell["reported"] for cell in cells}


def test_synthetic_data_have_neither_verdict_nor_view():
    """A check handed in beside synthetic data is not shown; nothing of the paper is."""
    frame = make_frame(TABLE1, methods=["rad"], stand_ins=True)
    real = make_frame(TABLE1, methods=["rad"])
    check = judge(TABLE1, real, methods=[RAD])
    page = Page(render_html(build_model(TABLE1, frame, methods=[RAD]), CONTEXT, check))
    assert "verdicts" not in page.ids
    assert not [a for t, a in page.tags if t == "input" and a.get("type") == "radio"]
    assert not [c for t in page.tables for row in t["rows"] for c in row if c.get("sign")]


def test_details_hold_every_seed(model, data):
    """A cell leads to its runs: seeds, values and keys are the frame's."""
    block = model.blocks[0]
    number = next(i for i, row in enumerate(block.rows) if row.spec.at.category == "bottle") * len(
        model.columns
    )
    cell = data["cells"][number]
    assert cell["title"] == "RAD · Bottle · 0%"
    runs = [data["runs"][index] for index in cell["runs"]]
    rows = FRAME[(FRAME.method == "rad") & (FRAME.category == "bottle") & (FRAME.noise == 0)]
    assert [seed for seed, _ in runs] == [str(seed) for seed in rows.seed]
    place = {name: index for index, name in enumerate(data["rows"])}
    for (_, texts), (_, row) in zip(runs, rows.iterrows(), strict=True):
        assert float(texts[place["Image AUROC, %"]]) == pytest.approx(
            100 * row.image_auroc, abs=0.051
        )
        assert row.key.startswith(texts[place["Key"]])
        assert texts[place["Fit, s"]] == "1.25"
        assert texts[place["Mislabelled training images"]] == "0 of 100"
        assert texts[place["Removal precision, %"]] == ""
    made = data["made"][cell["made"]]
    assert ["epochs", "240"] in made["settings"]
    noisy = data["cells"][number + 1]["runs"][0]
    assert data["runs"][noisy][1][place["Removal precision, %"]] == "60.0"


def test_average_opens_to_its_categories(model, data):
    """Behind an average stand all its categories, a number for each seed."""
    rows = model.blocks[0].rows
    index = next(i for i, row in enumerate(rows) if row.spec.at.average_of)
    cell = data["cells"][index * len(model.columns)]
    assert len(cell["table"]["rows"]) == 15
    assert cell["table"]["heads"] == ["Seed 0", "Seed 1", "Seed 2"]
    assert len(cell["runs"]) == 45


def test_only_cells_with_runs_open(model, page, data):
    """Each button leads to data, and each place without a run has none."""
    opened = {int(a["data-cell"]) for t, a in page.tags if t == "button" and "data-cell" in a}
    assert opened == {i for i, cell in enumerate(data["cells"]) if cell is not None}
    assert len(data["cells"]) == sum(len(row.cells) for b in model.blocks for row in b.rows)


def test_downloads_are_the_other_outputs(model, page, check):
    """The embedded CSV is the file's, and every LaTeX form is there."""
    files = {a["download"]: a["href"] for t, a in page.tags if t == "a" and "download" in a}
    assert set(files) >= {"table1.csv", "table1.tex", "table1_sd.tex", "table1_check.json"}
    content = {n: base64.b64decode(u.partition(",")[2]).decode() for n, u in files.items()}
    assert content["table1.csv"] == render_csv(model)
    assert len(list(csv.DictReader(io.StringIO(content["table1.csv"])))) > 400
    assert r"\toprule" in content["table1.tex"]
    for form in ("", "_sd", "_difference"):
        assert r"\documentclass" in content[f"table1{form}_standalone.tex"]
        assert r"\documentclass" not in content[f"table1{form}.tex"]
    counted = json.loads(content["table1_check.json"])["counts"]
    assert counted == {verdict.label: n for verdict, n in check.counts.items()}


def evidence(labels, scores, pixels=None, key="k"):
    """Evidence with images of one colour each, or as given."""
    labels = np.asarray(labels, dtype=bool)
    colour = [np.full((32, 32, 3), 20 + 8 * i, dtype=np.uint8) for i in range(len(labels))]
    return Evidence(
        key=key,
        ids=tuple(f"c/test/kind/{i:03}.png" for i in range(len(labels))),
        hashes=tuple(f"{key if pixels else ''} {i}" for i in range(len(labels))),
        labels_N=labels,
        scores_N=np.asarray(scores, dtype=float),
        threshold=0.5,
        train_scores_M=None,
        train_injected_M=None,
        maps_NHW=None,
        image_size=32,
        measured_map=lambda _: None,
        image=pixels or (lambda i: colour[i]),
        mask=lambda _: None,
    )


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=14).filter(
        lambda found: len({label for label, _ in found}) == 2
    )
)
def test_worst_images_by_a_plain_loop(found):
    """Worst are those with the largest share of the other kind on their wrong side."""
    labels, scores = [a for a, _ in found], [s for _, s in found]
    wrong = []
    for label, score in found:
        others = [s for other, s in found if other != label]
        behind = [s >= score if label else s <= score for s in others]
        wrong.append(sum(behind) / len(others))
    worst, best = ranked(evidence(labels, scores))
    assert [wrong[i] for i in worst] == pytest.approx(sorted(filter(None, wrong))[::-1][:EACH])
    assert len(best) <= EACH
    assert not set(best) & set(worst)
    for index in best:
        same = [s for label, s in found if label == labels[index]]
        rank = sum(s > scores[index] if labels[index] else s < scores[index] for s in same)
        assert rank < EACH // 2


def test_one_kind_alone_cannot_be_misjudged():
    """Without anomalous images nothing is called worst or best."""
    assert ranked(evidence([False, False], [1, 2])) == ([], [])


def test_nothing_to_judge_says_why():
    """Where no number is printed for what ran, the page says so instead of counting to zero."""
    from dataclasses import replace

    frame = make_frame(TABLE1, methods=["differnet"])
    check = replace(judge(TABLE1, frame, methods=INFOS), cells=())
    text = render_html(build_model(TABLE1, frame, methods=INFOS), CONTEXT, check)
    assert words.NOTHING[1:] in text
    assert '<ul class="verdicts">' not in text
