"""The HTML page in a real browser: Debian's chromium, driven by Playwright, where both are here."""

import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
from table_frames import make_frame
from test_reports_html_cells import evidence
from test_reports_text import HOSTILE

from adrepro.reports.context import ReportContext
from adrepro.reports.html import render_html
from adrepro.tables.assemble import build_model
from adrepro.tables.model import MethodInfo
from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.judge import judge

CHROMIUM = shutil.which("chromium")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is not installed")

WORDS = [*HOSTILE, "</script><script>alert(1)</script>", "=cmd()", "x" * 200]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A page of Table 1 in which everything that others can name is hostile."""
    target = load_target("table1")
    target = replace(target, run=replace(target.run, noise=(0.0, 50.0)))
    text = " ".join(WORDS)
    change = {
        ("patchcore",): {"settings": text, "backbone": text, "device_name": text},
        ("patchcore", "mvtec_ad", "grid", 50.0): {"status": "failed", "error": text},
    }
    frame = make_frame(target, methods=["rad", "patchcore"], change=change)
    methods = [
        MethodInfo(name="rad", title=f"RAD {text}", paper_backbone="alexnet", paper_image_size=448),
        MethodInfo(name="patchcore", title="PatchCore", departures=(text,), overrides=(text,)),
    ]
    context = ReportContext(
        methods=tuple(methods),
        environment={text: text},
        command=text,
        evidence=lambda key: replace(
            evidence([True, False] * 4, [3, 3, 0, 1, 5, 2, 4, 1], key=key),
            ids=tuple(f"{word}/{i}" for i, word in enumerate(WORDS[:8])),
        ),
    )
    model = build_model(target, frame, methods=methods)
    # Drawings have their own tests, and fonts without every letter.
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setattr("adrepro.reports.html.figures", lambda *_: [])
    monkeypatch.setattr("adrepro.reports.html.has_figure", lambda *_: False)
    path = tmp_path_factory.mktemp("browser") / "page.html"
    path.write_text(render_html(model, context, judge(target, frame, methods=methods)), "utf-8")
    monkeypatch.undo()
    return path.as_uri()


@contextmanager
def chromium():
    """A browser of Debian's, for one module of tests."""
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


@pytest.fixture(scope="module")
def seen():
    """What must not happen on the page."""
    return {"console": [], "requests": [], "dialogs": []}


@pytest.fixture(scope="module")
def page(browser, source, seen):
    """The page at desktop width; only its width changes later."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.on("console", lambda message: seen["console"].append(message.text))
    opened.on("pageerror", lambda error: seen["console"].append(str(error)))
    opened.on("request", lambda request: seen["requests"].append(request.url))
    opened.on("dialog", lambda found: (seen["dialogs"].append(found.message), found.dismiss()))
    opened.set_default_timeout(8000)
    opened.goto(source)
    return opened


def rows(page):
    """Labels of the visible rows of the first table."""
    return page.locator("#method-1 table.rows tbody tr:visible th").all_inner_texts()


def texts(page, view):
    """What the first column shows in a view, from top to bottom; hidden cells are empty."""
    found = page.locator(f"#method-1 tbody tr td:nth-child(2) .v-{view} .pair").all_inner_texts()
    return ["".join(text.split()) for text in found]


def test_views_are_switched_with_the_keyboard(page):
    """Arrow keys show the paper's table, then the difference; print shows what was achieved."""
    block = page.locator("#method-1")
    first = block.locator("tbody tr td").first
    assert first.locator(".v-achieved").is_visible()
    assert not first.locator(".v-reported").is_visible()
    block.locator("input[value=achieved]").focus()
    page.keyboard.press("ArrowRight")
    assert first.locator(".v-reported").is_visible()
    assert not first.locator(".v-achieved").is_visible()
    wood = block.locator("tbody tr", has_text="Wood").locator("td").first
    assert "".join(wood.inner_text().split()) == "100/99.4"
    page.emulate_media(media="print")
    assert first.locator(".v-achieved").is_visible()
    assert not first.locator(".v-reported").is_visible()
    assert not block.locator(".view").is_visible()
    page.emulate_media(media="screen")
    block.locator("input[value=reported]").focus()
    page.keyboard.press("ArrowRight")
    assert first.locator(".v-difference").is_visible()
    assert first.inner_text().strip()[0] in "+-0"
    block.locator("input[value=achieved]").check()


