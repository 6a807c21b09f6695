"""Names and messages of others stay text, and numbers stay the same, in every output alike."""

import csv
import io
import re
import unicodedata

import pandas as pd
import pytest
from html_reading import parsed
from latex_reading import compile_pdf, needs_tex, numbers, pdf_text, read_tables
from table_frames import make_row
from test_reports_text import HOSTILE, hostile_model, markdown_tables, markdown_tokens, shown

from adrepro.datasets.plain import one_line
from adrepro.reports.context import ReportContext
from adrepro.reports.escape import latex
from adrepro.reports.latex import Form, render_latex, render_standalone
from adrepro.reports.text import render_csv, render_markdown
from adrepro.reports.verdicts.text import render_text
from adrepro.reports.view import fragment
from adrepro.tables.assemble import build_model
from adrepro.tables.generic import generic_target
from adrepro.tables.verdicts.verdict import Check, Judged, Verdict

TEXTS = [
    *HOSTILE,
    "</script>",
    "</td></table><b>",
    "=cmd()",
    "@x",
    "\t=1+1",
    "Größe α β Ω µ ² – “quoted” ’s",
    "漢字 🙂 שלום مرحبا",
    "\u202etxt.exe\u202c \u0007\u0008\x9b31m",
    "a" * 200,
    "many words " * 20,
]
IDS = [f"{i}-{re.sub(r'[^A-Za-z]+', '', text)[:12]}" for i, text in enumerate(TEXTS)]


def outputs(text):
    """Every text output of a table whose names, facts and errors are this text."""
    model, info = hostile_model(text)
    context = ReportContext(methods=(info,), command=text, environment={text: text})
    judged = Judged(
        method=text, title=text, dataset=text, category=text, noise=0.0, metric="image_auroc",
        where=text, reference=1, verdict=Verdict.WORSE, reason=text, alternatives=(text,),
    )  # fmt: skip
    check = Check(
        target=text, title=text, reference=text, margin=None, essential=(), cells=(judged,),
        notes=(text,),
    )  # fmt: skip
    return {
        "csv": render_csv(model),
        "md": render_markdown(model, context),
        "tex": render_latex(model),
        "sd": render_latex(model, Form.SPREAD),
        "difference": render_latex(model, Form.DIFFERENCE),
        "terminal": shown(model, 300),
        "verdicts": render_text(check, everything=True),
        "notebook": fragment(model),
    }


@pytest.mark.parametrize("text", TEXTS, ids=IDS)
def test_text_is_inert_everywhere(text):
    """No output holds a control character, working markup, a formula or a TeX command of it."""
    made = outputs(text)
    for name, output in made.items():
        bad = {c for c in output if unicodedata.category(c) in ("Cc", "Cf", "Cs")} - {"\n"}
        assert not bad, name
    page = parsed(made["notebook"])
    assert page.sound
    assert not page.open
    assert {tag for tag, _ in page.tags} <= {
        *("div", "p", "strong", "table", "caption", "thead", "tbody", "tr", "th", "td")
    }
    assert {key for _, attrs in page.tags for key in attrs} <= {"scope", "colspan", "style"}
    tokens = markdown_tokens(made["md"])
    assert not tokens & {"html_inline", "html_block", "link_open", "image", "code_inline", "hr"}
    for line in csv.reader(io.StringIO(made["csv"])):
        for field in line:
            number = re.fullmatch(r"[-+]?\d+(\.\d+)?(e-?\d+)?", field)
            assert number or not field.startswith(("=", "+", "-", "@", "\t", "\r"))
    for name in ("tex", "sd", "difference"):
        plain = re.sub(r"(?m)^%.*$", "", made[name])
        assert plain.isascii(), name
        assert not re.search(r"\\(input|include|write|openin|csname|catcode)\b", plain)


@pytest.mark.parametrize("text", TEXTS, ids=IDS)
def test_text_is_shown_as_it_is(text):
    """Terminal, notebook and CSV show the very text, but for what no line can hold."""
    made, flat = outputs(text), one_line(text)
    assert flat in parsed(made["notebook"]).text
    joined = re.sub(r"\s+", "", made["terminal"])
    assert re.sub(r"\s+", "", flat) in joined
    fields = {f for line in csv.reader(io.StringIO(made["csv"])) for f in line}
    assert fields & {flat, f"'{flat}"}
    assert flat in made["verdicts"]


_GLYPHS = {"”": "", "“": "", "’": "", "‘": "", "ˆ": "", "˜": "", "´": "", "−": "-", "ı": "i"}


def _bare(text):
    """A text without what TeX shows in ways of its own: spaces, quotes, accents, rules for _."""
    apart = unicodedata.normalize("NFKD", "".join(_GLYPHS.get(c, c) for c in text))
    plain = "".join(c for c in apart if unicodedata.category(c) != "Mn")
    return re.sub(r"[\s`'\"^~_]", "", plain)


@needs_tex
def test_latex_shows_the_literal_text(tmp_path):
    """One document with every text compiles; each can be read in its PDF, or its code points."""
    document, *rest = (render_standalone(hostile_model(text)[0]) for text in TEXTS)
    bodies = [body.split(r"\begin{document}")[1].split(r"\end{document}")[0] for body in rest]
    document = document.replace(r"\end{document}", "\\clearpage\n".join(["", *bodies, ""]))
    pdf, _ = compile_pdf(document + r"\end{document}", tmp_path)
    found = _bare(pdf_text(pdf))
    for text in TEXTS:
        lacking = {c for c in one_line(text) if f"[U+{ord(c):04X}]" in latex(c)}
        seen = "".join(f"[U+{ord(c):04X}]" if c in lacking else c for c in one_line(text))
        words = [_bare(word) for word in seen.split()]
        assert [word for word in words if word.isascii() and word not in found] == [], text


VALUES = {
    0.98650: "98.7",  # numpy and pandas round it to 98.6
    0.00049: "0.0",
    0.0: "0.0",
    1.0: "100.0",
    0.1225: "12.3",
    None: "n/a",
}


@pytest.mark.parametrize(("value", "digits"), VALUES.items())
def test_one_number_has_one_look(value, digits):
    """Ties, zero, a hundred and a missing value have the same digits in every output."""
    rows = [make_row("m", "parts", "nut", 0.0, seed, image_auroc=value) for seed in (0, 1)]
    frame = pd.DataFrame(rows).astype({"image_auroc": float})
    model = build_model(generic_target(frame), frame)
    context = ReportContext()
    found = {
        "notebook": re.findall(r"<td>([^<]+)</td>", fragment(model))[0].split("/")[0],
        "tex": read_tables(render_latex(model))[0][0][1][0].split("/")[0],
        "md": markdown_tables(render_markdown(model, context))[-1][2][1].split("/")[0],
        "terminal": re.search(r"(?m)^nut +(\S+)", shown(model, 80))[1].split("/")[0],
    }
    if value is not None:
        line = next(csv.DictReader(io.StringIO(render_csv(model))))
        assert line["shown"] == digits
        spread = read_tables(render_latex(model, Form.SPREAD))[0][0][1]
        assert numbers(" ".join(spread)) == [digits, "0.0"]
    wanted = digits.split("/")[0]
    assert found == dict.fromkeys(found, wanted)
