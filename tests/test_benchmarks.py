"""The benchmarks' own arithmetic: rows, drifts, files; and that they run on small inputs."""

import json
import subprocess
import sys

import numpy as np
import pytest

from conftest import TESTS

sys.path.insert(0, str(TESTS / "benchmarks"))
import bench_cells
import bench_determinism
import bench_metrics
import compare
import run
from common import NOT_INSTALLED, Given, Row, duel, race

GIVEN = Given(threads=1, repeats=1)


def row(**changes):
    """Two turns each; ours takes 1 s in the middle, the peer 4 s."""
    fields = {
        "bench": "toys", "what": "toy", "peer": "somebody",
        "ours_s": (0.5, 1.0, 9.0), "peer_s": (4.0, 2.0, 8.0), "goal": 3.0,
    }  # fmt: skip
    return Row(**(fields | changes))


def test_ratio_is_of_medians():
    """One slow turn of a shared machine does not count."""
    assert row().ratio == 4.0
    assert row(peer_s=()).ratio is None


@pytest.mark.parametrize(
    ("changes", "reached"),
    [
        ({}, True),
        ({"goal": 5.0}, False),
        ({"goal": None}, None),
        ({"peer_s": ()}, None),
        ({"ours": {"x": 1.0}, "peers": {"x": 1.1}}, True),
        ({"ours": {"x": 1.0}, "peers": {"x": 1.1}, "tolerance": 0.01}, False),
        ({"ours": {"x": 1.0}, "peers": {"x": 1.1}, "tolerance": 0.2}, True),
        ({"ours": {"x": 1.1}, "peers": {"x": 1.0}, "tolerance": 0.01, "one_sided": True}, True),
        ({"ours": {"x": 1.0}, "peers": {"x": 1.1}, "tolerance": 0.01, "one_sided": True}, False),
        ({"ours": {"x": np.nan}, "peers": {"x": 1.0}, "tolerance": 0.01}, False),
        ({"goal": None, "ours": {"x": 1.0}, "peers": {"x": 2.0}, "tolerance": 0.1}, False),
        ({"passed": False}, False),
        ({"passed": True, "ours_s": (), "peer_s": ()}, True),
    ],
)
def test_goal_is_reached_only_with_equal_results(changes, reached):
    """Fast and different is not reached; without a peer there is no verdict."""
    assert row(**changes).reached is reached


def test_sides_take_turns():
    """Ours, peer, ours, peer; every turn is kept."""
    order = []
    seconds, values = race(2, lambda: order.append("a"), lambda: order.append("b") or 7)
    assert order == ["a", "b", "a", "b"]
    assert [len(taken) for taken in seconds] == [2, 2]
    assert values[1] == 7


def test_absent_peer_is_named_not_skipped():
    """Its row stays in the table and says what to install."""
    found = duel(
        GIVEN, ours=lambda: {"x": 1.0}, peer=None, name="somebody", bench="b", what="w", goal=2.0
    )
    assert found.note == NOT_INSTALLED
    assert found.reached is None
    assert len(found.ours_s) == 1
    assert NOT_INSTALLED in run.cells(found)[-1]


def figures(commit, date, **ratios):
    """Return a made-up file of figures."""
    lines = [
        {
            "bench": "toys", "what": name, "peer": "somebody", "ratio": ratio, "note": "",
            "agrees": None, "reached": ratio is not None,
        }
        for name, ratio in ratios.items()
    ]  # fmt: skip
    machine = {"processor": "a processor", "threads": 1}
    return {"commit": commit, "date": date, "machine": machine, "rows": lines}


