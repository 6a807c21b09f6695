"""Bad input: one line, exit code 2, nothing written, nothing lost."""

import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

from adrepro.datasets.errors import AdreproError, StoreError, UsageError
from adrepro.harness.cli import COMMANDS, invoke
from adrepro.harness.store import Store
from conftest import save


def assert_refused(world, *said: str) -> None:
    """One error line that says all of ``said``; neither store nor output exists."""
    lines = world.stderr.strip().splitlines()
    assert lines[-1].startswith("error: "), world.stderr
    assert "Traceback" not in world.stderr
    for text in said:
        assert text in lines[-1]
    assert not world.store.exists()
    assert not world.out.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--method", "pathcore"), ("unknown method 'pathcore'", "patchcore")),
        (("--method", "no_such_module:Thing"), ("no_such_module",)),
        (("--method", "toys:Nothing"), ("Nothing",)),
        (("--dataset", "mvtec_add"), ("unknown dataset 'mvtec_add'", "mvtec_ad")),
        (("--category", "botle"), ("unknown category 'botle'", "bottle")),
        (("--noise", "60"), ("60", "50")),
        (("--noise", "abc"), ("--noise abc", "percent")),
        (("--noise", "-5"), ("--noise -5", "percent")),
        (("--noise", "nan"), ("--noise nan", "percent")),
        (("--protocol", "fixd-test"), ("unknown noise protocol 'fixd-test'", "fixed-test")),
        (("--protocol", "fixed-test:totl=5"), ("totl", "total")),
        (("--preset", "fast"), ("unknown preset 'fast'", "paper")),
        (("--seeds", "0"), ("--seeds 0", "at least 1")),
        (("--seeds", "x"), ("--seeds", "integer")),
        (("--jobs", "0"), ("--jobs 0",)),
        (("--image-size", "5"), ("--image-size 5", "32")),
        (("--device", "tpu"), ("--device tpu", "cpu")),
        (("--set", "toys:PixelMean.powr=2"), ("powr", "power")),
        (("--set", "toys:PixelMean.power=two"), ("two", "power")),
        (("--set", "patchcore.x=1"), ("patchcore",)),
        (("--set", "power"), ("--set power", "method.key=value")),
        (("--nois", "5"), ("--nois", "--noise")),
    ],
)
def test_wrong_option_is_one_line(world, arguments, said):
    """Every wrong option names what was given and what was expected or is nearest."""
    keep = () if "--method" in arguments else ("-m", "toys:PixelMean")
    data = () if "--dataset" in arguments else ("-d", "mvtec_ad")
    code = world.reproduce("run", *keep, *data, *world.places, *arguments)
    assert code == 2
    assert_refused(world, *said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--weights", "broken.pth"), ("broken.pth",)),
        (("--weights", "nowhere.pth"), ("nowhere.pth",)),
        (("--backbone", "timm/nonesuch.random"), ("nonesuch",)),
        (("--set", "patchcore.strides=3"), ("3", "stride")),
    ],
)
def test_backbone_that_cannot_work_stops_before_any_cell(world, monkeypatch, arguments, said):
    """Weights that do not fit, unknown networks and strides are bad input, not failed cells."""
    monkeypatch.chdir(world.root)
    (world.root / "broken.pth").write_bytes(b"not weights")
    default = () if "--backbone" in arguments else ("--backbone", "efficientnet_lite0")
    code = world.run(*default, *arguments, method="patchcore")
    assert code == 2
    assert_refused(world, *said)


def test_full_device_leaves_no_half_made_store(world):
    """A store that could not be made is made by the same command once there is space."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(StoreError):
            Store(world.store, create=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert world.run("--seeds", "1") == 0


def test_unknown_command_suggests_the_nearest(world):
    """A misspelt target is answered with the target's name."""
    assert world.reproduce("tabel1") == 2
    assert_refused(world, "tabel1", "table1")


def test_missing_data_says_where_it_looked_and_what_to_run(world):
    """Without data: the folder, the fetch command and the licence."""
    assert world.reproduce("table1", "--data-root", world.root / "nowhere", *world.places[2:]) == 2
    assert_refused(world, "nowhere", "reproduce data fetch mvtec_ad", "CC BY-NC-SA")


MISSING = """
import sys
from adrepro.harness.cli import invoke
code = invoke([*sys.argv[1:], "--device", "auto"])
heavy = sorted({"torch", "torchvision", "timm"} & set(sys.modules))
assert (code, heavy) == (2, []), (code, heavy)
"""


