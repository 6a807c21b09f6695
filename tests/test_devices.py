"""Which device computes, and what is said where that is not the one that seems to be there."""

import pytest

from adrepro.datasets.errors import UsageError
from adrepro.harness import devices
from adrepro.harness.devices import device_note, resolve_device, resolve_devices

ONE = ("-c", "bottle", "--noise", "0", "--seeds", "1", "--jobs", "1", "--device", "auto")
TOO_OLD = (
    "The NVIDIA driver on your system is too old (found version 11040).\nPlease update your GPU "
    "driver by downloading and installing a new version from the URL: http://www.nvidia.com"
)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Make this machine look as if it had a driver, a build and a GPU, each working or not."""
    import torch

    def look(*, driver=False, tool=False, build="13.2", error=None, gpus=0, mps=False) -> None:
        sign = tmp_path / "version"
        if driver:
            sign.write_text("NVRM version: 470")
        monkeypatch.setattr(devices, "DRIVER_FILES", (str(sign),))
        monkeypatch.setattr(devices.shutil, "which", lambda name: f"/bin/{name}" if tool else None)
        monkeypatch.setattr(torch.version, "cuda", build)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

        def init() -> None:
            if error:
                raise RuntimeError(error)

        monkeypatch.setattr(torch.cuda, "init", init)

    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return look


def note() -> str:
    return device_note("auto", resolve_devices("auto"))


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"driver": True, "error": TOO_OLD}, "there, but CUDA 13.2 cannot be used: The NVIDIA"),
        (
            {"tool": True, "error": "Found no NVIDIA driver"},
            "nvidia-smi is installed, but CUDA 13.2",
        ),
        ({"driver": True}, "CUDA 13.2 finds no GPU that it can use"),
        ({"driver": True, "build": None}, "was built without CUDA"),
        ({"mps": True}, "Apple's GPU (MPS) is not supported"),
    ],
    ids=["too old", "no driver", "no GPU", "build for CPUs", "Apple"],
)
def test_auto_says_why_a_gpu_is_not_used(machine, seen, said):
    """A driver that cannot be used, or a GPU that is not supported: the CPU, and why, in a line."""
    machine(**seen)
    assert resolve_devices("auto") == ("cpu",)
    assert note().startswith("computing on the CPU: ")
    assert said in note()
    assert "\n" not in note()
    assert "http" not in note()
    assert device_note("cpu", resolve_devices("cpu")) == "", "asked for by name"


@pytest.mark.parametrize("seen", [{}, {"build": None}, {"driver": True, "gpus": 2}])
def test_nothing_is_said_where_all_is_as_expected(machine, seen):
    """A machine without any GPU, with torch for CUDA or for CPUs, and one whose GPUs work."""
    machine(**seen)
    assert note() == ""


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_hidden_gpus_are_meant_to_be_hidden(machine, monkeypatch, hidden):
    """CUDA_VISIBLE_DEVICES that hides all is no fault; who asks for a GPU then is told of it."""
    machine(driver=True, error="No CUDA GPUs are available")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    assert note() == ""
    with pytest.raises(UsageError, match=r"no CUDA device .CUDA_VISIBLE_DEVICES hides all.; use"):
        resolve_device("cuda")


@pytest.mark.parametrize("text", ["cuda", "cuda:0", "cuda:1"])
def test_cuda_is_refused_with_the_reason(machine, text):
    """Asked for by name, a GPU whose driver is broken is refused in one line that says so."""
    machine(driver=True, error=TOO_OLD)
    with pytest.raises(UsageError, match=r"no CUDA device \(an NVIDIA driver .* too old") as error:
        resolve_devices(text)
    assert "\n" not in str(error.value)


def test_a_run_says_it_once(world, machine):
    """Once per run that computes something; not when there is nothing left to compute."""
    machine(driver=True, error=TOO_OLD)
    assert world.run(*ONE) == 0
    told = [line for line in world.stderr.splitlines() if "computing on the CPU" in line]
    assert told == [f"note: {note()}"]
    assert world.run(*ONE) == 0
    assert "computing on the CPU" not in world.stderr
