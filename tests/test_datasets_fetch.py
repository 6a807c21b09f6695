from __future__ import annotations

import io
import json
import socket
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tiny_datasets import ksdd2, mvtec
from tiny_server import Server, serve

from adrepro.datasets.catalog import CATALOG, load
from adrepro.datasets.entries import Counts, DatasetInfo
from adrepro.datasets.errors import AdreproError, DataError
from adrepro.datasets.fetch import fetch
from adrepro.datasets.manifest import ProblemKind
from adrepro.datasets.tally import Tally, official, tally
from adrepro.harness.commands.data import command


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def packed(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as handle:
        handle.add(folder, arcname="./")
    return buffer.getvalue()


def entry(server: Server, name: str = "mvtec_ad") -> DatasetInfo:
    return replace(CATALOG[name], archive=server.archive())


def test_fetch_all_the_way(server: Server, tmp_path: Path) -> None:
    """Licence and citation come first, then the dataset lies where it is looked for."""
    server.body = packed(mvtec(tmp_path / "made"))
    root, said = tmp_path / "root", []
    where = fetch(entry(server), root, consent=lambda _question: True, say=said.append)
    assert where == root / "mvtec_ad"
    assert (where / "bottle" / "train" / "good" / "000.png").is_file()
    text = " ".join(said)
    assert "CC BY-NC-SA 4.0" in text
    assert "Bergmann" in text
    again = fetch(entry(server), root, consent=lambda _question: False, say=said.append)
    assert again == where
    assert len(server.asked) == 1


def test_fetch_removes_the_folder_around(server: Server, tmp_path: Path) -> None:
    """A folder around the dataset in the archive does not matter."""
    ksdd2(tmp_path / "made" / "KolektorSDD2")
    server.body = packed(tmp_path / "made")
    where = fetch(entry(server, "ksdd2"), tmp_path / "root", consent=lambda _question: True)
    assert (where / "train" / "10000.png").is_file()


def test_fetch_refuses_another_content(server: Server, tmp_path: Path) -> None:
    """An archive that unpacks to something else leaves no dataset folder."""
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "x.txt").write_text("x")
    server.body = packed(tmp_path / "made")
    with pytest.raises(DataError, match="does not hold the expected folders"):
        fetch(entry(server), tmp_path / "root", consent=lambda _question: True)
    assert [each.name for each in (tmp_path / "root").iterdir()] == ["downloads"]


def test_no_consent_no_download(server: Server, tmp_path: Path) -> None:
    """Without consent nothing is asked of the server."""
    with pytest.raises(DataError, match="licence not accepted"):
        fetch(entry(server), tmp_path, consent=lambda _question: False)
    assert server.asked == []
    assert list(tmp_path.iterdir()) == []


def test_offline_names_the_manual_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a connection the message says where to get the archive and where to put it."""
    monkeypatch.setattr("adrepro.datasets.download.time.sleep", lambda _seconds: None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    archive = replace(CATALOG["ksdd2"].archive, url=f"http://127.0.0.1:{port}/a.zip")  # type: ignore[type-var]
    info = replace(CATALOG["ksdd2"], archive=archive)
    with pytest.raises(DataError) as error:
        fetch(info, tmp_path, consent=lambda _question: True)
    text = str(error.value)
    assert "\n" not in text
    assert "Connection refused" in text
    assert info.homepage in text
    assert info.licence in text
    assert str(tmp_path / "downloads" / "KolektorSDD2.zip") in text
    assert error.value.exit_code == 2


@pytest.mark.parametrize(
    ("name", "hint"), [("folder", "folder=/path"), ("synthetic", "drawn when it is first used")]
)
def test_nothing_to_fetch(tmp_path: Path, name: str, hint: str) -> None:
    """Datasets without an archive say what to do instead."""
    with pytest.raises(DataError, match=hint):
        fetch(CATALOG[name], tmp_path, consent=lambda _question: True)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(each) for each in arguments])


def test_command_list(tmp_path: Path) -> None:
    """``data list`` names every dataset and tells which ones are there."""
    mvtec(tmp_path / "mvtec_ad")
    text = invoke("list", "--data-root", tmp_path)
    assert text.exit_code == 0
    assert "KolektorSDD" in text.output
    rows = json.loads(invoke("list", "--data-root", tmp_path, "--json").output)["datasets"]
    assert [row["name"] for row in rows] == list(CATALOG)
    assert [row["path"] for row in rows if row["path"]] == [str(tmp_path / "mvtec_ad")]


@pytest.mark.parametrize("layout", ["mvtec", "ksdd2"])
def test_list_says_how_much_is_there(tmp_path: Path, layout: str) -> None:
    """What is on disk stands beside the official numbers; it is what the loader finds."""
    name = {"mvtec": "mvtec_ad", "ksdd2": "ksdd2"}[layout]
    root = {"mvtec": mvtec, "ksdd2": ksdd2}[layout](tmp_path / name)
    members = load(CATALOG[name], root).members.values()
    have = {
        "categories": len(members),
        "train": sum(len(each.train) for each in members),
        "test": sum(len(each.test) for each in members),
    }
    rows = json.loads(invoke("list", "--data-root", tmp_path, "--json").output)["datasets"]
    (row,) = (each for each in rows if each["path"])
    assert row["on_disk"] == have
    assert row["official"]["train"] + row["official"]["test"] == row["images"]
    text = invoke("list", "--data-root", tmp_path).output
    assert f"{have['train']} train, {have['test']} test" in text
    assert f"{row['official']['train']} train, {row['official']['test']} test" in text
    assert max(map(len, text.splitlines())) <= 80


def test_list_counts_without_opening_a_file(tmp_path: Path) -> None:
    """A copy with the official number of files is whole, whatever is in them."""
    counts = {"one": Counts(train_nominal=3, test_nominal=1, test_anomalous=2)}
    info = replace(CATALOG["mvtec_ad"], counts=counts)
    for path in ("train/good/0", "train/good/1", "train/good/2", "test/good/0", "test/x/0"):
        file = tmp_path / "one" / f"{path}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "one/ground_truth/x").mkdir(parents=True)
    (tmp_path / "one/ground_truth/x/0_mask.png").touch()
    assert tally(info, tmp_path) == Tally(categories=1, train=3, test=2)
    (tmp_path / "one/test/x/1.PNG").touch()
    assert tally(info, tmp_path) == official(info)
    assert tally(info, tmp_path / "nowhere") == Tally(categories=0, train=0, test=0)


def test_list_keeps_names_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In 80 columns every name stands on one line."""
    monkeypatch.setenv("COLUMNS", "80")
    text = invoke("list", "--data-root", tmp_path).output
    firsts = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert all(firsts.count(name) == 2 for name in CATALOG)


