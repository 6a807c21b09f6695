"""The HTML page with real drawings in a browser: light and dark, desktop and phone."""

from dataclasses import replace

import pytest
from table_frames import make_frame
from test_reports_browser import chromium, playwright, pytestmark  # noqa: F401
from test_reports_html_cells import METHODS
from test_reports_thumbs import with_maps

from adrepro.reports.html import render_html
from adrepro.tables.assemble import build_model
from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.judge import judge

SCHEMES = ("light", "dark")

# What text is set against: the colours of all that lies behind it, as the browser computed them.
CONTRAST = """
root => {
  const parse = text => {
    const found = text.match(/[\\d.]+/g).map(Number);
    const scale = text.startsWith("color(srgb") ? 255 : 1;
    return [...found.slice(0, 3).map(x => x * scale), found.length > 3 ? found[3] : 1];
  };
  const over = (top, under) => [0, 1, 2].map(i => top[i] * top[3] + under[i] * (1 - top[3]));
  const light = rgb => {
    const [r, g, b] = rgb.map(x => x / 255)
      .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = node => {
    const own = parse(getComputedStyle(node).backgroundColor);
    if (own[3] === 1) return own.slice(0, 3);
    // The body's ground is the canvas's.
    return over(own, behind(node.parentElement || document.body));
  };
  const out = [];
  for (const node of root.querySelectorAll("*")) {
    const drawn = node.closest("svg");
    const text = drawn ? "" : [...node.childNodes]
      .filter(n => n.nodeType === 3).map(n => n.textContent.trim()).join("");
    const ink = drawn && node.matches("g[id*='-text_'] *") && node.matches("path, use");
    if ((!text && !ink) || !node.checkVisibility()) continue;
    const box = node.getBoundingClientRect();
    if (box.width < 1 || node.closest(".sr")) continue;
    const style = getComputedStyle(node);
    const fore = parse(ink ? style.fill : style.color);
    const ground = behind(drawn ? drawn.parentElement : node);
    const pair = [light(over(fore, ground)), light(ground)].sort((a, b) => b - a);
    const large = parseFloat(style.fontSize) >= 24
      || (parseFloat(style.fontSize) >= 18.66 && Number(style.fontWeight) >= 600);
    out.push([(pair[0] + 0.05) / (pair[1] + 0.05), large ? 3 : 4.5,
      ink ? "drawn" : text.slice(0, 40), style.color, ground.join()]);
  }
  return out;
}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A page with every drawing that its table allows, images and anomaly maps."""
    target = load_target("table1")
    frame = make_frame(target, methods=["rad", "differnet", "patchcore"], seeds=2)
    model = build_model(target, frame, methods=METHODS)
    context = replace(with_maps(), methods=METHODS)
    text = render_html(model, context, judge(target, frame, methods=METHODS))
    path = tmp_path_factory.mktemp("schemes") / "page.html"
    path.write_text(text, "utf-8")
    return path.as_uri()


@pytest.fixture(scope="module")
def browser():
    with chromium() as made:
        yield made


@pytest.fixture(scope="module", params=SCHEMES)
def page(request, browser, source):
    """The page in one of the colour schemes; what the console says is kept."""
    opened = browser.new_page(viewport={"width": 1200, "height": 900}, color_scheme=request.param)
    opened.said = []
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("pageerror", lambda error: opened.said.append(str(error)))
    opened.on("request", lambda found: opened.said.append(found.url))
    opened.set_default_timeout(8000)
    opened.goto(source)
    # Text that is folded away is read, too.
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    opened.scheme = request.param
    yield opened
    assert [text for text in opened.said if not text.startswith("data:")] == [source]
    opened.close()


def low(found):
    return [entry for entry in found if entry[0] < entry[1]]


def test_drawings_are_there(page):
    """Every figure is an image with a name, of a size to be seen, and no id stands twice."""
    drawings = page.locator("figure > svg[role=img]")
    assert drawings.count() >= 4
    for one in drawings.all():
        box = one.bounding_box()
        assert box["width"] > 400
        assert box["height"] > 90
        assert len(one.get_attribute("aria-label")) > 20
        assert one.locator("path").count() > 5
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))


def test_text_has_contrast(page):
    """All text of the page has 4.5 to 1 against what is behind it (large text 3), drawings too."""
    found = page.evaluate(f"({CONTRAST})(document.body)")
    assert len(found) > 500
    assert sum(entry[2] == "drawn" for entry in found) > 50
    assert low(found) == []
    # The measure sees a colour that is too near its ground.
    page.evaluate("document.body.style.setProperty('--soft', '#808080')")
    assert len(low(page.evaluate(f"({CONTRAST})(document.body)"))) > 50
    page.evaluate("document.body.style.removeProperty('--soft')")
    # The two schemes are two: dark ground in one, light ground in the other.
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    levels = [int(level) for level in ground.removeprefix("rgb(").rstrip(")").split(",")]
    assert (max(levels) < 60) == (page.scheme == "dark")
    assert (min(levels) > 200) == (page.scheme == "light")


