"""`reproduce status --watch` tells from another process what a run is at."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest
from engine_worlds import plan_of
from here import run_here
from rich.console import Console
from test_claims import dead_pid

from adrepro.datasets.owners import temporary_name
from adrepro.harness import board as board_module
from adrepro.harness.board import KEEP_S, Board, counts, read_boards, seconds_left
from adrepro.harness.cli import invoke
from adrepro.harness.commands import watch as watch_module
from adrepro.harness.commands.watch import awaited, render, watch
from adrepro.harness.engines.base import PULLING, SERVES, Event
from adrepro.harness.forecast import Forecast
from adrepro.harness.store import Failure, Store
from conftest import TESTS

WAIT_S = 120


@pytest.fixture
def running(world):
    """A run of six half-second cells in a process of its own, as soon as it has begun."""
    line = [sys.executable, "-m", "adrepro.harness.cli", "run", "-m", "toys:Slow", "-d", "mvtec_ad"]
    line += [
        str(a) for a in (*world.places, "--device", "cpu", "--jobs", "1", "--seeds", "3", "-q")
    ]
    process = subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(TESTS)})
    deadline = time.monotonic() + WAIT_S
    while not [b for b in boards_of(world) if b["flying"]]:
        assert process.poll() is None
        assert time.monotonic() < deadline, "no cell has begun"
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


def boards_of(world):
    return read_boards(Store(world.store)) if (world.store / "store.json").is_file() else []


def status(world, *arguments):
    return world.reproduce(
        "status", "--watch", "--every", "0.2", "--store", world.store, *arguments
    )


def test_watch_follows_a_run_to_its_end(world, running):
    """Counts rise to the total, a cell in flight is named with its age; exit code 0 at the end."""
    assert status(world) == 0
    said = world.stdout
    done = [int(number) for number in re.findall(r"run: (\d+) of 6 cells done", said)]
    assert done == sorted(done)
    assert done[0] < 6
    assert done[-1] == 6
    assert re.search(r"^  toys:Slow/mvtec_ad/\w+/noise0/seed\d .*\(\d+ s\)$", said, re.MULTILINE)
    assert re.search(r"\d left, about \d+ s$", said, re.MULTILINE), "no forecast"
    assert f"process {running.pid} on" in said
    assert said.rstrip().endswith("all runs have ended: everything is done")


def test_watch_ends_when_its_run_is_killed_under_way(world, running):
    """Killed while it is watched: the watcher ends by itself and says what was not run."""
    line = [sys.executable, "-m", "adrepro.harness.cli", "status", "--watch", "--every", "0.2"]
    with subprocess.Popen(
        [*line, "--store", str(world.store)], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout
        watcher.stdout.readline()
        running.send_signal(signal.SIGKILL)
        running.wait()
        said, _ = watcher.communicate(timeout=WAIT_S)
    assert watcher.returncode == 1
    assert re.search(r"all runs have ended: 0 failed, [1-6] not run", said)
    # Whoever looks only now sees that nothing is at work.
    assert status(world) == 1
    assert "no run is at work" in world.stdout
    assert "to go on: reproduce run" in world.stdout


def board_of(world, **given):
    store = Store(world.store, create=True)
    cells = plan_of(world, "toys:PixelMean", "toys:ImageOnly", seeds=2).distinct
    forecast = Forecast((c.identity.cell for c in cells), 1)
    fixed = {"title": "a title", "engine": "local", "forecast": forecast}
    tasks = [c.task(store.root, "cpu", keep_maps=False, exclusive=True) for c in cells]
    return store, Board(store, cells, cells, **(fixed | given)), tasks


def test_board_counts_by_method(world):
    """What a board says is what its run heard: by method, each cell once."""
    store, board, tasks = board_of(world)
    with board:
        for task, kind in zip(tasks, ("done", "failed", "start"), strict=False):
            board(Event(kind="start", task=task))
            board(Event(kind=kind, task=task))
    (seen,) = read_boards(store)
    assert not seen["live"]
    one, two = tasks[0].method, tasks[1].method
    expected = {tasks[0].method: [2, 0, 0], "toys:ImageOnly": [2, 0, 0]}
    expected[one][1] += 1
    expected[two][2] += 1
    assert {m: [c["total"], c["done"], c["failed"]] for m, c in counts([seen]).items()} == expected
    assert [cell["label"] for cell in seen["flying"]] == [tasks[2].label]


def test_run_with_nothing_to_do_leaves_no_board(world):
    """A plan that is complete writes nothing."""
    store = Store(world.store, create=True)
    cells = plan_of(world, "toys:PixelMean").distinct
    with Board(store, cells, (), title="t", engine="local"):
        pass
    assert not (store.root / "live").exists()


def told(store, capsys):
    """Return what `status` says of runs that ended before their end, to people and to programs."""
    assert invoke(["status", "--store", str(store.root)]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "last run" in line]
    assert invoke(["status", "--store", str(store.root), "--json"]) == 0
    return said, json.loads(capsys.readouterr().out)["unfinished"]


def test_what_an_ended_run_has_left_is_said_until_a_run_of_its_plan_begins(world, capsys):
    """How many cells, and what to type; to programs too. A run of that plan takes the place."""
    store, board, tasks = board_of(world, command="reproduce run -c '\x1b[2Ja b'")
    plan = plan_of(world, "toys:PixelMean", "toys:ImageOnly", seeds=2)
    with board:
        failure = Failure(kind="RuntimeError", message="no", phase="fit")
        store.write_failure(plan.distinct[0].identity, failure)
        board(Event(kind="failed", task=tasks[0]))
        run_here(plan_of(world, plan.distinct[1].method.name, seeds=1), store)
        board(Event(kind="done", task=tasks[1]))
        assert told(store, capsys) == ([], []), "a run that goes on has left nothing"
    line = "a title: its last run ended with 2 of 4 cells not run; to go on: "
    said, unfinished = told(store, capsys)
    assert said == [f"{line}the command that `reproduce status --json` shows"]
    assert unfinished[0]["command"] == "reproduce run -c '\x1b[2Ja b'"
    assert [(one["title"], one["cells"], one["left"]) for one in unfinished] == [("a title", 4, 2)]
    (path,) = (store.root / "live").glob("*.json")
    long_ago = time.time() - 10 * KEEP_S
    for one in (store.root / "live").iterdir():
        os.utime(one, (long_ago, long_ago))
    other = plan_of(world, "toys:PixelMean", seeds=1).distinct
    with Board(store, other, (), title="another", engine="local"):
        pass
    assert told(store, capsys) == (said, unfinished), "a run of another plan leaves it"
    with Board(store, plan.distinct, (), title="a title", engine="local"):
        pass
    assert told(store, capsys) == ([], [])
    assert not path.exists()


def test_a_run_s_command_is_shown_as_it_is(world, capsys):
    """Each word was redacted where it was made: what looks like a token's value stays."""
    command = "reproduce run -c token --per-image-minmax --store $'/a\\040 b'"
    _, board, _ = board_of(world, command=command)
    with board:
        pass
    said, unfinished = told(Store(world.store), capsys)
    assert said[0].endswith(f"; to go on: {command}")
    assert unfinished[0]["command"] == command


