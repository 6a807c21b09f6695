"""The HTML page: self-contained, inert, accessible, and the model's numbers."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from table_frames import make_frame
from test_reports_text import CHANGE, HOSTILE, INFOS, hostile_model, plain_cells

from adrepro.reports.context import ReportContext
from adrepro.reports.html import render_html
from adrepro.tables.assemble import build_model
from adrepro.tables.formatting import percent
from adrepro.tables.papers import load_target
from adrepro.tables.runs import Status

TABLE1 = load_target("table1")
CONTEXT = ReportContext(
    methods=INFOS,
    environment={"Python": "3.11.7", "torch": "2.9.1"},
    command="reproduce table1 --seeds 3",
    version="0.1.0",
)
VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Collects what a browser would see: open tags, attributes, text and tables."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.stack, self.tags, self.ids, self.words, self.tables = [], [], [], [], []
        self.unbalanced, self.code = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "table":
            self.tables.append({"caption": "", "rows": []})
        if tag == "tr":
            self.tables[-1]["rows"].append([])
        if tag in ("td", "th"):
            self.tables[-1]["rows"][-1].append({"text": "", "sd": "", **attributes})
        if tag not in VOID:
            self.stack.append((tag, attributes))

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.stack or self.stack[-1][0] != tag:
            self.unbalanced.append(tag)
        else:
            self.stack.pop()

    def handle_data(self, data):
        inside = [tag for tag, _ in self.stack]
        if "style" in inside or "script" in inside:
            self.code.append(data)
            return
        self.words.append(data)
        if "caption" in inside:
            self.tables[-1]["caption"] += data
        elif "td" in inside or "th" in inside:
            classes = {name for _, a in self.stack for name in (a.get("class") or "").split()}
            kinds = {"sd": "sd", "few": "sd", "sign": "sign"}
            kinds |= {"v-reported": "reported", "v-difference": "difference"}
            kind = next((kinds[name] for name in kinds if name in classes), "text")
            own = self.tables[-1]["rows"][-1][-1]
            own[kind] = own.get(kind, "") + data.strip()

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def model():
    return build_model(TABLE1, make_frame(TABLE1, change=CHANGE), methods=INFOS)


@pytest.fixture(scope="module")
def page(model):
    return Page(render_html(model, CONTEXT))


def achieved(page, title):
    return next(t for t in page.tables if t["caption"].startswith(f"{title}, achieved"))


def test_tags_are_balanced(page):
    """Every element is closed, in order."""
    assert page.unbalanced == []
    assert page.stack == []


def test_nothing_is_fetched_and_only_our_script_runs(page):
    """No event handler, no resource from elsewhere; the policy allows this one script alone."""
    names = {tag for tag, _ in page.tags}
    assert not names & {"iframe", "object", "embed", "link", "form", "base", "img"}
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href", "action"):
            target = attributes.get(name)
            inside = target is None or target.startswith(("#", "data:"))
            assert inside or target.startswith("https://arxiv.org/abs/"), (tag, name, target)
    kinds = [a.get("type") for t, a in page.tags if t == "script"]
    assert kinds == ["application/json", None]
    digest = base64.b64encode(hashlib.sha256(page.code[-1].encode()).digest()).decode()
    policy = next(a["content"] for t, a in page.tags if "http-equiv" in a and t == "meta")
    parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert parts["default-src"] == "'none'"
    assert parts["script-src"] == f"'sha256-{digest}'"
    assert parts["img-src"] == "data:"


def test_ids_are_unique_and_links_lead_somewhere(page):
    """Every link of the page has its target; no id stands twice."""
    assert len(page.ids) == len(set(page.ids))
    hrefs = [a["href"] for t, a in page.tags if t == "a"]
    links = [href[1:] for href in hrefs if href.startswith("#")]
    assert links
    assert set(links) <= set(page.ids)


def test_tables_are_accessible(page):
    """Every table has a caption, every head cell says what it heads."""
    assert all(table["caption"].strip() for table in page.tables)
    heads = [cell for t in page.tables for row in t["rows"] for cell in row if "scope" in cell]
    assert {cell["scope"] for cell in heads} <= {"col", "row", "colgroup"}
    assert all("scope" in a for t, a in page.tags if t == "th")
    svg = next(a for t, a in page.tags if t == "svg")
    assert svg["role"] == "img"
    assert "DifferNet" in svg["aria-label"]


def test_numbers_parse_back(model, page):
    """Cells and deviations of each method equal the model's, in the paper's layout."""
    for block in model.blocks:
        title = model.method_title(block.method)
        rows = achieved(page, title)["rows"][2:]
        assert [[cell["text"] for cell in row[1:]] for row in rows] == plain_cells(block)
        estimate = block.rows[0].cells[0].entries[0].outcome.estimate
        other = block.rows[0].cells[0].entries[1].outcome.estimate
        assert rows[0][1]["sd"] == f"±{percent(estimate.sd)} / {percent(other.sd)}"


def test_reported_table_is_the_papers(model, page):
    """The reported table has all 17 rows with the printed digits."""
    captions = (t for t in page.tables if "achieved" not in t["caption"])
    table = next(t for t in captions if "not measured here" in t["caption"])
    rows = {row[0]["text"]: [cell["text"] for cell in row[1:]] for row in table["rows"][2:]}
    assert len(rows) == 17
    assert rows["Wood"][0] == "100/99.4"
    assert rows["MvTec-AD (Average)"][-1] == "86.8/85.4"


def test_comparison_stands_only_where_allowed(page):
    """DifferNet shows its two differences; PatchCore says that it has no counterpart."""
    table = next(t for t in page.tables if t["caption"].startswith("Achieved minus reported"))
    found = [[cell["text"] for cell in row] for row in table["rows"][1:]]
    assert [row[3] for row in found] == ["91.9", "76.7"]
    for row in found:
        assert float(row[5]) == pytest.approx(float(row[4]) - float(row[3]), abs=1e-9)
    assert "RAD reports no numbers of this method." in page.text


def test_failures_are_listed_with_reasons(model, page):
    """Every failed cell is in the list, seeds of one reason together."""
    table = next(t for t in page.tables if "cells failed" in t["caption"])
    found = [[cell["text"] for cell in row] for row in table["rows"][1:]]
    assert ["PatchCore", "mvtec_ad/grid", "40%", "0, 1, 2", "boom"] in found
    assert ["PatchCore", "mvtec_ad/screw", "50%", "2", "boom"] in found
    assert model.count(Status.FAILED) == 4


def test_provenance_is_complete(model, page):
    """Each cell's key, the training sets and the environment are on the page."""
    for run in model.runs:
        assert run.key[:10] in page.text
    assert "50/100" in page.text
    assert "torch" in page.text
    assert "reproduce table1 --seeds 3" in page.text


