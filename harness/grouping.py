"""In which order and company cells run: what shares features, a fit, or a training run.

From large to small: a *group* is what one worker process gets, cells that share frozen features; a
*stack* is those of a group that may be fitted together in one go; cells with one `training_key`
are fitted once and stand side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from .task import Task, training_key


def group_tasks(tasks: Sequence[Task], jobs: int, stack: int = 1) -> list[list[Task]]:
    """Put tasks that share features together, in chunks small enough to keep all jobs busy.

    Tasks that share a fit stand side by side and are never parted: a chunk may be longer for it.
    With ``stack`` above 1, so do those that may be fitted together; a chunk may part them. Without,
    a chunk has one seed.

    Returns
    -------
    list
        In the order in which they are to run: seed 0 of everything first, so that a table's columns
        fill evenly; of one seed the longest, which keeps the jobs evenly busy to the end.
    """
    chunk = max(1, -(-len(tasks) // max(1, jobs)))
    groups: list[list[Task]] = []
    for _, members in groupby(sorted(tasks, key=_order), key=_shared):
        units = sorted(by_training(members), key=lambda unit: _seed(unit[0]))
        if stack > 1:
            units.sort(key=lambda unit: tuple(map(str, stack_key(unit[0]))))
        room, last = 0, -1
        for unit in units:
            # Scores from files share nothing and cost nothing: a process per seed would.
            parted = stack == 1 and unit[0].scores is None and _seed(unit[0]) != last
            if room <= 0 or parted:
                groups.append([])
                room = chunk
            groups[-1] += unit
            room, last = room - len(unit), _seed(unit[0])
    return sorted(groups, key=lambda group: (min(map(_seed, group)), -len(group)))


def _seed(task: Task) -> int:
    return task.identity.cell.seed


def _shared(task: Task) -> tuple[Any, ...]:
    cell = task.identity.cell
    return (cell.method, cell.dataset, cell.category, cell.backbone, cell.image_size)


def _order(task: Task) -> tuple[str, ...]:
    return tuple(map(str, _shared(task)))


def by_training(tasks: Iterable[Task]) -> list[list[Task]]:
    """Put tasks with the same training set together, in the order of the first of each."""
    units: dict[str, list[Task]] = {}
    for task in tasks:
        units.setdefault(training_key(task), []).append(task)
    return list(units.values())


def stack_key(task: Task) -> tuple[Any, ...]:
    """Return what tasks must have in common to be fitted together.

    Noise level, seed and what tuning chose may differ.
    """
    hashes = task.identity.hashes
    of_method = (task.identity.cell.settings, hashes.get("method"), hashes.get("weights"))
    return (*_shared(task), *of_method, len(task.train), task.device)


def stacks_of(tasks: Sequence[Task], limit: int) -> list[list[Task]]:
    """Part a group's tasks, in their order, into what is fitted together.

    Parameters
    ----------
    tasks
        As `group_tasks` ordered them.
    limit
        Most training sets in a stack.

    Returns
    -------
    list
        Every task once. A list with one training set is fitted alone, as everything is whose
        method does not stack.
    """
    from ..methods.registry import method_class

    stacks: list[list[Task]] = []
    room, last = 0, None
    for unit in by_training(tasks):
        key = stack_key(unit[0])
        if room and key == last:
            stacks[-1] += unit
        else:
            stacks.append(list(unit))
            stacks_up = unit[0].scores is None and method_class(unit[0].method).stacks
            room = limit if stacks_up else 1
        room, last = room - 1, key
    return stacks
