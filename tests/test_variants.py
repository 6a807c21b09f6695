"""A method's variants: names for settings that its paper compares."""

import json

import pytest

from adrepro.datasets.errors import UnknownNameError, UsageError
from adrepro.harness.commands.show import changed_settings
from adrepro.harness.commands.show import method_info as shown_info
from adrepro.harness.frames import store_frame
from adrepro.harness.grid import Grid, plan_methods
from adrepro.harness.store import Store
from adrepro.methods.registry import method_class, method_info, split_variant
from adrepro.methods.settings import make_settings, preset_image_size
from toys import Variants

NAME = "toys:Variants"
REDUCED = "toys:Reduced"
ONE = ("-c", "bottle", "--seeds", "1", "--noise", "0")


def planned(*names: str, overrides: dict[str, str] | None = None, preset: str = "paper", **more):
    """Return name → plan of the method."""
    grid = Grid(
        target="run", datasets=("mvtec_ad",), categories=None, methods=names, noise=(0.0,), seeds=1,
        preset=preset, overrides=overrides or {}, **more,
    )  # fmt: skip
    return {method.name: method for method in plan_methods(grid)}


def test_a_variant_leads_to_its_class():
    """``name@variant`` gives the method's class; the two parts come apart again."""
    assert method_class(f"{NAME}@linear") is Variants
    assert split_variant(f"{NAME}@linear") == (NAME, "linear")
    assert split_variant("patchcore") == ("patchcore", "")


@pytest.mark.parametrize(
    ("name", "error", "said"),
    [
        (f"{NAME}@liner", UnknownNameError, "did you mean linear"),
        (f"{NAME}@", UsageError, "behind the @"),
        ("toys:PixelMean@linear", UsageError, "toy-pixel-mean has no variants"),
        ("pachcore@x", UnknownNameError, "did you mean patchcore"),
    ],
)
def test_wrong_variants_are_one_line(name, error, said):
    """A slip in the name of a variant is answered with the nearest one."""
    with pytest.raises(error, match=said) as caught:
        method_class(name)
    assert "\n" not in str(caught.value)


def test_order_of_settings():
    """Defaults yield to the preset, the preset to the variant, the variant to ``--set``."""
    assert make_settings(Variants)[0].power == 2
    assert make_settings(Variants, "quick")[0].power == 3
    both = make_settings(Variants, "quick", variant="linear")[0]
    assert (both.power, both.names) == (1, ("quick",))
    assert make_settings(Variants, "quick", {"power": "5"}, variant="linear")[0].power == 5


@pytest.mark.parametrize(
    ("preset", "variant", "power", "size"),
    [
        ("paper", "", 2, 32),
        ("paper", "long", 9, 64),
        ("quick", "", 3, 48),
        ("quick", "long", 5, 48),
        ("demo", "", 4, 32),
        ("demo", "long", 9, 64),
    ],
)
def test_a_variant_reduced_by_its_own_word(preset, variant, power, size):
    """What a variant says of a preset wins over its settings; a preset's size wins over its own."""
    name = f"{REDUCED}@{variant}" if variant else REDUCED
    plan = planned(name, preset=preset)[name]
    assert (plan.settings.power, plan.image_size) == (power, size)
    assert plan.settings.names == (("long",) if variant else ())
    given = planned(name, preset=preset, overrides={f"{REDUCED}.power": "7"}, image_size=40)[name]
    assert (given.settings.power, given.image_size) == (7, 40)


def test_reductions_of_a_variant_are_departures():
    """Its own preset is named as changed; its size is what the method's paper size is for it."""
    plan = planned(f"{REDUCED}@long", preset="quick")[f"{REDUCED}@long"]
    assert changed_settings(plan) == ["power 5 instead of 9"]
    assert shown_info(plan).paper_image_size == 64
    assert shown_info(planned(REDUCED)[REDUCED]).paper_image_size == 32


@pytest.mark.parametrize("preset", ["quick", "demo"])
def test_presets_reduce_glass_of_the_study_as_much(preset):
    """Under a preset glass@saha trains as long and on the same images as GLASS itself."""
    glass = method_class("glass")
    own, variant = (make_settings(glass, preset, variant=name)[0] for name in ("", "saha"))
    assert (variant.epochs, variant.image_limit) == (own.epochs, own.image_limit)
    assert variant.epochs < 100
    assert variant.hypothesis == "manifold"
    assert preset_image_size(glass, preset, "saha") == preset_image_size(glass, preset)


def test_a_variant_cannot_reduce_for_a_preset_that_its_method_lacks():
    """A slip in a preset's name is refused, and not just without effect."""
    with pytest.raises(UnknownNameError, match="preset of toy-wrong-preset 'quick'"):
        make_settings(method_class("toys:WrongPreset@x"), variant="x")