def test_command_scan_and_verify(tmp_path: Path) -> None:
    """``data scan`` and ``data verify`` end with 0 on sound data and with 2 on broken data."""
    root, file, cache = mvtec(tmp_path / "data"), tmp_path / "m.json", tmp_path / "cache.json"
    spec = f"folder={root}"
    sound = invoke("scan", spec, "--cache", cache, "--write-manifest", file)
    assert (sound.exit_code, sound.output.count("\n")) == (0, 1)
    assert "errors: 0, warnings: 0, notes: 0" in sound.output
    assert invoke("verify", spec, "--manifest", file, "--cache", cache).exit_code == 0
    broken = root / "bottle" / "test" / "crack" / "000.png"
    broken.write_bytes(b"junk [bold]x[/bold]")
    listed = invoke("scan", spec, "--cache", cache, "-c", "bottle")
    assert listed.exit_code == 2
    assert listed.output.startswith("error: bottle/test/crack/000.png: unreadable")
    document = json.loads(invoke("scan", spec, "--cache", cache, "--json").output)
    assert document["from_cache"] == 9
    assert document["counts"]["bottle"]["test_anomalous"] == 2
    assert [each["kind"] for each in document["problems"]] == [ProblemKind.UNREADABLE.value]
    differing = invoke("verify", spec, "--manifest", file, "--no-cache", "--json")
    assert differing.exit_code == 2
    rows = json.loads(differing.output)["differences"]
    assert [(row["kind"], row["where"]) for row in rows] == [
        ("changed", "bottle/test/crack/000.png")
    ]
    counted = invoke("verify", f"mvtec_ad={root}")
    assert counted.exit_code == 2
    assert "cable: missing: no such category" in counted.output


def test_command_errors(tmp_path: Path) -> None:
    """What cannot be done is one of the project's errors with exit code 2."""
    for arguments in (
        ("scan", "nothing"),
        ("scan", "ksdd2", "--data-root", tmp_path),
        ("verify", "folder=x"),
        ("fetch", "mvtec_ad", "--data-root", tmp_path),  # no terminal to ask on
        ("fetch", "folder", "--data-root", tmp_path, "--yes"),
    ):
        result = invoke(*arguments)
        assert isinstance(result.exception, AdreproError), arguments
        assert result.exception.exit_code == 2
    both = invoke("scan", f"folder={mvtec(tmp_path / 'd')}", "--cache", "c.json", "--no-cache")
    assert both.exit_code == 2
    assert "exclude each other" in both.output


def test_command_fetch(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``data fetch --yes`` goes through without a terminal and says where the data lies."""
    server.body = packed(mvtec(tmp_path / "made"))
    entries = {**CATALOG, "mvtec_ad": entry(server)}
    monkeypatch.setattr("adrepro.datasets.catalog.CATALOG", entries)
    done = invoke("fetch", "mvtec_ad", "--data-root", tmp_path / "root", "--yes")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == f"ready: {tmp_path / 'root' / 'mvtec_ad'}"
