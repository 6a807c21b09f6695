"""Settings of engines, and what a process is given of a GPU."""

import os
import re
import sys
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.errors import MissingExtraError, UnknownNameError, UsageError
from adrepro.harness.engines import ray, ray_runtime
from adrepro.harness.engines.base import EngineOptions
from adrepro.harness.engines.ray_packing import CONTEXT_MB, MOST, Packing
from adrepro.harness.engines.ray_runtime import Needs, RaySettings, require_ray
from adrepro.harness.engines.settings import own_search_path
from adrepro.harness.engines.slurm import SlurmSettings
from conftest import TESTS


def test_settings_are_parsed_by_type():
    """Dashes or underscores, numbers and yes or no; what is not given has its default."""
    found = RaySettings.parse({"gpu-fraction": "0.5", "timing": "yes", "retries": "3"})
    assert found == RaySettings(gpu_fraction=0.5, timing=True, retries=3)
    assert SlurmSettings.parse({"memory_gb": "1.5"}).memory_gb == 1.5


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ({"gpu-fraction": "1.5"}, "expected at least 0 and at most 1"),
        ({"gpu-fraction": "half"}, "expected a number"),
        ({"gpu-fraction": "nan"}, "expected at least 0 and at most 1"),
        ({"cpus": "0"}, "expected above 0"),
        ({"retries": "1.0"}, "expected a whole number"),
        ({"timing": "perhaps"}, "expected yes or no"),
    ],
)
def test_impossible_setting_is_one_line(given_, expected):
    """Key, value and what would be possible are named."""
    ((key, value),) = given_.items()
    with pytest.raises(UsageError, match=f"--engine-option {key}={value}: {expected}"):
        RaySettings.parse(given_)


@pytest.mark.parametrize("kind", [RaySettings, SlurmSettings])
def test_unknown_setting_names_the_nearest(kind):
    """A slip of one letter is told; every field of an engine has a default."""
    name = fields(kind)[1].name
    with pytest.raises(UnknownNameError, match=f"did you mean {name.replace('_', '-')}"):
        kind.parse({name[:-1]: "1"})
    assert kind.parse({}) == kind()


@pytest.mark.parametrize("text", ["gpu-fraction", "=1"])
def test_option_without_a_value_is_refused(world, text):
    """--engine-option wants key=value."""
    assert world.run("--engine", "ray", "--engine-option", text) == 2
    assert f"--engine-option {text}: expected key=value" in world.stderr


def test_without_ray_one_line_says_what_to_install(monkeypatch, tmp_path):
    """The extra is named before anything is asked of it."""
    monkeypatch.setattr(ray_runtime.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'adrepro[ray]'")):
        require_ray()
    with pytest.raises(MissingExtraError):
        ray.run_tasks((), EngineOptions(cache=tmp_path), print)


def test_method_has_a_gpu_for_itself_until_it_is_measured():
    """The first cells are alone; then as many share a GPU as their memory, and a margin, allow."""
    packing = Packing()
    packing.device_mb = 24_000.0
    assert packing.share("a") == 1.0
    packing.measured("a", {"peak_memory_mb": 4_000.0}, needed=1.0)
    assert packing.share("a") == 0.25  # 4 × (1.25 · 4000 + 1000) = 24 000
    assert packing.share("b") == 1.0


def test_method_that_needs_more_is_given_more():
    """A later, larger cell widens the share; a smaller one never narrows it again."""
    packing = Packing()
    packing.device_mb = 24_000.0
    for peak, share in ((4_000.0, 0.25), (12_000.0, 1.0), (100.0, 1.0)):
        packing.measured("a", {"peak_memory_mb": peak}, needed=packing.share("a"))
        assert packing.share("a") == share


def test_nothing_is_packed_without_a_measurement():
    """A row or a device without memory, or a wish for times, leaves a GPU to each process."""
    packing = Packing()
    packing.measured("a", {"peak_memory_mb": 10.0}, needed=1.0)
    packing.device_mb = 24_000.0
    packing.measured("a", {}, needed=1.0)
    assert packing.share("a") == 1.0
    assert Packing(0.3, whole=True).share("a") == 1.0
    assert Packing(0.3).share("a") == 0.3


@given(peak=st.floats(0.1, 1e6), device=st.floats(1_000, 2e5))
def test_shares_of_a_gpu_fit_into_it(peak, device):
    """As many processes as shares fit together: neither shares nor memory exceed the GPU."""
    packing = Packing()
    packing.device_mb = device
    packing.measured("a", {"peak_memory_mb": peak}, needed=1.0)
    share = packing.share("a")
    together = int(1 / share + 1e-9)
    assert 1 <= together <= MOST + 1
    assert together * share <= 1 + 1e-9
    if round(1 / share) > 1:
        assert round(1 / share) * (peak + CONTEXT_MB) <= device


@given(cpus=st.floats(0.1, 8), gpus=st.floats(0, 1), have=st.floats(0, 16))
def test_needs_fit_exactly_where_nothing_is_overdrawn(cpus, gpus, have):
    """What fits leaves no negative rest, what does not would."""
    needs = Needs(cpus=cpus, gpus=gpus, timing=False)
    rest = needs.taken_from({"CPU": have, "GPU": have})
    assert needs.fits({"CPU": have, "GPU": have}) == (min(rest["CPU"], rest["GPU"]) >= -1e-6)


def test_search_path_of_other_machines_leaves_out_what_is_installed(monkeypatch):
    """Only what was added beyond the installation is handed on: a plug-in's folder, say."""
    monkeypatch.syspath_prepend(str(TESTS))
    found = own_search_path()
    assert str(TESTS) in found
    assert os.path.dirname(os.__file__) not in found
    assert not [path for path in found if path.startswith(sys.prefix + os.sep)]


def test_engines_without_settings_refuse_them(world):
    """The local engine has no --engine-option: what is given for nothing is an error, not lost."""
    assert world.run("--engine-option", "gpus=2") == 2
    assert "--engine-option gpus: --engine local has none" in world.stderr
