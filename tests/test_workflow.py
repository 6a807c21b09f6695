"""The GitHub Actions workflow in docs/: sound YAML, and its commands do what it says."""

import json
import re
import shlex
from xml.etree import ElementTree as Xml

import pytest
import yaml

from conftest import TESTS

WORKFLOW = TESTS.parent / "docs" / "reproduce.yml"


@pytest.fixture(scope="module")
def steps():
    """The steps of its only job."""
    document = yaml.safe_load(WORKFLOW.read_text())
    (job,) = document["jobs"].values()
    # YAML 1.1 reads the key `on` as true.
    assert set(document[True]) == {"push", "pull_request"}
    assert document["permissions"] == {"contents": "read"}
    return job["steps"]


def test_every_step_is_an_action_or_a_command(steps):
    """Actions name their version; the store is cached; artefacts come also after a failure."""
    assert all(("uses" in step) != ("run" in step) for step in steps)
    used = [step["uses"] for step in steps if "uses" in step]
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in used)
    cache = next(step for step in steps if step.get("uses", "").startswith("actions/cache"))
    assert cache["with"]["path"] == "runs"
    last = steps[-1]
    assert last["if"] == "always()"


def test_its_commands_run_and_gate(steps, world, tmp_path, monkeypatch):
    """Recorded, run again and checked: success; against a better baseline: a failed job."""
    monkeypatch.chdir(tmp_path)
    summary = tmp_path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    commands = {
        s["name"]: shlex.split(s["run"])[1:] for s in steps if "reproduce " in s.get("run", "")
    }
    assert list(commands) == ["Run", "Check", "Pack"]
    text = WORKFLOW.read_text()
    recording = shlex.split(re.search(r"^#   (reproduce record-baseline .*)$", text, re.M)[1])[1:]
    assert world.reproduce(*commands["Run"]) == 0, world.stderr
    assert world.reproduce(*recording) == 0
    assert world.reproduce(*commands["Check"]) == 0, world.stdout
    assert "::notice title=" in world.stdout
    assert "reproduced" in summary.read_text()
    cases = Xml.parse(tmp_path / "check.xml").getroot()
    assert int(cases.get("tests")) > 0
    assert cases.get("failures") == "0"
    assert world.reproduce(*commands["Pack"]) == 0
    assert world.reproduce("verify", "table1.zip") == 0
    baseline = tmp_path / "baseline.json"
    document = json.loads(baseline.read_text())
    for name in ("image_auroc", "pixel_auroc"):
        room = 1.0 - max(cell["values"][name] for cell in document["cells"])
        for cell in document["cells"]:
            cell["values"][name] += room
    baseline.write_text(json.dumps(document))
    assert world.reproduce(*commands["Check"]) == 1
    assert "::error title=" in world.stdout
