"""Reading LaTeX tables back: from the source with regular expressions, from the PDF as text."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def _missing() -> str:
    if shutil.which("pdflatex") is None:
        return "pdflatex is not installed"
    for name in ("siunitx.sty", "booktabs.sty"):
        found = subprocess.run(["kpsewhich", name], capture_output=True, check=False)
        if found.returncode:
            return f"TeX has no {name}"
    return ""


MISSING = _missing()
needs_tex = pytest.mark.skipif(bool(MISSING), reason=MISSING)

_WORDS = {
    r"$\times$": "✗", r"\ldots{}": "…", r"\textendash{}": "–", r"$\cdot$": "·",
    r"$\emptyset$": "∅", r"$^{\ddagger}$": "‡", r"$\ddagger$": "‡", r"$\pm$": " ± ",
    "-{}": "-",
}  # fmt: skip


Row = tuple[str, list[str]]


def read_floats(text: str) -> list[tuple[str, list[Row]]]:
    """Caption and rows of every tabular; a row is its name and the texts of its places."""
    found = []
    for part in text.split(r"\begin{table}")[1:]:
        if re.search(r"\\label\{[^}]*-statistics[-0-9]*\}", part):
            continue  # no table of the paper
        caption = re.search(r"\\caption\{(.*)\}\n", part)
        body = re.search(r"\\midrule\n(.*?)\\bottomrule", part, flags=re.DOTALL)
        assert caption is not None
        assert body is not None
        lines = body[1].replace("\\midrule\n", "").split(" \\\\\n")
        found.append((caption[1], [_row(line) for line in lines if line]))
    return found


def read_tables(text: str) -> list[list[Row]]:
    """The rows of every table; floats that continue one side by side are put together again."""
    tables: list[list[Row]] = []
    for caption, rows in read_floats(text):
        if caption.endswith(", continued."):
            assert [name for name, _ in rows] == [name for name, _ in tables[-1]]
            pairs = zip(tables[-1], rows, strict=True)
            tables[-1] = [(name, [*left, *right]) for (name, left), (_, right) in pairs]
        else:
            tables.append(rows)
    return tables


def _row(line: str) -> Row:
    name, *places = line.split(" & ")
    return _plain(name), [_plain(place) for place in places]


def _plain(text: str) -> str:
    text = re.sub(r"\{\$\^\{\\dagger\}\$|\\,\{\\tiny [^}]*\}", "", text)
    text = re.sub(r"\\multicolumn\{\d+\}\{c(@\{\})?\}", "", text).replace(r"\adreprobold", "")
    for old, new in _WORDS.items():
        text = text.replace(old, new)
    return re.sub(r"[{}]", "", text).strip()


def bold_numbers(text: str) -> list[str]:
    """The numbers in bold, in reading order."""
    return re.findall(r"\\adreprobold (?:\{[^}]*\})?([0-9.]+)", text)


def compile_pdf(document: str, folder: Path, name: str = "document") -> tuple[Path, str]:
    """Compile a document; return the PDF and what pdflatex said."""
    path = folder / f"{name}.tex"
    path.write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"]
    done = subprocess.run(
        [*command, path.name], cwd=folder, capture_output=True, timeout=120, check=False
    )
    said = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 0, said[-2000:]
    return path.with_suffix(".pdf"), said


def pdf_text(pdf: Path) -> str:
    """The text of a PDF, lines as they stand on the page; skips without pdftotext."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed")
    command = ["pdftotext", "-layout", str(pdf), "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def numbers(text: str) -> list[str]:
    """The numbers in a text, with their signs; those of notes such as ``n=2`` do not count."""
    plain = re.sub(r"n=\d+(/\d+)*", "", text.replace("\N{MINUS SIGN}", "-"))
    return _NUMBER.findall(plain)
