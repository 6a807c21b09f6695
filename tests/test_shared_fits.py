"""Several noise protocols in one run: what trains on the same images is fitted once."""

from collections import Counter
from dataclasses import replace

import click
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.noise import parse_protocol
from adrepro.harness.commands.options import split_protocols
from adrepro.harness.frames import store_frame
from adrepro.harness.grid import Grid
from adrepro.harness.grouping import group_tasks
from adrepro.harness.plan import make_plan
from adrepro.harness.store import Store
from adrepro.harness.task import training_key

GRID = ("--seeds", "2", "--noise", "0,50")
BOTH = ("--protocol", "fixed-test,overlap")


def counting(world, *arguments) -> int:
    """Run the counting toy, which writes a line per fit into a file beside the data."""
    book = f"toys:Counting.book={world.root / 'fits.txt'}"
    return world.run(*GRID, *arguments, "--set", book, method="toys:Counting")


def fits_of(world) -> list[str]:
    return (world.root / "fits.txt").read_text().splitlines()


def files_of(world, *names: str) -> dict[tuple[str, str], bytes]:
    """Return (key, file) → content, for every cell."""
    store = Store(world.store)
    return {(key, name): (store.folder(key) / name).read_bytes() for key in store for name in names}


def test_protocols_share_fits_and_change_no_byte(world, tmp_path):
    """Two protocols at once: half the fits, and the scores of two separate runs to the byte."""
    assert counting(world, *BOTH, "--jobs", "2", "--keep-maps") == 0
    assert len(fits_of(world)) == 8
    assert max(Counter(fits_of(world)).values()) == 1
    together = files_of(world, "scores.npz", "maps.npz", "images.json")
    world.store = tmp_path / "apart"
    for protocol in ("overlap", "fixed-test"):
        assert counting(world, "--protocol", protocol, "--jobs", "1", "--keep-maps") == 0
    assert len(fits_of(world)) == 8 + 16
    assert files_of(world, "scores.npz", "maps.npz", "images.json") == together
    assert len(together) == 3 * 16


def test_row_says_that_the_fit_was_shared(world):
    """Of each two cells one was fitted; the other has its fitting time and says so."""
    assert counting(world, *BOTH) == 0
    frame = store_frame(Store(world.store))
    assert frame["fit_shared"].sum() == 8
    assert (frame["stacked"] == 1).all()
    for _, pair in frame.groupby(["category", "noise", "seed"]):
        assert sorted(pair["fit_shared"]) == [False, True]
        assert pair["fit_s"].nunique() == 1
        assert pair["threshold"].nunique() == 1
        assert pair["removed"].nunique() == 1
        assert set(pair["protocol"].str.partition("/")[0]) == {"fixed-test", "overlap"}
    assert frame["n_test_anomalous"].nunique() == 2


def test_a_lone_missing_cell_is_fitted_again(world):
    """A result lost after the run is made again, with the same bytes, from a fit of its own."""
    assert counting(world, *BOTH) == 0
    before = files_of(world, "scores.npz")
    store = Store(world.store)
    shared = next(key for key in store if store.read(key).row["fit_shared"])
    (store.folder(shared) / "result.json").unlink()
    assert counting(world, *BOTH) == 0
    assert "16 cells: 15 in the store, 1 to run" in world.stderr
    assert len(fits_of(world)) == 9
    assert files_of(world, "scores.npz") == before
    assert store.read(shared).row["fit_shared"] is False


def test_a_failing_fit_fails_each_of_its_cells(world):
    """Cells that would have shared a fit fail one by one, each with its reason."""
    arguments = ("-c", "bottle", "--seeds", "1", *BOTH)
    assert world.run(*arguments, method="toys:Raises") == 1
    errors = store_frame(Store(world.store))["error"]
    assert list(errors) == ["RuntimeError in fit: the lamp is broken"] * 2


