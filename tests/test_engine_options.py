"""Every option of a run is followed by its engine, or refused in one line: none is ignored."""

from itertools import product

import pytest

from adrepro.datasets.errors import UsageError
from adrepro.harness.commands import running
from adrepro.harness.commands.asked import check_engine
from adrepro.harness.commands.options import OPTIONS, Options
from adrepro.harness.engines import slurm
from adrepro.harness.engines.base import ENGINES
from adrepro.harness.engines.slurm import SlurmSettings
from adrepro.harness.plan import make_plan
from adrepro.harness.requests import read_request, write_request
from adrepro.harness.store import Store

GIVEN = {
    "--jobs": {"jobs": 3},
    "--device cpu": {"device": "cpu"},
    "--device cuda": {"device": "cuda"},
    "--device cuda:1": {"device": "cuda:1"},
    "--stack": {"stack": "on"},
    "--timeout": {"timeout": 60.0},
    "--fail-fast": {"fail_fast": True},
    "--max-failures": {"max_failures": 2},
    "--engine-option": {"engine_settings": {"cpus": "2"}},
}
SOME_SETTINGS = {"ray": {"address": "auto"}, "slurm": {"gpus": "1"}}
# What each engine follows; with settings, those of `SOME_SETTINGS`. All else it refuses.
LIMITS = {"--timeout", "--fail-fast", "--max-failures"}
FOLLOWED = {
    ("local", False): {*GIVEN} - {"--engine-option"},
    ("worker", False): LIMITS,
    ("ray", False): {*GIVEN} - {"--device cuda:1"},
    ("ray", True): {*GIVEN} - {"--device cuda:1", "--jobs"},
    ("slurm", False): {*LIMITS, "--stack", "--device cpu", "--engine-option"},
    ("slurm", True): {*LIMITS, "--stack", "--device cuda", "--engine-option"},
}


@pytest.fixture
def options_of(world, monkeypatch):
    """Return options as the command line gives them."""
    monkeypatch.setattr(running, "resolve_devices", lambda text: (text,))

    def made(**given) -> Options:
        values = dict.fromkeys(Options.__slots__)
        values |= {
            "preset": "paper", "methods": ("toys:PixelMean",), "datasets": ("mvtec_ad",),
            "categories": ("bottle",), "noise": (0.0,), "seeds": 1, "protocols": ("fixed-test",),
            "overrides": {}, "device": "auto", "stack": "auto", "engine": "local",
            "engine_settings": {}, "fail_fast": False, "per_image_minmax": False, "papers": (),
            "dry_run": False, "keep_maps": False, "quiet": True, "data_root": world.data,
            "store": world.store, "out": world.out,
        }  # fmt: skip
        return Options(**(values | given))

    return made


@pytest.mark.parametrize(("engine", "option"), list(product(FOLLOWED, GIVEN)))
def test_option_is_followed_or_refused(options_of, world, engine, option):
    """Alone, and beside settings of the engine: it arrives, or one line names it."""
    name, with_settings = engine
    if name in SOME_SETTINGS:
        pytest.importorskip({"ray": "ray", "slurm": "submitit"}[name])
    given = dict(GIVEN[option])
    if with_settings:
        given["engine_settings"] = SOME_SETTINGS[name] | given.get("engine_settings", {})
    options = options_of(engine=name, **given)
    if option not in FOLLOWED[engine]:
        with pytest.raises(UsageError) as caught:
            check_engine(options)
        said = str(caught.value)
        assert said.startswith(option.split()[0])
        assert name in said or "cluster" in said
        assert "\n" not in said
        return
    how = running.engine_options(options, Store(world.store, create=True))
    assert arrived(option, options, how, name), how


def arrived(option: str, options: Options, how, engine: str) -> bool:
    """Say whether what was given is in what the engine, or the workers it starts, is given."""
    workers = [] if engine != "slurm" else slurm_command(options, how)
    match option:
        case "--jobs":
            return how.jobs == 3
        case "--device cpu" | "--device cuda" | "--device cuda:1" if engine == "slurm":
            return workers[workers.index("--device") + 1] == options.device
        case "--device cpu" | "--device cuda:1":
            return how.devices == (options.device,)
        case "--device cuda":
            return how.devices[0].startswith("cuda")
        case "--stack" if engine == "slurm":
            return workers[workers.index("--stack") + 1] == "on"
        case "--stack":
            return how.stack > 1
        case "--timeout":
            return how.timeout_s == 60.0
        case "--fail-fast":
            return how.max_failures == 1
        case "--max-failures":
            return how.max_failures == 2
    return how.settings == options.engine_settings


def slurm_command(options: Options, how) -> list[str]:
    """Return the command line of the workers that the array starts."""
    settings = SlurmSettings.parse(options.engine_settings)
    return list(slurm._command(settings, Store(options.store), how))


def test_time_limit_and_maps_travel_with_a_request(options_of, world):
    """What workers learn from the store instead of their command line: --timeout, --keep-maps."""
    options = options_of(engine="worker", timeout=60.0, keep_maps=True)
    store = Store(world.store, create=True)
    made = make_plan(options.grid(target="run"), data_root=world.data, cache=None)
    key = write_request(store, made, keep_maps=options.keep_maps, timeout_s=options.timeout)
    request = read_request(store, key)
    assert request is not None
    assert (request.timeout_s, request.keep_maps) == (60.0, True)


def test_table_is_complete():
    """An option or engine that is added has to be thought of here."""
    assert {engine for engine, _ in FOLLOWED} == set(ENGINES)
    names = {part for option in OPTIONS for part in option_names(option)}
    of_the_grid = {
        "--preset", "--methods", "--datasets", "--categories", "--noise", "--seeds", "--protocol",
        "--per-image-minmax", "--backbone", "--image-size", "--set", "--papers",
    }  # fmt: skip
    of_the_command = {"--store", "--out", "--dry-run", "--quiet", "--engine"}
    travelling = {"--data-root", "--weights", "--keep-maps"}  # see test_worker, test_engine_slurm
    thought_of = of_the_grid | of_the_command | travelling | {o.split()[0] for o in GIVEN}
    assert names == thought_of


def option_names(option) -> list[str]:
    """Return the first long name of an option that decorates a command."""

    def command() -> None: ...

    option(command)
    (made,) = command.__click_params__  # pyright: ignore[reportFunctionMemberAccess]
    return [next(name for name in made.opts if name.startswith("--"))]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--engine", "worker"), "--device cpu: --engine worker starts no process"),
        (("--engine", "slurm", "--jobs", "2"), "--jobs 2: --engine slurm has jobs of its own"),
        (("--engine", "slurm", "--engine-option", "gpus=1"), "--device cpu: --engine slurm"),
        (("--engine", "slurm", "--engine-option", "gpu=1"), "did you mean gpus"),
        (("--engine", "ray", "--engine-option", "cpus=0"), "expected above 0"),
        (("--engine", "local", "--engine-option", "cpus=1", "--dry-run"), "local has none"),
    ],
)
def test_command_refuses_before_anything_is_made(world, arguments, said):
    """Exit code 2, one line, and neither a scan nor a store, on a dry run too."""
    pytest.importorskip("ray")
    pytest.importorskip("submitit")
    assert world.run(*arguments) == 2
    assert said in world.stderr
    assert len(world.stderr.strip().splitlines()) == 1
    assert not world.store.exists()