def test_effective_noise_is_shown_where_it_differs():
    """A level that was not reached is shown with the level that was."""
    change = {("differnet", "mvtec_ad", "grid", 50.0): {"noise_effective": 48.8, "n_train": 84}}
    frame = make_frame(TABLE1, methods=["differnet"], change=change)
    page = Page(render_html(build_model(TABLE1, frame, methods=INFOS), CONTEXT))
    assert "eff. 48.8%" in page.text
    assert "50/84" in page.text


def test_synthetic_page_shows_no_reported_number():
    """The banner is there, the paper's table, its text numbers and its bold marks are not."""
    frame = make_frame(TABLE1, stand_ins=True)
    page = Page(render_html(build_model(TABLE1, frame, methods=INFOS), CONTEXT))
    assert "Embedded synthetic data" in page.text
    assert "This is no reproduction." in page.text
    assert "reported" not in page.ids
    assert "as reported" not in page.text
    assert "MLD-IR" not in page.text
    assert not [t for t in page.tables if "minus reported" in t["caption"]]


def test_real_page_has_no_synthetic_banner(page):
    """The banner is for synthetic data alone."""
    assert "synthetic" not in page.text


def test_page_is_deterministic(model):
    """Two renders give the same text."""
    assert render_html(model, CONTEXT) == render_html(model, CONTEXT)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert(text):
    """Names, settings, errors and environment of others add no element and no attribute."""
    model, info = hostile_model(text)
    context = ReportContext(methods=(info,), command=text, environment={text: text}, version=text)
    source = render_html(model, context)
    page = Page(source)
    assert page.unbalanced == []
    assert not {tag for tag, _ in page.tags} & {"img", "iframe"}
    assert [a.get("type") for t, a in page.tags if t == "script"] == ["application/json", None]
    assert "<" not in page.code[-2]
    assert not [name for _, a in page.tags for name in a if name.startswith("on")]
    assert "49" not in re.findall(r"<h1>(.*?)</h1>", source)
    visible = " ".join(text.replace("\x1b", "").split())
    assert visible in page.text.replace("\x1b", "")


def test_empty_page():
    """No result gives a page that says so."""
    model = build_model(TABLE1, make_frame(TABLE1).iloc[:0], methods=INFOS)
    page = Page(render_html(model, CONTEXT))
    assert "No results" in page.text
    assert page.unbalanced == []
