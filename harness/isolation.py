"""Keep what a method does to its process from the cells that come after it in that process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..datasets.errors import ContractError
from .knobs import knobs

if TYPE_CHECKING:
    from ..methods.features import FeatureProvider

State = tuple[Any, ...]


def state_now() -> State:
    """Return the values of all `knobs` of this process."""
    return tuple(knob.read() for knob in knobs())


def put_back(state: State) -> None:
    """Give all knobs the values they had; one that cannot be put back keeps no other from it.

    Raises
    ------
    Exception
        What the last knob raised that could not be put back: the process is not as it was, and
        must not run another cell.
    """
    with contextlib.ExitStack() as after:
        for knob, value in reversed(list(zip(knobs(), state, strict=True))):
            after.callback(knob.put_back, value)


@contextlib.contextmanager
def own_state(features: FeatureProvider | None = None) -> Iterator[None]:
    """Put the process back afterwards: a worker runs many cells, a method may change anything.

    Parameters
    ----------
    features
        What the cell shares with others. Features are computed as if nothing had been changed, as
        other cells read them; a network that was changed is let go of, and is loaded anew.

    Raises
    ------
    ContractError
        Features are wanted of a network that the method has changed.
    """
    import torch

    before = state_now()
    with contextlib.ExitStack() as after:
        after.callback(put_back, before)
        # Gradient and inference modes are put back by this guard, also where a method has entered
        # one and not left it.
        after.enter_context(torch.inference_mode(mode=torch.is_inference_mode_enabled()))
        if features is not None:
            after.enter_context(_shared(features, before))
        yield


@contextlib.contextmanager
def _shared(features: FeatureProvider, before: State) -> Iterator[None]:
    """Guard what a provider shares between cells."""
    seen: list[State] = []

    def unchanged() -> bool:
        """Say whether the network is as it was when it was seen first."""
        network = features.loaded
        if network is None:
            return True
        seen.append(stamp(network.model))
        del seen[1:-1]
        return seen[0] == seen[-1]

    @contextlib.contextmanager
    def as_before() -> Iterator[None]:
        if not unchanged():
            raise ContractError(
                "the method has changed context.features.backbone, which other cells share; "
                "change a copy.deepcopy of it"
            )
        mine = state_now()
        put_back(before)
        try:
            yield
            unchanged()  # one that was loaded just now is seen before the method has it
        finally:
            put_back(mine)

    unchanged()
    features.guard = as_before
    try:
        yield
    finally:
        features.guard = contextlib.nullcontext
        if not unchanged():
            features.forget_backbone()


_HOOKS = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def stamp(model: Any) -> State:
    """Return what tells whether a network was changed in any ordinary way."""
    parts: list[Any] = []
    for module in model.modules():
        hooks = (len(getattr(module, name)) for name in _HOOKS)
        parts.append((id(module), module.training, *hooks))
        own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
        parts += [(id(t), t.data_ptr(), t._version, t.requires_grad) for t in own]
    return tuple(parts)