@pytest.mark.parametrize(
    ("old", "new", "code", "remark"),
    [
        ({"a": 10.0}, {"a": 8.1}, 0, "-19 %"),
        ({"a": 10.0}, {"a": 7.9}, 1, "fell by more than 20 %"),
        ({"a": 10.0}, {"a": 30.0}, 0, "+200 %"),
        ({"a": 10.0}, {"b": 1.0}, 1, "gone"),
        ({"a": 10.0}, {"a": 10.0, "b": 1.0}, 0, "new"),
        ({"a": 10.0}, {"a": None}, 1, "not measured"),
        ({"a": None}, {"a": 2.0}, 0, "–"),
    ],
)
def test_drifts(tmp_path, capsys, old, new, code, remark):
    """Exit code 1 where a ratio fell by more than a fifth or is no longer there."""
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for path, ratios in zip(files, (old, new), strict=True):
        path.write_text(json.dumps(figures(path.stem, "2026", **ratios)))
    assert compare.main([str(path) for path in files]) == code
    assert remark in capsys.readouterr().out


def test_differing_results_are_a_drift():
    """A line as fast as before whose results no longer agree fails."""
    old, new = figures("x", "1", a=2.0), figures("y", "2", a=2.0)
    new["rows"][0]["agrees"] = False
    (found,) = compare.drifts(old, new)
    assert found.bad
    assert found.remark == "results differ now"


def test_newest_two_by_history(tmp_path):
    """The order of commits counts, not names or dates; a changed tree comes after its commit."""

    def git(*arguments):
        line = ["git", "-c", "user.name=n", "-c", "user.email=e", *arguments]
        done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    commits = []
    for number in range(3):
        git("commit", "-q", "--allow-empty", "-m", str(number))
        commits.append(git("rev-parse", "--short=10", "HEAD"))
    names = ("z", "y", "x", "w")
    kept = (commits[0], commits[1], commits[1] + "+", "0000000000")
    for name, commit, date in zip(names, kept, ("9", "8", "7", "6"), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(figures(commit, date, a=1.0)))
    assert [path.stem for path in compare.newest_two(tmp_path)] == ["y", "x"]


def test_compare_needs_two_files(tmp_path, monkeypatch, capsys):
    """One line says what is there and what to do; exit code 2."""
    monkeypatch.setattr(compare, "RESULTS", tmp_path)
    assert compare.main([]) == 2
    assert "make bench" in capsys.readouterr().err


def test_metrics_run_on_small_maps(monkeypatch):
    """Every metric equals scikit-learn's and the sorted AUPRO; peers that are absent are named."""
    small = bench_metrics.make_maps(56)
    monkeypatch.setattr(bench_metrics, "make_maps", lambda size: small)
    found = bench_metrics.rows(GIVEN)
    assert found[0].agrees
    assert found[1].agrees
    assert len(found[0].ours.keys() & found[0].peers.keys()) == 6
    assert found[-1].ours["largest error"] < 1e-2
    for one in found:
        assert one.peer_s or one.note == NOT_INSTALLED
        assert one.agrees is not False


@pytest.fixture
def few_cells(world, tmp_path):
    """Return a race of four cells of a method on tiny images."""

    def case(method, preset="paper", **grid):
        place = {"datasets": ("mvtec_ad",), "categories": ("bottle",)}
        axes = {"noise": (0.0, 25.0), "seeds": 2, "preset": preset}
        return bench_cells.Case(method, tmp_path / "cells", world.data, **place, **axes, **grid)

    return case


def test_whole_cells_race(few_cells):
    """In one go they are fitted together, otherwise alone; scores agree, both clocks are told."""
    case = few_cells("toys_tuning:Stacked")
    found = case.rows(GIVEN)
    assert [one.goal for one in found] == [bench_cells.GOAL, None]
    for one in found:
        assert len(one.ours) == len(one.peers) == 4
        assert one.agrees
        assert one.ratio > 0
        assert "processor time" in one.note
    together, (*alone,) = case.together(), case.singly()
    rows = [dict(store.read(key).row) for store in (*together, *alone) for key in store]
    assert [row["stacked"] for row in rows] == [4] * 4 + [1] * 4