@pytest.mark.parametrize("arguments", [("table1",), ("plan", "table1"), ("table1", "--dry-run")])
def test_missing_data_are_refused_before_anything_heavy(world, arguments):
    """A wrong --data-root is told before devices are asked for, which takes torch's import."""
    places = ("--data-root", world.root / "nowhere", "--store", world.store)
    done = subprocess.run(
        [sys.executable, "-c", MISSING, *arguments, *map(str, places)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "error: MVTec AD not found: looked for" in done.stderr
    assert "go on without" not in done.stderr, "nothing else is there"


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("table1 --preset demo", "; leave out --datasets and the demo draws its own images"),
        ("run -m padim --preset demo", "; --datasets synthetic takes images that the demo draws"),
        ("table1 --preset quick", ""),
    ],
)
def test_missing_real_data_of_the_demo_say_that_it_draws_its_own(world, command, hint):
    """Naming a dataset asks for the real one, which the demo needs not; other presets do."""
    places = ("--data-root", world.root / "nowhere", *world.places[2:])
    assert world.reproduce(*command.split(), "-d", "mvtec_ad", *places) == 2
    assert_refused(world, "reproduce data fetch mvtec_ad")
    assert world.stderr.endswith(f"{hint}\n")
    assert "draws" in hint or "draws" not in world.stderr


@pytest.mark.parametrize("command", [("table1",), ("plan", "table1")])
def test_missing_second_dataset_says_how_to_go_on_without(world, command):
    """Where one dataset of a table is there, the line ends with the option that runs it alone."""
    assert world.reproduce(*command, *world.places) == 2
    assert_refused(world, "KolektorSDD2 not found", "go on without it: --datasets mvtec_ad")


@pytest.mark.parametrize("command", [("table1", "--dry-run"), ("plan", "table1")])
def test_absent_dataset_of_which_nothing_is_asked_is_a_note(world, command):
    """With categories of one dataset alone the other may be missing; asked for, it may not."""
    few = ("-m", "patchcore", "--noise", "0", "--preset", "quick")
    assert world.reproduce(*command, *few, *world.places, "-c", "bottle") == 0, world.stderr
    assert "note: KolektorSDD2 is not on disk, and not needed" in world.stdout
    assert "3 cells, 0 in the store" in world.stdout
    assert world.reproduce(*command, *few, *world.places, "-c", "bottle,ksdd2") == 2
    assert "KolektorSDD2 not found" in world.stderr
    nowhere = ("--data-root", world.root / "nowhere", *world.places[2:])
    assert world.reproduce(*command, *few, *nowhere, "-c", "bottle") == 2
    assert "MVTec AD not found" in world.stderr


def test_misspelt_category_of_drawn_images_is_answered_with_theirs(world):
    """Nothing is drawn to say so, and the names that can be had are not an empty list."""
    arguments = ("table1", "--preset", "demo", "-m", "patchcore", *world.places)
    assert world.reproduce(*arguments, "-c", "tiel") == 2
    assert_refused(world, "unknown category 'tiel': did you mean tile or pill?")
    assert not (world.data / "synthetic").exists()


def test_images_that_cannot_be_drawn_name_the_option(world, monkeypatch):
    """They go into the cache, not into the folder of the environment; where that fails, say how."""
    in_the_way = world.root / "cache"
    in_the_way.write_text("")
    monkeypatch.setenv("ADREPRO_DATA", str(world.data))
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    arguments = ("table1", "--preset", "demo", "-m", "patchcore", "--device", "cpu")
    assert world.reproduce(*arguments, *world.places[2:], "-c", "tile") == 2
    assert_refused(world, str(in_the_way / "adrepro/drawn"), "give --data-root a folder")
    assert not (world.data / "synthetic").exists()


@pytest.mark.parametrize("text", ["0.1", "0,0.5", ".25"])
def test_share_of_noise_is_refused(world, text):
    """Noise is in percent: 0.1 was surely meant as 10, and who means it writes 0.1%."""
    share = float(text.split(",")[-1])
    assert world.run("--noise", text) == 2
    assert_refused(world, "noise is in percent", f"write {100 * share:g}", f"{share:g} % write")


def test_part_of_a_percent_can_be_asked_for(world):
    """With the sign it is what it says; 0 and 1 need none."""
    assert world.reproduce("plan", "-m", "toys:PixelMean", "-d", "mvtec_ad", *world.places,
                           "--noise", "0,0.5%,1") == 0  # fmt: skip
    assert "0.5" in world.stdout


def test_empty_category_is_named(world):
    """A category without training images stops the run."""
    shutil.rmtree(world.data / "mvtec_ad/screw/train/good")
    (world.data / "mvtec_ad/screw/train/good").mkdir()
    assert world.run() == 2
    assert_refused(world, "screw")


