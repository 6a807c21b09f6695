"""What a tuning chose, as the store keeps it: ``tuning/<key>.json`` with its own checksum.

The key is the hash of everything the choice depends on, and it is part of the keys of the cells
that use it; so it is known before the tuning has run, and a cell never uses another's choice.
A file that is damaged counts as not there: the tuning runs again.
"""

from __future__ import annotations

import hashlib
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..datasets.errors import CellError, ContractError
from .cell import canonical_json
from .files import read_signed, write_signed

if TYPE_CHECKING:
    from ..methods.base import TuningResult
    from .store import Store

SCHEMA = 1
ORACLE_WARNING = "test labels were used for tuning: an upper bound, no result to compare with"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """A finished tuning.

    Attributes
    ----------
    document
        What it was for: method, settings, source and weights by hash, backbone, image size,
        dataset, noise level in percent, and per category the images it saw.
    chosen
        What the cells use, name → value.
    objective
        What was optimised, in words.
    trials
        One mapping per evaluation.
    seconds
        Wall time, without the time spent on computing shared features.
    device, device_name, env
        Where it ran; no names of people or machines and no paths.
    exclusive
        Whether nothing else ran beside it.
    """

    document: Mapping[str, Any]
    chosen: Mapping[str, float]
    objective: str
    trials: tuple[Mapping[str, float], ...]
    seconds: float
    device: str
    device_name: str
    env: Mapping[str, Any]
    exclusive: bool

    @property
    def key(self) -> str:
        """Return the key that the cells carry."""
        return tuning_key(self.document)

    @property
    def oracle(self) -> bool:
        """Whether test labels were used."""
        return bool(self.document["oracle"])

    def row(self, device_name: str) -> dict[str, Any]:
        """Return what the row of a cell says: seconds per category, and what was chosen.

        ``tuning_alone`` is whether those seconds were taken on the cell's own device with nothing
        beside them; a tuning may have been made by another run than the cell.
        """
        share = self.seconds / len(self.document["categories"])
        return {
            "tuning_s": round(share, 6),
            "tuning_alone": self.exclusive and self.device_name == device_name,
            "tuned": canonical_json(dict(self.chosen)),
        }

    def warnings(self) -> list[str]:
        """Return what the row of a cell has to warn of."""
        return [ORACLE_WARNING] if self.oracle else []


def tuning_key(document: Mapping[str, Any]) -> str:
    """Return the hexadecimal sha256 of a tuning's canonical JSON document."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def write_tuned(store: Store, tuned: Tuned) -> None:
    """Publish a finished tuning, whole or not at all; the first one stays.

    Another device, or another run at the same time, may choose otherwise: cells that have used
    the first choice must not be joined by cells that use another.

    Raises
    ------
    StoreError
        The store cannot be written.
    """
    if read_tuned(store, tuned.key) is not None:
        return
    body = {name: getattr(tuned, name) for name in Tuned.__slots__}
    write_signed(_path(store, tuned.key), body | {"key": tuned.key, "trials": list(tuned.trials)})


def read_tuned(store: Store, key: str) -> Tuned | None:
    """Return a finished tuning; None where there is none, or none that can be believed."""
    try:
        body = read_signed(_path(store, key), key)
        tuned = Tuned(**{name: body[name] for name in Tuned.__slots__})
    except (ValueError, KeyError):
        return None
    return tuned if tuned.key == key else None


def require_tuned(store: Store, key: str) -> Tuned:
    """Return a finished tuning that a cell needs.

    Raises
    ------
    CellError
        There is none.
    """
    tuned = read_tuned(store, key)
    if tuned is None:
        raise CellError(
            f"the tuning {key[:16]} that this cell needs is not in the store; "
            "run the same command again to tune"
        )
    return tuned


def _path(store: Store, key: str) -> Any:
    return store.tuning / f"{key}.json"


def checked_result(result: Any) -> TuningResult:
    """Return what ``Method.tune`` found as plain values that JSON can hold.

    Raises
    ------
    ContractError
        Wrong type, nothing tried, or a value that is no finite number; one line with its name.
    """
    from ..methods.base import TuningResult

    if not isinstance(result, TuningResult):
        raise ContractError(
            f"tune returned {type(result).__name__}, expected adrepro.methods.base.TuningResult"
        )
    if not isinstance(result.objective, str) or not result.objective:
        raise ContractError("tune: TuningResult.objective is empty, expected words")
    if not result.trials:
        raise ContractError("tune: TuningResult.trials is empty, expected one per evaluation")
    return TuningResult(
        chosen=_numbers(result.chosen, "chosen"),
        objective=result.objective,
        trials=tuple(_numbers(trial, f"trials[{i}]") for i, trial in enumerate(result.trials)),
    )


def _numbers(values: Any, what: str) -> dict[str, float]:
    if not isinstance(values, Mapping):
        raise ContractError(
            f"tune: TuningResult.{what} is {type(values).__name__}, expected a mapping of numbers"
        )
    plain: dict[str, float] = {}
    for name, value in values.items():
        if not isinstance(value, numbers.Real) or not math.isfinite(value):
            raise ContractError(
                f"tune: TuningResult.{what}[{name!r}] is {value!r}, expected a finite number"
            )
        # NumPy's numbers are no JSON; a whole number stays one.
        plain[str(name)] = int(value) if isinstance(value, numbers.Integral) else float(value)
    return plain
