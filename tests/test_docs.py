"""The documentation site: builds without a warning, asks no other server, follows the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; `strict` in mkdocs.yml makes every warning an error."""
    pytest.importorskip("material", reason="needs the extra [docs]: pip install 'adrepro[docs]'")
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "-d", str(out)]
    built = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return out


def _text(page: Path) -> str:
    return re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8"))


def test_pages_request_nothing_from_other_servers(site: Path) -> None:
    """Scripts, styles, fonts and pictures are the site's own."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]+src="([^"]+)"', text)
        loaded += re.findall(r'<link[^>]+rel="(?:stylesheet|preconnect)"[^>]+href="([^"]+)"', text)
        assert loaded, page
        assert not [url for url in loaded if re.match(r"(https?:)?//", url)], page


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    """The command line's page is made from click: no command and no long option is missing."""
    from adrepro.harness.cli import COMMANDS, cli

    text = _text(site / "cli" / "index.html")
    for name in COMMANDS:
        assert f"reproduce {name}" in text, name
    context = cli.make_context("reproduce", ["run", "--help"], resilient_parsing=True)
    run = cli.get_command(context, "run")
    assert run is not None
    for parameter in run.params:
        if not getattr(parameter, "hidden", False):
            assert parameter.opts[0] in text, parameter.opts
    assert "Sentinel" not in text


def test_every_method_and_departure_is_on_the_site(site: Path) -> None:
    """The page of the methods repeats each registered method and what departs from its paper."""
    from html import unescape

    from adrepro.methods.registry import all_methods

    text = " ".join(unescape(_text(site / "methods" / "index.html")).split())
    for info in all_methods():
        assert info.name in text
        for variant in info.variants:
            assert f"{info.name}@{variant}" in text
        for departure in info.departures:
            assert " ".join(departure.split()) in text, departure


def test_hooks_stay_out_of_the_site(site: Path) -> None:
    """What builds the site is not part of it."""
    assert not list(site.rglob("*.py"))
    assert not list(site.rglob("reproduce.yml"))


def test_every_command_on_the_pages_is_understood() -> None:
    """Each `$ reproduce …` line of a page names a command, and options that the command has."""
    import shlex

    from adrepro.harness.cli import cli

    pages = (REPOSITORY / "docs").glob("*.md")
    lines = [
        line.removeprefix("$ reproduce ")
        for page in pages
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith("$ reproduce ")
    ]
    assert len(lines) > 10
    for line in lines:
        arguments = shlex.split(line, comments=True)
        context = cli.make_context("reproduce", list(arguments))
        command = cli
        while arguments:
            name = arguments.pop(0)
            found = command.get_command(context, name) if hasattr(command, "get_command") else None
            if found is None:
                arguments.insert(0, name)
                break
            command = found
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word for word in arguments if word.startswith("-")}
        assert given <= known, (line, given - known)
