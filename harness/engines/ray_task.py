"""What runs inside Ray: a batch of cells in a task, and the mailbox through which it tells."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...datasets.errors import StoreError, UsageError
from ..store import Store
from .base import EngineOptions, Event, Job
from .elsewhere import Trace, claim_key, news

Message = tuple[int, str, int, float, str]


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What a batch returns: how each task ended, and why the store could not be written."""

    events: list[tuple[str, int, str]] = field(default_factory=list)
    fatal: str = ""


def run_batch(
    number: int,
    tasks: Sequence[Job],
    traces: Sequence[Trace],
    options: EngineOptions,
    folder: str,
    mail: Any,
) -> Outcome:
    """Run a batch by the local engine in this process's child; the body of a Ray task.

    Parameters
    ----------
    number
        Of the batch, for its messages.
    tasks, traces
        What to run, and what lay in the store of each when the batch was first submitted: what
        an earlier start of this batch has published since is not run again.
    options
        For one process on the one device that Ray shows.
    folder
        Working folder of the driver: plug-ins and settings may hold relative paths.
    mail
        Handle of the mailbox.

    Raises
    ------
    UsageError
        This machine does not see the driver's folders.
    """
    from .local import run_tasks

    with contextlib.suppress(OSError):
        os.chdir(folder)
    if not os.path.isdir(tasks[0].store):
        raise UsageError(f"{os.uname().nodename} does not see the store {tasks[0].store}")
    store, outcome, left = Store(tasks[0].store), Outcome(), []
    names = {claim_key(task): i for i, task in enumerate(tasks)}

    def tell(event: Event) -> None:
        i = names[claim_key(event.task)]
        if event.kind in {"done", "failed"}:
            outcome.events.append((event.kind, i, event.text))
        mail.put.remote((number, event.kind, i, event.fraction, event.text))

    for task, before in zip(tasks, traces, strict=True):
        event = news(store, task, before)
        tell(event) if event else left.append(task)
    if options.devices[0].startswith("cuda"):
        mail.put.remote((number, "memory", 0, 0.0, str(_device_mb())))
    try:
        run_tasks(left, options, tell)
    except StoreError as err:
        outcome.fatal = str(err)
    return outcome


def _device_mb() -> float:
    """Return the memory of the GPU that this process sees, in MB (10^6 bytes)."""
    import torch

    return torch.cuda.get_device_properties(0).total_memory / 1e6


def mailbox_class(ray: Any, node: str) -> Any:
    """Return the mailbox as a Ray actor on machine ``node``: it lives and dies with the driver."""
    where = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
    return ray.remote(num_cpus=0, scheduling_strategy=where)(Mailbox)


class Mailbox:
    """Keeps messages until the driver takes them."""

    def __init__(self) -> None:
        import asyncio

        self._queue: asyncio.Queue[Message] = asyncio.Queue()

    async def put(self, message: Message) -> None:
        """Add a message."""
        await self._queue.put(message)

    async def take(self) -> list[Message]:
        """Wait for a message; return all that are there."""
        messages = [await self._queue.get()]
        while not self._queue.empty():
            messages.append(self._queue.get_nowait())
        return messages
