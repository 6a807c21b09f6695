"""Bundles: everything behind a table in one file, and an independent recomputation of it."""

import io
import json
import zipfile

import numpy as np
import pytest
from bundle_worlds import METHODS, repacked, resigned, write_bundle

from adrepro.harness.bundle import unpack
from adrepro.harness.cell import canonical_json
from adrepro.harness.files import npz_bytes, sha256
from adrepro.harness.store import Store
from conftest import World

METRICS = ("image_auroc", "image_ap", "f1", "f1_balanced", "precision_f1max", "threshold")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """A folder with two seeds of the tiny table in a store, by three methods, and its bundle."""
    root = tmp_path_factory.mktemp("bundle")
    write_bundle(root)
    return root


@pytest.fixture
def cli(ran, tmp_path, capsys):
    """The command line."""
    return World(tmp_path, capsys)


def test_a_bundle_verifies_without_images(ran, cli):
    """Every metric comes out again; pixel metrics are counted as taken over, and not as equal."""
    assert cli.reproduce("verify", ran / "a.zip", "--papers", ran / "papers") == 0
    assert "12 cells" in cli.stdout
    assert "no difference in what could be checked" in cli.stdout
    assert "all equal" not in cli.stdout
    assert "0 pixel metrics recomputed from maps" in cli.stdout
    # Eight cells with maps, three metrics each.
    assert "24 pixel metrics taken as recorded" in cli.stdout
    # A variant's cells lie in the store under the base name; here they have their own again.
    assert {cell["method"] for cell in unpack(ran / "a.zip").manifest["cells"]} == set(
        METHODS.split(",")
    )


def test_remeasured_metrics_are_the_stored_ones(ran):
    """What `remeasure` returns is the row of the store, for all that scores decide."""
    from adrepro.harness.cell import Cell
    from adrepro.harness.remeasure import remeasure

    store = Store(ran / "store")
    seen = set()
    for key in store:
        record = store.read(key)
        tested = store.load_json(key, "images")["test"]
        cell = Cell(**record.document["cell"])
        again = remeasure(store.load_arrays(key, "scores"), tested, cell)
        for name in again:
            assert again[name] == record.row[name], name
            seen.add(name)
        assert set(METRICS) <= seen
        with pytest.raises(ValueError, match="labels"):
            remeasure(store.load_arrays(key, "scores"), tested[::-1], cell)


def test_equal_results_give_equal_bytes(ran, cli):
    """Packing again gives the same file; it holds no image, map or path."""
    again = cli.root / "b.zip"
    arguments = ("tiny/table1", "--papers", ran / "papers", "--store", ran / "store")
    more = ("--seeds", "2", "-m", METHODS, "-o", again)
    assert cli.reproduce("bundle", *arguments, *more) == 0
    assert again.read_bytes() == (ran / "a.zip").read_bytes()
    with zipfile.ZipFile(again) as archive:
        names = archive.namelist()
        everything = b"".join(archive.read(name) for name in names)
    assert not [name for name in names if name.endswith((".png", "maps.npz"))]
    assert str(ran).encode() not in everything


def first_key(ran, method="Draws"):
    opened = unpack(ran / "a.zip")
    return next(o["key"] for o in opened.manifest["cells"] if method in o["method"])


def test_a_polished_metric_is_found(ran, cli):
    """A better AUROC, signed anew, differs from what its scores give; the table differs too."""
    key = first_key(ran)
    path = repacked(
        ran, cli.root, lambda m, f: resigned(f, key, row={"image_auroc": 0.999})
    )  # fmt: skip
    assert cli.reproduce("verify", path) == 1
    assert "image_auroc is recorded as 0.999, recomputed" in cli.stdout
    assert "1 differences" in cli.stdout


def test_polished_scores_are_found(ran, cli):
    """Better scores with everything signed anew no longer give the recorded metrics."""
    key = first_key(ran)

    def change(manifest, files):
        with np.load(io.BytesIO(files[f"cells/{key}/scores.npz"])) as archive:
            arrays = dict(archive)
        arrays["test_scores"] = arrays["test_labels"].astype(np.float32)
        resigned(files, key, scores=npz_bytes(arrays))

    assert cli.reproduce("verify", repacked(ran, cli.root, change)) == 1
    assert "recomputed 1.0" in cli.stdout


@pytest.mark.parametrize("name", ["table.csv", "check.json"])
def test_a_polished_table_is_found(ran, cli, name):
    """A table or verdicts that do not follow from the cells are named."""

    def change(manifest, files):
        files[name] = files[name].replace(b"50.0", b"51.0")

    assert cli.reproduce("verify", repacked(ran, cli.root, change)) == 1
    assert f"{name}: made again it differs" in cli.stdout


def test_another_question_does_not_keep_its_key(ran, cli):
    """A changed setting no longer hashes to the cell's key."""
    key = first_key(ran)

    def change(manifest, files):
        name = f"cells/{key}/result.json"
        body = json.loads(files[name])["body"]
        body["document"]["cell"]["seed"] = 7
        signed = {"body": body, "sha256": sha256(canonical_json(body).encode())}
        files[name] = canonical_json(signed).encode()

    assert cli.reproduce("verify", repacked(ran, cli.root, change)) == 2
    assert "not the hash" in cli.stderr


def test_damaged_files_are_one_line(ran, cli):
    """A flipped byte, a missing member, a truncated zip, or no zip at all: exit code 2."""
    whole = (ran / "a.zip").read_bytes()
    path = cli.root / "bad.zip"
    for data in (b"", b"no zip", whole[:-200], whole[: len(whole) // 2]):
        path.write_bytes(data)
        assert cli.reproduce("verify", path) == 2
        assert cli.stderr.count("\n") == 1
    with zipfile.ZipFile(ran / "a.zip") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text + b" " if name == "table.csv" else text)
    assert cli.reproduce("verify", path) == 2
    assert "table.csv does not match its checksum" in cli.stderr
    assert cli.reproduce("verify", cli.root / "none.zip") == 2
    assert "cannot read" in cli.stderr


def test_names_that_lead_elsewhere_write_nothing(ran, cli):
    """A member named with ../ is read, never written outside a folder of its own."""

    def change(manifest, files):
        files["paper/../../evil.toml"] = b"x"

    before = sorted(cli.root.rglob("*"))
    path = repacked(ran, cli.root, change)
    cli.reproduce("verify", path)
    assert sorted(cli.root.rglob("*")) == sorted([*before, path])


def test_failed_cells_stay_failed(ran, cli):
    """A failure travels with its reason, and the table made again bears its mark."""
    store = ("--papers", ran / "papers", "--store", cli.store)
    run = ("tiny/table1", *store, "--data-root", ran / "data", "--out", cli.out, "-j", "1")
    more = ("-m", "toys_checks:Draws,toys:Raises", "--seeds", "1")
    assert cli.reproduce(*run, *more, "--device", "cpu", "--quiet") == 1
    path = cli.root / "f.zip"
    assert cli.reproduce("bundle", "tiny/table1", *store, *more, "-o", path) == 0
    assert cli.reproduce("verify", path) == 0
    assert "failed" in unpack(path).files["table.csv"].decode()


def test_nothing_to_pack_is_refused(ran, cli):
    """A store without the target's results gives no bundle."""
    arguments = ("tiny/table1", "--papers", ran / "papers", "--store", ran / "store")
    code = cli.reproduce("bundle", *arguments, "-m", "toys:ImageOnly", "-o", cli.root / "n.zip")
    assert code == 2
    assert "no results" in cli.stderr
    assert not (cli.root / "n.zip").exists()
