"""The tidy frame: one row per cell, the same columns in the same order always."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .fingerprint import fingerprint
from .store import Record, Status, Store

if TYPE_CHECKING:
    import pandas as pd

IDENTITY_COLUMNS = (
    "paper_target", "dataset", "category", "noise", "noise_effective", "protocol", "seed",
    "method", "backbone", "weights", "image_size", "n_train", "n_train_noisy", "n_test_good",
    "n_test_anomalous", "status",
)  # fmt: skip
METRIC_COLUMNS = (
    "image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "aupro", "precision", "recall", "f1",
    "f1_max", "precision_f1max", "recall_f1max", "precision_balanced", "recall_balanced",
    "f1_balanced", "f1_max_balanced", "removal_precision", "removal_recall", "removed",
    "threshold", "tuning_s", "fit_s", "score_ms_per_image", "latency_ms", "features_s",
    "peak_memory_mb",
)  # fmt: skip
OTHER_COLUMNS = (
    "device", "device_name", "exclusive", "fit_shared", "stacked", "key", "settings", "tuned",
    "tuning_alone",
    "evaluation", "fingerprint", "source", "synthetic", "warnings", "error",
)  # fmt: skip
# Digits of a hash that people compare.
SHORT = 12
COLUMNS = (*IDENTITY_COLUMNS, *METRIC_COLUMNS, *OTHER_COLUMNS)


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a frame with exactly `COLUMNS`; metrics are float64 fractions, NaN = undefined."""
    import pandas as pd

    named = [dict(row) | {"fingerprint": _fingerprint(row)} for row in rows]
    frame = pd.DataFrame(named).reindex(columns=list(COLUMNS))
    frame["warnings"] = [
        "; ".join(value) if isinstance(value, list) else "" for value in frame["warnings"]
    ]
    frame["error"] = frame["error"].fillna("").astype(str)
    floats = ["noise", "noise_effective", *METRIC_COLUMNS]
    # Cells that are not done have none of these: null, not 0 and not False.
    kinds = {"stacked": "Int64", "fit_shared": "boolean"}
    return frame.astype(dict.fromkeys(floats, "float64") | kinds)


def _fingerprint(row: Mapping[str, Any]) -> str | None:
    """Return the protocol fingerprint of a finished row; nothing else was measured."""
    known = row.get("status") == Status.DONE.value
    return fingerprint(row) if known else None


def store_frame(store: Store) -> pd.DataFrame:
    """Return one row per cell of a store: done, failed and damaged ones alike."""
    rows = []
    for key in store:
        record = store.read(key)
        if record.status is not Status.PENDING:
            rows.append(record_row(record))
    return to_frame(rows)


def record_row(record: Record) -> dict[str, Any]:
    """Return the row of one cell as the store holds it."""
    cell = dict((record.document or {}).get("cell", {}))
    named = {name: cell[name] for name in cell if name in COLUMNS}
    state = {"status": record.status.value, "error": record.reason, "key": record.key}
    hashes = (record.document or {}).get("hashes", {})
    return named | dict(record.row or {}) | state | origin(hashes)


def origin(hashes: Mapping[str, str]) -> dict[str, Any]:
    """Return what a key's hashes tell of who made a cell's scores.

    Returns
    -------
    dict
        ``source``, the beginning of the hash of the method's source, None where the scores came
        from a file; ``made_elsewhere``, whether they did.
    """
    return {
        "source": (hashes.get("method") or "")[:SHORT] or None,
        "made_elsewhere": "scores" in hashes,
    }