def test_views_and_dialog_work(page):
    """Views switch, a cell opens with images, maps go off and on, and all of it can be read."""
    block = page.locator("#method-1")
    first = block.locator("tbody tr td").first
    for view in ("reported", "difference"):
        block.locator(f"input[value={view}]").check()
        assert first.locator(f".v-{view}").is_visible()
        assert not first.locator(".v-achieved").is_visible()
        assert low(page.evaluate(f"({CONTRAST})(document.querySelector('#method-1'))")) == []
    block.locator("input[value=achieved]").check()
    block.locator("button.open").first.click()
    dialog = page.locator("#detail")
    seeds = dialog.locator(".images > details")
    assert seeds.locator("summary").all_inner_texts() == ["Images of seed 0", "Images of seed 1"]
    assert seeds.first.locator("img").first.is_visible()
    assert not seeds.nth(1).locator("img").first.is_visible()
    seeds.nth(1).locator("summary").click()
    stack = seeds.nth(1).locator(".stack").first
    picture, over = (stack.locator("img").nth(i) for i in range(2))
    assert picture.bounding_box() == over.bounding_box()
    assert over.evaluate("image => image.complete && image.naturalWidth") == 40
    switch = dialog.get_by_label("Anomaly maps over the images")
    switch.uncheck()
    assert not over.is_visible()
    assert picture.is_visible()
    switch.check()
    assert over.is_visible()
    found = page.evaluate(f"({CONTRAST})(document.querySelector('#detail'))")
    assert len(found) > 50
    assert low(found) == []
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    # An average shows an image of each category, with the category's name.
    page.locator("#method-1 tr.whole button.open").first.click()
    captions = dialog.locator(".images figcaption").all_inner_texts()
    assert len(captions) == len({text.partition(":")[0] for text in captions}) == 15
    # Below it each category opens like a cell of its own: seeds, times, keys, images of each seed.
    folded = dialog.locator("#detail-body > details", has=page.locator("summary", has_text="Wood"))
    folded.locator("summary").first.click()
    head, *lines = folded.locator("table tr").all_inner_texts()
    assert head.split("\t") == ["Result", "Seed 0", "Seed 1"]
    assert {"Fit, s", "Removed images", "Key"} <= {line.partition("\t")[0] for line in lines}
    assert folded.locator(".images > details").count() == 2
    assert folded.locator("figcaption", has_text="anomalous").count() > 2
    assert low(page.evaluate(f"({CONTRAST})(document.querySelector('#detail'))")) == []
    page.keyboard.press("Escape")


def test_words_are_whole(page):
    """At desktop width no plain word in a table of text is broken."""
    broken = page.evaluate("""
      [...document.querySelectorAll(".text :is(td, th)")].filter(cell => {
        const text = cell.textContent.trim();
        if (/\\s/.test(text) || !text || text.length > 16) return false;
        const range = document.createRange();
        range.selectNodeContents(cell);
        return new Set([...range.getClientRects()].map(box => box.top)).size > 1;
      }).map(cell => cell.textContent)
    """)
    assert page.locator(".text td").count() > 50
    assert broken == []


def test_print_cuts_nothing(page):
    """On A4 every table and drawing is as wide as the page or less."""
    page.emulate_media(media="print")
    # 210 mm less the margins that the page declares.
    page.set_viewport_size({"width": round(190 / 25.4 * 96), "height": 1000})
    boxes = "[...document.querySelectorAll('main .scroll, main figure')]"
    wide = f"{boxes}.filter(one => one.scrollWidth > one.clientWidth + 1)"
    assert page.evaluate(f"{boxes}.length") > 8
    assert page.evaluate(f"{wide}.map(one => [one.ariaLabel, one.scrollWidth])") == []
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 1200, "height": 900})


def test_a_phone_shows_names_and_captions(page):
    """At 390 pixels captions are whole, and names stay when a table is pushed aside."""
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    pushable = page.locator("main .scroll:not(:has(.said))")
    regions = [one for one in pushable.all() if one.is_visible()]
    assert len(regions) > 6
    # Findings stand below each other and need no pushing.
    for one in page.locator("main .scroll:has(.said)").all():
        assert one.evaluate("one => one.scrollWidth <= one.clientWidth")
        assert one.locator("tbody tr").first.bounding_box()["height"] < 300
    pushed = 0
    for region in regions:
        frame = region.bounding_box()
        region.evaluate("one => one.scrollLeft = one.scrollWidth")
        caption = region.locator("caption").bounding_box()
        assert caption["x"] >= frame["x"] - 1
        assert caption["x"] + caption["width"] <= frame["x"] + frame["width"] + 1
        for name in region.locator("tbody tr > :first-child").all()[:3]:
            box = name.bounding_box()
            assert frame["x"] - 1 <= box["x"] <= frame["x"] + 2
            assert 70 < box["width"] < 0.6 * frame["width"]
        pushed += region.evaluate("one => one.scrollLeft > 40")
    assert pushed > 4
    # No word is broken into single letters.
    heights = page.evaluate(
        "[...document.querySelectorAll('#statistics tbody th')].map(one => one.offsetHeight)"
    )
    assert max(heights) < 160
    page.locator("#method-1 button.open").first.click()
    dialog = page.locator("#detail")
    dialog.evaluate("one => one.scrollTop = 400")
    # What is scrolled goes below the head of the dialog.
    seen = "one => { const b = one.getBoundingClientRect();"
    seen += " return one.contains(document.elementFromPoint(b.x + 5, b.y + 5)); }"
    assert dialog.locator("h2").evaluate(seen)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 1200, "height": 900})
