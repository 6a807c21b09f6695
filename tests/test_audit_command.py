"""``reproduce audit``: formats, files, exit codes, speed of its imports."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from adrepro.harness.cli import invoke

HOSTILE = "<script>alert(1)</script>|[x](y)"


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "own.csv"
    path.write_text(
        f"category,{HOSTILE.replace(':', '')}:image_auroc\nx,90.0\ny,80.0\naverage,86.0\n"
    )
    return path


def test_papers_are_audited_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Each named paper has a document with numbers, comparisons and findings."""
    assert invoke(["audit", "saha", "--format", "json"]) == 0
    (document,) = json.loads(capsys.readouterr().out)
    assert document["subject"] == "Saha"
    assert document["numbers"] > 300
    assert {f["severity"] for f in document["findings"]} <= {
        "error", "inconsistent", "unusual", "note",
    }  # fmt: skip


def test_without_arguments_every_paper_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    """No argument means all papers that are known."""
    assert invoke(["audit", "--format", "json"]) == 0
    subjects = [d["subject"] for d in json.loads(capsys.readouterr().out)]
    assert {"RAD", "Saha"} <= set(subjects)


def test_exit_codes(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """0 whatever is found; 1 from the severity on that --fail-on names; 2 for bad input."""
    assert invoke(["audit", str(wrong)]) == 0
    assert invoke(["audit", str(wrong), "--fail-on", "error"]) == 1
    wrong.write_text("category,A:image_auroc\nx,90.0\ny,80.0\naverage,85.0\n")
    assert invoke(["audit", str(wrong), "--fail-on", "note"]) == 0
    capsys.readouterr()
    for arguments in (["nobody"], ["missing.csv"], ["rad", "--runs", "3"], ["--format", "pdf"]):
        assert invoke(["audit", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_text_says_what_was_compared(wrong: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The terminal table shows severity, place, both numbers and how much was compared."""
    assert invoke(["audit", str(wrong)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "1 error" in out
    assert "printed 86.0; computed 85.000" in out
    assert "1 × averages against their cells" in out


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append(tag)


def test_hostile_names_are_inert_in_html_and_markdown(wrong: Path, tmp_path: Path) -> None:
    """Text of a user's table is escaped in a page and in a Markdown cell."""
    for form in ("html", "md"):
        assert invoke(["audit", str(wrong), "--format", form, "--out", str(tmp_path / form)]) == 0
    page = (tmp_path / "html").read_text(encoding="utf-8")
    parser = _Tags()
    parser.feed(page)
    assert "script" not in parser.tags
    assert "alert(1)" in page
    lines = (tmp_path / "md").read_text(encoding="utf-8").splitlines()
    (row,) = [line for line in lines if line.startswith("| error")]
    assert "<script>" not in row
    assert "\\|" in row


def test_text_goes_to_a_file(wrong: Path, tmp_path: Path) -> None:
    """The table may be written to a file; one that cannot be written is one line."""
    out = tmp_path / "deep" / "audit.txt"
    assert invoke(["audit", str(wrong), "--out", str(out)]) == 0
    assert "86.0" in out.read_text(encoding="utf-8")
    assert invoke(["audit", str(wrong), "--out", str(wrong / "x")]) == 2


def test_an_audit_imports_neither_torch_nor_matplotlib() -> None:
    """The command stays within seconds: heavy packages are not loaded."""
    code = (
        "import sys\nfrom adrepro.harness.cli import invoke\n"
        "assert invoke(['audit', 'rad', '--format', 'json']) == 0\n"
        "heavy = {'torch', 'matplotlib', 'scipy', 'sklearn', 'timm'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_json_has_the_short_flag_of_the_other_commands(capsys):
    """--json writes what --format json writes; beside another format it is refused."""
    assert invoke(["audit", "rad", "--format", "json"]) == 0
    long = capsys.readouterr().out
    assert invoke(["audit", "rad", "--json"]) == 0
    assert capsys.readouterr().out == long
    assert json.loads(long)
    assert invoke(["audit", "rad", "--json", "--format", "md"]) == 2
    assert "two formats, json and md" in capsys.readouterr().err