def test_cells_that_an_ended_run_has_not_heard_of_are_not_left(world, capsys):
    """Published as it was killed, failed or done by a run of another plan: the store knows."""
    store = Store(world.store, create=True)
    plan = plan_of(world, "toys:PixelMean", seeds=4)
    with Board(store, plan.distinct, plan.distinct, title="run", engine="local"):
        pass
    assert [one["left"] for one in told(store, capsys)[1]] == [4]
    run_here(plan_of(world, "toys:PixelMean", seeds=1), store)
    failure = Failure(kind="RuntimeError", message="no", phase="fit")
    store.write_failure(plan.distinct[3].identity, failure)
    said, unfinished = told(store, capsys)
    assert said == ["run: its last run ended with 2 of 4 cells not run"]
    assert [one["left"] for one in unfinished] == [2]
    more = plan_of(world, "toys:PixelMean", seeds=5)
    with Board(store, more.distinct, more.pending(store), title="run", engine="local"):
        run_here(more, store)
    assert told(store, capsys)[1] == [], "all done, by a board that has heard of none"
    (store.folder(plan.distinct[2].key) / "scores.npz").write_bytes(b"")
    assert [one["left"] for one in told(store, capsys)[1]] == [1, 1]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes()[:17]),
        lambda path: path.write_bytes(path.read_bytes()[:17] * 4),
        lambda path: path.write_bytes(path.read_bytes() + b"0" * 16 + b"\n"),
        lambda path: path.write_bytes(b"\0" * path.stat().st_size),
        lambda path: os.truncate(path, 2**40),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: (path.unlink(), os.mkfifo(path)),
    ],
    ids=["gone", "torn", "short", "twice", "long", "zeros", "huge", "folder", "pipe"],
)
def test_without_the_keys_a_board_speaks_for_itself(world, capsys, spoil):
    """A plan's keys that are not to be had are no cells that have run; nobody waits for them."""
    store, board, tasks = board_of(world)
    with board:
        board(Event(kind="done", task=tasks[0]))
    assert [one["left"] for one in told(store, capsys)[1]] == [4], "the store has none of them"
    (keys,) = (store.root / "live").glob("*.keys")
    spoil(keys)
    said, unfinished = told(store, capsys)
    assert said == ["a title: its last run ended with 3 of 4 cells not run"]
    assert [one["left"] for one in unfinished] == [3]


