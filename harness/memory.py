"""Peak memory of a phase, on the device that did the work."""

from __future__ import annotations

import contextlib
from types import TracebackType


class PeakMemory:
    """Context manager that measures peak memory: of the process on CPU, allocated on CUDA.

    On Linux the process's high-water mark is reset on entry, so that a cell is not charged with
    an earlier one's peak (what stays in memory for the next cells does count: features, decoded
    pixels, kept forward passes); elsewhere the
    mark since the process started is reported.

    Attributes
    ----------
    megabytes
        Peak in MB (10^6 bytes) after exit.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self.megabytes = 0.0

    def __enter__(self) -> PeakMemory:
        if self._device.startswith("cuda"):
            import torch

            torch.cuda.reset_peak_memory_stats(self._device)
        else:
            with contextlib.suppress(OSError), open("/proc/self/clear_refs", "w") as handle:
                handle.write("5")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.megabytes = peak_megabytes(self._device)


def peak_megabytes(device: str) -> float:
    """Return the peak in MB since it was last reset."""
    if device.startswith("cuda"):
        import torch

        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    return round(_process_peak_bytes() / 1e6, 1)


def _process_peak_bytes() -> int:
    """Return the high-water mark of the resident set."""
    with contextlib.suppress(OSError), open("/proc/self/status", encoding="ascii") as handle:
        for line in handle:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import psutil

    info = psutil.Process().memory_info()
    return int(getattr(info, "peak_wset", info.rss))