def test_a_cell_opens_and_closes(page):
    """A click shows seeds, verdict, keys and images; Escape closes and gives the focus back."""
    dialog = page.locator("#detail")
    button = page.locator("#method-1 button.open").first
    assert not dialog.is_visible()
    button.click()
    assert dialog.is_visible()
    shown = dialog.inner_text()
    for word in (
        "Bottle",
        "Seed 0",
        "Seed 2",
        "Key",
        "Fit, s",
        "Judged worst",
        "alexnet",
        "verdict",
    ):
        assert word in shown
    image = dialog.locator("img").first
    assert image.evaluate("image => image.naturalWidth") == 80
    assert image.get_attribute("alt")
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert button.evaluate("button => button === document.activeElement")
    # Arrow keys move between cells, Enter opens, the button closes.
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert "Cable · 50%" in dialog.locator("h2").inner_text()
    dialog.locator("#detail-close").click()
    assert page.evaluate("document.activeElement.dataset.cell") == "3"
    # A table is one stop on the way of the tab key.
    stops = "[...document.querySelectorAll('#method-1 button.open')].filter(b => b.tabIndex === 0)"
    assert page.evaluate(f"{stops}.length") == 1
    # An average shows its categories.
    page.locator("#method-1 tr.whole button.open").first.click()
    assert "What the average is made of" in dialog.inner_text()
    page.keyboard.press("Escape")


def test_rows_sort_and_come_back(page):
    """Largest first, then smallest, then the paper's order; averages stay below."""
    own = rows(page)
    head = page.locator("#method-1 thead th button.sort")
    head.nth(1).click()
    values = [float(text.partition("/")[0]) for text in texts(page, "achieved")][:-1]
    assert values == sorted(values, reverse=True)
    assert rows(page)[-1] == "MvTec-AD (Average)"
    cell = page.locator("#method-1 table.rows thead tr").last.locator("th").nth(1)
    assert cell.get_attribute("aria-sort") == "descending"
    head.nth(1).click()
    values = [float(text.partition("/")[0]) for text in texts(page, "achieved")][:-1]
    assert values == sorted(values)
    # In another view the same column sorts by what it shows.
    page.locator("#method-1 input[value=reported]").check()
    values = [float(text.partition("/")[0]) for text in texts(page, "reported")][:-1]
    assert values == sorted(values)
    page.locator("#method-1 input[value=achieved]").check()
    head.nth(1).click()
    assert rows(page) == own
    assert cell.get_attribute("aria-sort") is None
    head.nth(0).click()
    assert rows(page)[:-1] == sorted(own[:-2] + own[-1:], key=str.casefold)
    head.nth(0).click()
    head.nth(0).click()
    assert rows(page) == own


def test_rows_filter(page):
    """A name and a verdict each leave their rows, and the count is said."""
    own = rows(page)
    tools = page.locator("#method-1 .tools")
    tools.locator("input").fill("wOO")
    assert rows(page) == ["Wood"]
    assert tools.locator("output").inner_text() == f"1 of {len(own)} rows"
    tools.locator("input").fill("")
    assert rows(page) == own
    verdict = tools.locator("option").nth(1).inner_text()
    tools.locator("select").select_option(verdict)
    left = rows(page)
    assert left
    for row in page.locator("#method-1 table.rows tbody tr:visible").all():
        assert row.locator(f".sign[data-v='{verdict}']").count()
    tools.locator("select").select_option("")
    assert rows(page) == own


def test_a_phone_scrolls_tables_and_not_the_page(page):
    """At 390 pixels nothing is wider than the screen, the open dialog neither."""
    page.set_viewport_size({"width": 390, "height": 800})
    wide = "document.documentElement.scrollWidth"
    assert page.evaluate(wide) == 390
    page.locator("#method-1 button.open").first.click()
    assert page.evaluate(wide) == 390
    box = page.locator("#detail").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1200, "height": 900})


def test_nothing_else_happens(page, source, seen):
    """No request but the page itself, no message of the console, no dialog of a hostile name."""
    page.wait_for_load_state("networkidle")
    assert [url for url in seen["requests"] if not url.startswith("data:")] == [source]
    assert seen["console"] == []
    assert seen["dialogs"] == []
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("script").count() == 2


def test_views_need_no_script(browser, source):
    """Without script the radio group still switches, and filter and sort are not offered."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(source)
    block = page.locator("#method-1")
    block.locator("input[value=reported]").check()
    first = block.locator("tbody tr td").first
    assert first.locator(".v-reported").is_visible()
    assert not first.locator(".v-achieved").is_visible()
    assert not block.locator(".tools").is_visible()
    context.close()


def test_what_has_no_number_is_sorted_last(browser, tmp_path):
    """An average of too few categories begins with a digit, and stays below both ways."""
    target = load_target("table3")
    methods = ["rad", "rad@no-bo", "rad@no-l2"]
    gap = {("rad", "mvtec_ad", "grid"): {"status": "pending"}}
    frame = make_frame(target, methods=methods, change=gap)
    infos = [MethodInfo(name=name, title=name) for name in methods]
    model = build_model(target, frame, methods=infos)
    path = tmp_path / "page.html"
    path.write_text(render_html(model, ReportContext(methods=tuple(infos))), "utf-8")
    page = browser.new_page()
    page.goto(path.as_uri())
    table = page.locator("#table-1 table.rows")
    first = table.locator("tbody tr:visible td:nth-child(2) .v-achieved .pair")
    head = table.locator("button.sort").nth(1)
    for descending in (True, False):
        head.click()
        *numbers, last = first.all_inner_texts()
        assert numbers == sorted(numbers, key=float, reverse=descending)
        assert (len(numbers), last) == (2, "14 of 15")
    page.close()
