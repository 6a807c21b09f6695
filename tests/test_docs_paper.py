"""The example paper of the page "A paper of your own" works as it stands."""

import re
from pathlib import Path

import pytest

from adrepro.datasets.errors import SpecError
from adrepro.tables.papers import load_target
from conftest import World

PAGE = Path(__file__).resolve().parents[1] / "docs" / "add-a-paper.md"
FILE = re.compile(r"^`my_papers/(\S+)`\n\n```\w+\n(.*?)^```$", re.M | re.S)


@pytest.fixture
def papers(tmp_path: Path) -> Path:
    """The page's files in the folders that it names."""
    blocks = dict(FILE.findall(PAGE.read_text(encoding="utf-8")))
    assert sorted(blocks) == ["lee/paper.toml", "lee/table2.csv", "lee/table2.toml"]
    for name, text in blocks.items():
        path = tmp_path / "my_papers" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "my_papers"


def test_the_example_is_listed_and_planned(papers: Path, world: World) -> None:
    """`targets` names it and `plan` counts its cells; its six numbers are read."""
    assert world.reproduce("targets", "--papers", papers) == 0
    assert "lee/table2" in world.stdout
    assert len(load_target("lee/table2", [papers]).numbers) == 6
    asked = ("plan", "lee/table2", "--papers", papers, "--preset", "quick")
    places = ("--data-root", world.data, "--store", world.store)
    assert world.reproduce(*asked, *places) == 0, world.stderr
    text = " ".join((world.stdout + world.stderr).split())
    assert re.search(r"\b12 cells\b", text), text


def test_what_the_example_leaves_out_has_a_default(papers: Path) -> None:
    """Name for LaTeX, head of the rows and bold marks need not be given."""
    layout = load_target("lee/table2", [papers]).layout
    assert (layout.label, layout.row_header) == ("tab:lee-table2", "Category")
    assert layout.bold.value == "none"


def test_all_that_is_wrong_is_said_at_once(papers: Path) -> None:
    """Missing keys of several tables and a wrong value stand in one line, each with its line."""
    path = papers / "lee" / "table2.toml"
    text = path.read_text(encoding="utf-8")
    for line in ('title = "Table 2"\n', 'label = "Bottle"\n'):
        text = text.replace(line, "", 1)
    text = re.sub(r"^(evaluation|protocol) .*\n", "", text, flags=re.M)
    path.write_text(text.replace("seeds = 3", 'seeds = "3"'), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_target("lee/table2", [papers])
    said = str(caught.value)
    assert "\n" not in said
    for name in ("title", "protocol", "evaluation", "label"):
        assert f"missing key '{name}'" in said
    number = text.splitlines().index("seeds = 3") + 1
    assert f"line {number}: 'run.seeds' is '3', expected a whole number" in said