def test_keys_of_a_plan_go_with_its_last_board(world):
    """A plan's keys lie beside its boards as long as there is one, and are never a path out."""
    store, board, _ = board_of(world)
    with board:
        pass
    (keys,) = (store.root / "live").glob("*.keys")
    cells = plan_of(world, "toys:PixelMean", "toys:ImageOnly", seeds=2).distinct
    assert keys.read_text().split() == sorted(cell.key[:16] for cell in cells)
    (path,) = (store.root / "live").glob("*.json")
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(document | {"plan": "../../out"}))
    assert read_boards(store) == [], "no name of a plan"
    path.unlink()
    other = plan_of(world, "toys:PixelMean", seeds=1).distinct
    with Board(store, other, (), title="another", engine="local"):
        pass
    assert keys.exists(), "young: its board may be on its way"
    os.utime(keys, (0, 0))
    with Board(store, other, (), title="another", engine="local"):
        pass
    assert not keys.exists()


def test_runs_that_share_a_plan_are_one_table(world):
    """Two runs hear of each other's cells: nothing is counted twice, times are put together."""
    store, first, tasks = board_of(world)
    _, second, _ = board_of(world, engine="worker")
    with first, second:
        first(Event(kind="done", task=tasks[0]))
        second(Event(kind="done", task=tasks[0]))
        second(Event(kind="done", task=tasks[1]))
        first._write()
        second._write()
        boards = read_boards(store)
    assert sum(count["done"] for count in counts(boards).values()) == 2
    text = as_text(render(boards, {}))
    assert text.count("a title:") == 1
    assert "a title: 2 of 4 cells done, 2 left" in text
    assert seconds_left([b | {"live": True, "left_s": 30.0} for b in boards]) == pytest.approx(15)


def as_text(shown):
    out = io.StringIO()
    Console(file=out, width=120).print(shown)
    return out.getvalue()


def test_words_of_a_method_cannot_steer_the_terminal(world):
    """What a method says while it works is shown on one line, without control characters."""
    store, board, tasks = board_of(world)
    with board:
        board(Event(kind="start", task=tasks[0]))
        told = "\x1b[2Jepoch\n3 [bold]x[/bold]"
        board(Event(kind="progress", task=tasks[0], fraction=0.5, text=told))
        board._write()
        text = as_text(render(read_boards(store), {}))
    assert "\x1b" not in text
    assert "50% " in text
    assert "epoch 3 [bold]x[/bold]" in text


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"who": 1}', b"\xff\x00", b"[" * 10**6])
def test_damaged_board_is_left_out(world, content):
    """A board that cannot be read stops nobody."""
    store, board, _ = board_of(world)
    with board:
        (store.root / "live" / "x.json").write_bytes(content)
        assert len(read_boards(store)) == 1


