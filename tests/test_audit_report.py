"""The HTML report of a target shows what the audit finds about its printed numbers."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from table_frames import make_frame

import adrepro.tables.audit.run as audit_run
from adrepro.datasets.errors import UsageError
from adrepro.reports.audit import HEADING, row
from adrepro.reports.context import ReportContext
from adrepro.reports.html import render_html
from adrepro.tables.assemble import build_model
from adrepro.tables.audit.run import findings_on
from adrepro.tables.papers import load_target


class _Cells(HTMLParser):
    """Collects the texts of a page's table cells."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: list[str] = []
        self.inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.inside = tag == "td"
        self.cells += [""] if self.inside else []

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.cells[-1] += data


def test_a_report_on_real_data_holds_every_finding() -> None:
    """Every finding on Table 1 stands in its report, word for word, under a heading."""
    target = load_target("table1")
    model = build_model(target, make_frame(target, seeds=1))
    page = render_html(model, ReportContext())
    findings = findings_on(target)
    assert len(findings) > 10
    cells = _Cells(page).cells
    for finding in findings:
        for text in row(finding):
            assert text in cells
    assert 'id="audit"' in page
    assert 'href="#audit"' in page
    assert HEADING.replace("'", "&#39;") in page


def test_a_report_on_synthetic_data_holds_none() -> None:
    """Beside synthetic data no number of the paper is shown, and so no finding on one."""
    target = load_target("table1")
    frame = make_frame(target, seeds=1, stand_ins=True)
    page = render_html(build_model(target, frame), ReportContext())
    assert 'id="audit"' not in page


def test_an_audit_that_cannot_be_made_costs_no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong address in a claim is told in the report, which is written all the same."""

    def fails(target: object) -> tuple:
        raise UsageError("claim about 't:a/b/c': no row 'a'")

    monkeypatch.setattr(audit_run, "findings_on", fails)
    target = load_target("table1")
    page = render_html(build_model(target, make_frame(target, seeds=1)), ReportContext())
    assert "The audit could not be made: claim about &#39;t:a/b/c&#39;: no row &#39;a&#39;." in page