def test_cells_by_themselves_share_nothing(few_cells):
    """Each has a store of its own, decodes every image and computes every feature again."""
    case = few_cells("patchcore", preset="demo", image_size=32)
    stores = case.singly()
    assert [len(list(store)) for store in stores] == [1] * 4
    spent = [row["features_s"] for s in stores for key in s if (row := s.read(key).row)]
    files = [len(list(store.features.rglob("*.safetensors"))) for store in stores]
    images = [len(cell.train) + len(cell.test) for cell in case.planned]
    assert files == images
    assert min(spent) > 0
    (shared,) = case.together()
    assert len(list(shared.features.rglob("*.safetensors"))) < sum(images)
    assert bench_cells.images.REMEMBERED.held > 0
    bench_cells.forget()
    assert bench_cells.images.REMEMBERED.held == 0


def test_figures_are_kept_under_their_commit(tmp_path, monkeypatch, capsys):
    """The table is printed, the file has machine, commit, date, turns; a missed goal is code 1."""
    monkeypatch.setattr(run, "limit_threads", lambda count: None)
    monkeypatch.setattr(run, "run_bench", lambda name, given: [row(bench=name)])
    out = tmp_path / "new" / "figures.json"
    assert run.main(["--only", "metrics,flows", "--threads", "1", "--out", str(out)]) == 0
    kept = json.loads(out.read_text())
    assert kept["machine"]["cores"] >= 1
    assert kept["machine"]["packages"]["numpy"] == np.__version__
    assert kept["commit"]
    assert [line["bench"] for line in kept["rows"]] == ["metrics", "flows"]
    assert kept["rows"][0]["ratio"] == 4.0
    assert "somebody" in capsys.readouterr().out
    assert not any(one.bad for one in compare.drifts(kept, kept))
    monkeypatch.setattr(run, "run_bench", lambda name, given: [row(goal=5.0)])
    assert run.main(["--only", "metrics", "--threads", "1", "--out", str(out)]) == 1


def test_unknown_benchmark_is_refused(capsys):
    """The line names those that there are."""
    with pytest.raises(SystemExit):
        run.main(["--only", "speed"])
    assert "metrics,features" in capsys.readouterr().err


def test_cost_of_determinism_is_a_ratio_of_medians(monkeypatch, capsys):
    """Goes that differ although the flags are set are a failure; a refusal is said."""
    monkeypatch.setattr(bench_determinism, "METHODS", {"padim": {}})

    def goes(plain, flags):
        sides = {"plain": plain, "flags": flags}
        return {a: [{"padim": {"seconds": s, "digest": d}} for s, d in v] for a, v in sides.items()}

    plain = ((1.0, "a"), (2.0, "b"), (9.0, "a"))
    assert bench_determinism.print_table(goes(plain, ((3.0, "c"),) * 3), "cuda") == 0
    said = capsys.readouterr().out
    assert "3.00 s (equal bytes), without   2.00 s (differ): 1.50 x as long" in said
    assert bench_determinism.print_table(goes(plain, ((3.0, "c"), (3.0, "d"))), "cuda") == 1
    refused = {"plain": [], "flags": [{"padim": {"refused": "no deterministic kernel"}}]}
    assert bench_determinism.print_table(refused, "cuda") == 0
    assert "padim      refused with the flags: no deterministic kernel" in capsys.readouterr().out


def test_determinism_is_measured_of_real_goes(monkeypatch, one_thread):
    """A go fits and scores; two of them on a CPU give the same bytes."""
    monkeypatch.setattr(bench_determinism, "METHODS", {"padim": {"dim": "8"}})
    monkeypatch.setattr(bench_determinism, "IMAGES", 10)
    monkeypatch.setattr(bench_determinism, "SIZE", 64)
    first, again = (dict(bench_determinism.measure("cpu", 1, False))["padim"] for _ in range(2))
    assert first["seconds"] > 0
    assert first["digest"] == again["digest"]