def test_board_that_is_no_document_of_usual_size_is_left_out(world, capsys):
    """A pipe is not waited for, nothing huge is read, and numbers are numbers."""
    store, board, _ = board_of(world)
    with board:
        (path,) = (store.root / "live").glob("*.json")
        os.mkfifo(path.with_name("pipe.json"))
        path.with_name("huge.json").write_bytes(path.read_bytes())
        os.truncate(path.with_name("huge.json"), 2**40)
        text = json.loads(path.read_bytes()) | {"total": {"toys:PixelMean": "4"}}
        path.with_name("text.json").write_text(json.dumps(text))
        assert [one["name"] for one in read_boards(store)] == [path.stem]
    assert [one["left"] for one in told(store, capsys)[1]] == [4]


def test_silent_run_elsewhere_is_said_to_be(world):
    """Of a run on another machine only its board is seen: one that stands still is told."""
    store, board, _ = board_of(world)
    with board:
        (seen,) = read_boards(store)
    seen |= {"live": True, "who": {"pid": 5, "host": "far"}}
    assert "no sign" not in as_text(render([seen], {seen["name"]: 3.0}))
    text = as_text(render([seen], {seen["name"]: 95.0}))
    assert "local, process 5 on far: at work for" in text
    assert "no sign for 1 min 35 s" in text


@pytest.mark.parametrize(
    ("engine", "doing"), [("worker", "waiting for workers"), (SERVES, "at work")]
)
def test_run_that_waits_for_workers_is_told_from_a_worker(world, engine, doing):
    """A queued run computes nothing: what does is the worker."""
    store, board, _ = board_of(world, engine=engine)
    with board:
        (seen,) = read_boards(store)
        assert f"{engine}, process" in (text := as_text(render([seen], {})))
    assert f": {doing} for" in text


@pytest.mark.parametrize("engine", PULLING)
def test_run_whose_cells_workers_run_does_not_wait_for_them(world, engine):
    """While a worker is at work on the same plan, the queued run says so; not of another plan."""
    store, queued, _ = board_of(world, engine=engine)
    _, worker, _ = board_of(world, engine=SERVES)
    with queued:
        with worker:
            text = as_text(render(read_boards(store), {}))
        assert re.search(rf"^{engine}, process .*: its cells are run by workers$", text, re.M)
        assert re.search(rf"^{SERVES}, process .*: at work for", text, re.M)
        assert "waiting" not in text
        assert "waiting for workers for" in as_text(render(read_boards(store), {})), "it has ended"
        cells = plan_of(world, "toys:PixelMean", seeds=1).distinct
        with Board(store, cells, cells, title="another", engine=SERVES):
            text = as_text(render(read_boards(store), {}))
        assert re.search(rf"^{engine}, process .*: waiting for workers for", text, re.M)


def test_terminal_shows_one_picture_that_moves(world):
    """On a terminal the picture is drawn over itself and stays at the end."""
    store, board, tasks = board_of(world)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, height=40)
    with board:
        board(Event(kind="done", task=tasks[0]))
        board._write()
        path = next((store.root / "live").glob("*.json"))
        ended = json.loads(path.read_bytes()) | {"ended": True}
        looks = iter([read_boards(store), []])
        with pytest.MonkeyPatch.context() as patch:
            last = [read_boards(store)[0] | {"live": False, "ended": ended["ended"]}]
            looks = iter([read_boards(store), last])
            patch.setattr("adrepro.harness.commands.watch.read_boards", lambda _: next(looks))
            assert watch(store, console, 0.01) == 1
    assert "\x1b[" in out.getvalue()
    assert "1 of 4 cells done" in out.getvalue()
    assert "0 failed, 3 not run" in out.getvalue()


def test_board_is_whole_at_every_look(world, monkeypatch):
    """The heartbeat and the run write at once, as fast as they can: no look sees a torn board."""
    monkeypatch.setattr(board_module, "BEAT_S", 0.0)
    monkeypatch.setattr(board_module, "WRITE_EVERY_S", 0.0)
    store, board, tasks = board_of(world)
    counted, stop = [], threading.Event()

    def work():
        while not stop.is_set():
            for text in ("x" * 4000, "y"):
                board(Event(kind="progress", task=tasks[0], fraction=0.5, text=text))

    with board:
        board(Event(kind="start", task=tasks[0]))
        (path,) = (store.root / "live").glob("*.json")
        runs = threading.Thread(target=work)
        runs.start()
        try:
            deadline = time.monotonic() + 2
            while time.monotonic() < deadline:
                counted.append(json.loads(path.read_bytes())["count"])
        finally:
            stop.set()
            runs.join()
    assert counted == sorted(counted), "an older picture took a newer one's place"
    assert len(set(counted)) > 50
    left = [one.name for one in (store.root / "live").iterdir() if one.suffix != ".keys"]
    assert left == [path.name]


