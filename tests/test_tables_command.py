"""``reproduce targets``."""

import json

import pytest

from adrepro.harness.cli import invoke


def test_targets_are_listed(capsys, monkeypatch):
    """The list names every target with its paper."""
    monkeypatch.setenv("COLUMNS", "120")
    assert invoke(["targets"]) == 0
    text = capsys.readouterr().out
    assert "rad/table1" in text
    assert "rad, mld-ir, irp, osr" in text


def test_targets_as_json(capsys):
    """The JSON has what a script needs to plan a run."""
    assert invoke(["targets", "--json"]) == 0
    documents = {item["name"]: item for item in json.loads(capsys.readouterr().out)}
    table1 = documents["rad/table1"]
    assert table1["cells"] == 6 * 16 * 6 * 3
    assert table1["noise"] == [0, 10, 20, 30, 40, 50]
    assert table1["reported_numbers"] == 212


@pytest.mark.parametrize("content", [None, "title = 3\n"])
def test_bad_papers_folder_is_one_line(tmp_path, capsys, content):
    """A wrong folder or file ends with exit code 2 and one line."""
    if content is not None:
        (tmp_path / "paper.toml").write_text(content)
        (tmp_path / "x.toml").write_text("")
    assert invoke(["targets", "--papers", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert str(tmp_path) in error