def test_corrupt_image_stops_before_any_cell(world):
    """A truncated image is named; nothing runs without it, nothing replaces it."""
    path = world.data / "mvtec_ad/bottle/test/good/003.png"
    path.write_bytes(path.read_bytes()[:200])
    assert world.run() == 2
    assert_refused(world, "bottle/test/good/003.png", "reproduce data scan")


def test_mask_of_another_size_stops_before_any_cell(world):
    """A mask that does not fit its image is named."""
    mask = world.data / "mvtec_ad/bottle/ground_truth/hole/000_mask.png"
    save(mask, np.full((16, 16), 255, dtype=np.uint8))
    assert world.run() == 2
    assert_refused(world, "bottle/ground_truth/hole/000_mask.png", "16")


def test_corrupt_image_loses_nothing_that_was_done(world):
    """A run refused for its data leaves the finished cells of the store alone."""
    assert world.run("--seeds", "1") == 0
    before = {p: p.read_bytes() for p in world.store.glob("cells/??/*/*")}
    (world.data / "mvtec_ad/bottle/test/good/000.png").write_bytes(b"")
    assert world.run("--seeds", "1") == 2
    assert before == {p: p.read_bytes() for p in world.store.glob("cells/??/*/*")}


@pytest.mark.parametrize("option", ["--store", "--out"])
def test_folder_that_cannot_be_written_is_refused_first(world, option):
    """A file in the way of a folder is reported before anything is computed."""
    (world.root / "file").write_text("mine")
    assert world.run(option, world.root / "file" / "sub") == 2
    assert_refused(world, option, "file")
    assert (world.root / "file").read_text() == "mine"


def test_unknown_key_in_a_target_is_file_and_line(world):
    """A paper of one's own with a misspelt key: file, line and the nearest valid key."""
    papers = world.root / "papers" / "mine"
    papers.mkdir(parents=True)
    (papers / "paper.toml").write_text('titel = "Mine"\nshort = "Mine 2026"\n')
    (papers / "t.toml").write_text('title = "x"\n')
    assert world.reproduce("mine/t", "--papers", world.root / "papers", *world.places) == 2
    assert_refused(world, ".toml:1", "titel", "title")


def test_store_commands_need_a_store(world):
    """Looking into a folder that is no store says so."""
    for command in (("status",), ("export",), ("explain", "x")):
        assert world.reproduce(*command, "--store", world.store) == 2
        assert_refused(world, "not a result store")


def test_debug_shows_the_traceback():
    """``--debug`` raises instead of printing a line, wherever it stands."""
    with pytest.raises(UsageError):
        invoke(["run", "--debug"])


def test_every_error_class_has_an_exit_code():
    """Each class of the tree ends the command with 1, 2 or a signal's code."""
    todo, seen = [AdreproError], set()
    while todo:
        cls = todo.pop()
        seen.add(cls.__name__)
        todo += cls.__subclasses__()
        assert cls.exit_code in {1, 2, 143}
    assert {"UsageError", "StoreError", "ContractError"} <= seen


def test_help_imports_nothing_heavy():
    """``reproduce --help`` names every command without torch, pandas or matplotlib."""
    script = (
        "import sys; from adrepro.harness.cli import invoke; invoke(['--help']);"
        "heavy = {'torch', 'pandas', 'matplotlib', 'numpy', 'timm', 'rich'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for name in (*COMMANDS, "table1"):
        assert name in done.stdout


def test_every_command_has_help(world):
    """Each command explains itself and exits with 0."""
    for name in (*COMMANDS, "table1"):
        assert world.reproduce(name, "--help") == 0
        assert "Usage: reproduce" in world.stdout


def test_category_that_is_not_on_disk_is_told_from_an_unknown_one(world):
    """A published category that this copy lacks is not called unknown."""
    arguments = ("run", "-m", "patchcore", "-d", f"mvtec_ad={world.data}/mvtec_ad", "--dry-run")
    assert world.reproduce(*arguments, "-c", "zipper") == 2
    assert "category 'zipper' of mvtec_ad is not on disk" in world.stderr
    assert world.reproduce(*arguments, "-c", "ziper") == 2
    assert "unknown category 'ziper'" in world.stderr


def test_unknown_device_is_not_a_missing_one(world):
    """A word that is no device gets the list of devices."""
    arguments = ("run", "-m", "patchcore", "-d", "mvtec_ad", "--device", "gpu", "--dry-run")
    assert world.reproduce(*arguments) == 2
    assert "--device gpu: unknown device; expected cpu, cuda, cuda:N or auto" in world.stderr