def test_half_written_board_of_a_dead_run_is_swept(world):
    """What a run that was killed while it wrote its board left goes with the next sweep."""
    store, board, _ = board_of(world)
    with board:
        live = store.root / "live" / temporary_name("x.json")
        live.write_bytes(b"{")
        dead = live.with_name(live.name.replace(f"-{os.getpid()}-", f"-{dead_pid()}-"))
        dead.write_bytes(b"{")
        assert store.sweep() == 1
        assert live.exists()


def followed(store, monkeypatch, looks):
    """Return what a watcher says of these looks at a store, and its exit code."""
    left = iter(looks)
    monkeypatch.setattr(watch_module, "read_boards", lambda _: next(left))
    out = io.StringIO()
    code = watch(store, Console(file=out, width=120), 0.001)
    assert not list(left), "looks that were not made"
    return out.getvalue(), code


def test_board_missed_at_one_look_is_not_the_end(world, monkeypatch):
    """A board that cannot be read once is waited for; one that is gone twice has ended."""
    store, board, tasks = board_of(world)
    with board:
        (now,) = read_boards(store)
        for task in tasks:
            board(Event(kind="done", task=task))
    (end,) = read_boards(store)
    said, code = followed(store, monkeypatch, [[now], [], [now], [], [now], [end]])
    assert said.endswith("all runs have ended: everything is done\n")
    assert code == 0
    said, code = followed(store, monkeypatch, [[now], [], []])
    assert said.endswith("all runs have ended: 0 failed, 4 not run\n")
    assert code == 1


@pytest.mark.parametrize("here", [True, False])
def test_silent_run_that_nobody_can_ask_is_watched_for_a_lease(world, monkeypatch, here):
    """A board from before a restart of this machine does not keep a watcher for ever."""
    store, board, _ = board_of(world)
    with board:
        (now,) = read_boards(store)
    assert now["here"]
    now |= {"live": True, "ended": False, "here": here}
    monkeypatch.setattr(watch_module, "LEASE_S", 0.0)
    looks = [[now], [now], [now | {"live": False}]] if here else [[now], [now]]
    said, code = followed(store, monkeypatch, looks)
    how = "ended" if here else "ended or fallen silent"
    assert said.endswith(f"all runs have {how}: 0 failed, 4 not run\n")
    assert code == 1


def test_event_soon_after_a_picture_is_shown_all_the_same(world, monkeypatch):
    """A cell that begins right after the board was written stands on it within two seconds."""
    monkeypatch.setattr(board_module, "WRITE_EVERY_S", 0.1)
    monkeypatch.setattr(board_module, "BEAT_S", 1e9)
    store, board, tasks = board_of(world)
    with board:
        board(Event(kind="start", task=tasks[0]))
        deadline = time.monotonic() + 2
        while not read_boards(store)[0]["flying"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)


def test_a_store_that_is_not_there_is_waited_for(tmp_path, world):
    """The wait is said and ends with the first board; a folder of other things is refused."""
    root, out = tmp_path / "later", io.StringIO()
    made = plan_of(world, "toys:PixelMean")

    def begin():
        time.sleep(0.2)
        store = Store(root, create=True)
        time.sleep(0.2)
        with Board(store, made.distinct, made.distinct, title="t", engine="local"):
            pass

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    store = awaited(root, Console(file=out, width=200), 0.05)
    assert len(read_boards(store)) == 1
    thread.join()
    assert f"no store at {root} yet: waiting for a run" in out.getvalue()
    assert world.reproduce("status", "--watch", "--store", world.data) == 2
    assert "it is not a result store" in world.stderr