def test_a_report_per_protocol(world):
    """The first protocol's report keeps the name; the second's stands beside it; both are shown."""
    assert world.run("-c", "bottle", "--seeds", "1", "--noise", "50", *BOTH) == 0
    for stem in ("run", "run_overlap"):
        for suffix in (".csv", ".md", ".tex", ".html"):
            assert (world.out / f"{stem}{suffix}").is_file()
    pages = [(world.out / f"{stem}.html").read_text() for stem in ("run", "run_overlap")]
    assert "overlap/1" not in pages[0]
    assert "overlap/1" in pages[1]
    assert "Results (overlap)" in world.stdout
    assert world.stdout.count("report: ") == 2
    frame = store_frame(Store(world.store)).set_index("protocol")
    for protocol, stem in (("fixed-test", "run"), ("overlap", "run_overlap")):
        (row,) = [row for name, row in frame.iterrows() if str(name).startswith(protocol)]
        table = pd.read_csv(world.out / f"{stem}.csv").query("metric == 'image_auroc'")
        assert table["mean"].to_list()[0] == pytest.approx(row["image_auroc"], abs=1e-12)


def test_published_target_with_two_protocols(world):
    """A published table is written once per protocol under its own name and layout."""
    arguments = ("-d", "mvtec_ad", "-m", "toys:PixelMean", "--noise", "0", "--seeds", "1", *BOTH)
    assert world.reproduce("table1", *arguments, "-c", "bottle", *world.places) == 0
    assert (world.out / "table1.html").is_file()
    assert (world.out / "table1_overlap.html").is_file()


def test_one_protocol_of_two_parameters(world):
    """The same protocol with two sizes gives two reports whose names tell them apart."""
    arguments = ("--protocol", "fixed-test:total=6", "--protocol", "fixed-test:total=8")
    assert world.run("-c", "bottle", "--seeds", "1", *arguments) == 0
    assert sorted(page.name for page in world.out.glob("*.html"))[0] == "run.html"
    (other,) = [page.name for page in world.out.glob("run_*.html")]
    assert "total_8" in other


def tasks_of(world, *protocols: str):
    """Return the tasks of a grid, none of which has been run."""
    grid = Grid(
        target="run", datasets=("mvtec_ad",), categories=None, methods=("toys:PixelMean",),
        noise=(0.0, 25.0, 50.0), seeds=2, protocols=protocols,
    )  # fmt: skip
    plan = make_plan(grid, data_root=world.data, cache=None)
    return [c.task(world.store, "cpu", keep_maps=False, exclusive=True) for c in plan.cells]


def test_fixed_test_and_overlap_draw_the_same_training_sets(world):
    """Per category, level and seed the two train on the same images, ``added`` on others."""
    tasks = tasks_of(world, "fixed-test", "overlap", "added")
    keys: dict[tuple, dict[str, str]] = {}
    for task in tasks:
        cell = task.identity.cell
        place = (cell.category, cell.noise, cell.seed)
        keys.setdefault(place, {})[cell.protocol.partition("/")[0]] = training_key(task)
    assert len(keys) == 12
    for (_, noise, _), found in keys.items():
        assert found["fixed-test"] == found["overlap"]
        # Eight nominal images are all there are: without noise `added` trains on the same.
        assert (found["added"] == found["overlap"]) == (noise == 0)
    assert len({found["overlap"] for found in keys.values()}) == 12


def test_training_key_covers_what_fit_sees(world):
    """Order and content of the training images, settings, seed, tuning: each changes the key."""
    task = tasks_of(world, "fixed-test")[0]
    cell, hashes = task.identity.cell, task.identity.hashes

    def with_cell(**changes):
        return replace(task, identity=replace(task.identity, cell=replace(cell, **changes)))

    others = [
        replace(task, train=task.train[::-1]),
        replace(task, train=task.train[1:]),
        with_cell(settings="{}"),
        with_cell(seed=1),
        with_cell(noise=10.0),
        with_cell(image_size=64),
        with_cell(backbone="other"),
        replace(task, identity=replace(task.identity, hashes={**hashes, "tuning": "a" * 64})),
        replace(task, identity=replace(task.identity, hashes={**hashes, "method": "a" * 64})),
    ]
    assert len({training_key(other) for other in [task, *others]}) == 10
    same = [
        replace(task, test=task.test[1:]),
        with_cell(protocol="overlap/1"),
        replace(task, identity=replace(task.identity, hashes={**hashes, "images": "a" * 64})),
    ]
    assert {training_key(other) for other in same} == {training_key(task)}