def test_set_reaches_a_method_with_all_its_variants():
    """``--set name`` means the method and its variants, ``--set name@variant`` that one only."""
    given = {f"{NAME}.power": "7", f"{NAME}@linear.power": "9"}
    methods = planned(NAME, f"{NAME}@linear", f"{NAME}@same", overrides=given)
    found = {name: method.settings.power for name, method in methods.items()}
    assert found == {NAME: 7, f"{NAME}@linear": 9, f"{NAME}@same": 7}
    assert planned(f"{NAME}@linear", overrides={f"{NAME}.power": "7"})[f"{NAME}@linear"].settings
    with pytest.raises(UnknownNameError, match="method in --set"):
        planned(NAME, overrides={f"{NAME}@linear.power": "9"})


def test_plan_of_a_variant():
    """Name and title are the variant's, the base name goes into the key."""
    (method,) = planned(f"{NAME}@linear").values()
    assert (method.name, method.base, method.title) == (
        f"{NAME}@linear",
        NAME,
        "Linear distance",
    )


def test_what_a_variant_changes_is_no_departure():
    """Only settings that differ from the variant's own are named as changed."""
    methods = planned(NAME, f"{NAME}@linear", overrides={f"{NAME}@linear.names": "x"})
    assert changed_settings(methods[NAME]) == []
    assert changed_settings(methods[f"{NAME}@linear"]) == ["names x instead of "]
    quick = planned(NAME, f"{NAME}@linear", preset="quick")
    assert changed_settings(quick[NAME]) == ["names quick instead of ", "power 3 instead of 2"]
    assert changed_settings(quick[f"{NAME}@linear"]) == ["names quick instead of "]


def test_equal_settings_are_run_once_and_shown_twice(world):
    """A variant that comes to the defaults shares the method's cells under its own name."""
    assert world.run(*ONE, method=f"{NAME},{NAME}@linear,{NAME}@same") == 0
    assert "2 cells: 0 in the store, 2 to run" in world.stderr
    assert "2 cells: 2 done" in world.stdout
    page = (world.out / "run.html").read_text()
    assert all(title in page for title in ("Variants", "Linear distance", "The same again"))
    rows = [line.split(",") for line in (world.out / "run.csv").read_text().splitlines()]
    values: dict[str, list] = {}
    for row in rows[1:]:
        values.setdefault(row[rows[0].index("method")], []).append(row[rows[0].index("mean")])
    assert values[NAME] == values[f"{NAME}@same"]
    assert f"{NAME}@linear" in values
    assert set(store_frame(Store(world.store))["method"]) == {NAME}


def test_a_variant_finds_the_cells_of_equal_settings(world):
    """What ``--set`` made is found by the variant that means the same, and told by its name."""
    assert world.run(*ONE, "--set", f"{NAME}.power=1", method=NAME) == 0
    assert world.run(*ONE, method=f"{NAME}@linear") == 0
    assert "to run" not in world.stderr
    again = ("why", "linear/mvtec_ad/bottle", "-m", f"{NAME},{NAME}@linear", "-d", "mvtec_ad")
    assert world.reproduce(*again, *world.places, "--seeds", "1", "-c", "bottle") == 0
    assert world.stdout.startswith(f"{NAME}@linear/mvtec_ad/bottle/noise0/seed0")
    assert world.stdout.rstrip().endswith("done")
    all_of_them = ("why", "bottle", *again[2:])
    assert world.reproduce(*all_of_them, *world.places, "--seeds", "1", "-c", "bottle") == 0
    assert "never run" in world.stdout.splitlines()[0]


def test_failure_names_the_variant(world):
    """A failed cell is reported under the name that was asked for."""
    broken = f"{NAME}@linear.power=-1000"
    assert world.run(*ONE, "--set", broken, method=f"{NAME}@linear") == 1
    assert f"failed {NAME}@linear/mvtec_ad/bottle/noise0/seed0" in world.stderr


def test_listing_shows_variants(world):
    """The listing has every variant with its title and settings."""
    shown = method_info(Variants, NAME).variants
    assert shown["linear"] == {
        "title": "Linear distance",
        "settings": {"power": 1.0},
        "presets": {},
        "image_size": 32,
    }
    assert world.reproduce("methods", "list", "--json") == 0
    listed = {info["name"]: info["variants"] for info in json.loads(world.stdout)}
    assert listed["simplenet"]["saha"]["image_size"] == 256
    assert set(listed["simplenet"]["saha"]["presets"]) == {"quick", "demo"}
    assert world.reproduce("methods", "list") == 0
    text = " ".join(world.stdout.split())
    assert "quick: epochs" in text
    assert "demo: epochs" in text


def test_check_runs_on_a_variant(world):
    """The contract tests run with the variant's settings and say so."""
    assert world.reproduce("methods", "check", f"{NAME}@linear") == 0
    assert "variant linear" in world.stdout


@pytest.mark.parametrize("name", ["simplenet", "glass"])
def test_departures_hold_for_variants_of_another_size(name):
    """They are printed with every variant: none says that images are squashed to one's pixels."""
    cls = method_class(name)
    sizes = {preset_image_size(cls, "paper", variant) for variant in ("", *cls.variants)}
    assert len(sizes) > 1
    for sentence in cls.departures:
        assert not any(f"{size} pixels" in sentence for size in sizes), sentence