@pytest.mark.parametrize("jobs", [1, 2, 3, 5, 50])
def test_groups_never_part_a_training_set(world, jobs):
    """However many jobs: every task once, tasks of one training set side by side in one group."""
    tasks = tasks_of(world, "fixed-test", "overlap")
    groups = group_tasks(tasks[::-1], jobs)
    assert sorted(t.identity.key for g in groups for t in g) == sorted(
        t.identity.key for t in tasks
    )
    runs = []
    for group in groups:
        keys = [training_key(task) for task in group]
        runs += [key for i, key in enumerate(keys) if i == 0 or key != keys[i - 1]]
    assert len(runs) == len(set(runs)) == len(tasks) // 2
    assert len(groups) >= min(jobs, 2)


def parsed(*texts: str) -> tuple[str, ...]:
    return split_protocols(click.Context(click.Command("x")), click.Option(["--x"]), texts)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("fixed-test",), ("fixed-test",)),
        (("fixed-test,overlap",), ("fixed-test", "overlap")),
        (("fixed-test", "overlap", "fixed-test"), ("fixed-test", "overlap")),
        (("fixed-test:total=60,shortage=cap",), ("fixed-test:total=60,shortage=cap",)),
        (
            ("fixed-test:total=60,shortage=cap, overlap:total=60,added",),
            ("fixed-test:total=60,shortage=cap", "overlap:total=60", "added"),
        ),
        (("overlap/1:total=9,fixed-test/1",), ("overlap/1:total=9", "fixed-test/1")),
        (("fixed-test,ovrlap",), ("fixed-test", "ovrlap")),
        (("overlap", "total=60"), ("overlap", "total=60")),
    ],
)
def test_commas_between_protocols_and_parameters(texts, expected):
    """A comma before ``key=value`` goes on with the parameters, before a name it parts."""
    assert parsed(*texts) == expected


PROTOCOL = st.builds(
    lambda name, total, shortage: parse_protocol(f"{name}:total={total},shortage={shortage}"),
    st.sampled_from(["fixed-test", "overlap"]),
    st.integers(1, 500),
    st.sampled_from(["shrink", "cap", "refuse"]),
)


@given(st.lists(PROTOCOL, min_size=1, max_size=5, unique=True))
def test_any_list_of_protocols_survives_the_option(protocols):
    """Canonical texts joined by commas come apart into the same protocols."""
    texts = [protocol.protocol_id for protocol in protocols]
    assert parsed(",".join(texts)) == tuple(texts)


@pytest.mark.parametrize(
    ("given_text", "said"),
    [
        ("fixed-test,ovrlap", "did you mean overlap"),
        ("total=60", "expected e.g. fixed-test"),
        ("overlap,total=60", "expected e.g. fixed-test"),
    ],
)
def test_wrong_lists_are_one_line(world, given_text, said):
    """A misspelt second protocol and parameters without a protocol are named."""
    assert world.run("--protocol", given_text) == 2
    assert said in world.stderr.strip().splitlines()[-1]
    assert not world.store.exists()


def test_plan_shows_every_protocol(world):
    """`plan` prints a feasibility table per protocol and counts the cells of all."""
    arguments = ("-d", "mvtec_ad", "-m", "toys:PixelMean", *world.places, *GRID, *BOTH)
    assert world.reproduce("plan", *arguments) == 0
    assert "protocol fixed-test/1" in world.stdout
    assert "protocol overlap/1" in world.stdout
    assert "16 cells, 0 in the store, 16 to run" in world.stdout
