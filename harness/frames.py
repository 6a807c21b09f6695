"""The tidy frame: one row per cell, the same columns in the same order always."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..datasets.plain import FORMULA
from .fingerprint import fingerprint
from .store import Record, Status, Store

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

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
    "peak_memory_mb", "wall_s", "batch_scale",
)  # fmt: skip
# How long it took and what it needed, which differs from run to run.
TIME_COLUMNS = (
    "tuning_s", "fit_s", "score_ms_per_image", "latency_ms", "features_s", "peak_memory_mb",
    "wall_s", "batch_scale",
)  # fmt: skip
OTHER_COLUMNS = (
    "device", "device_name", "exclusive", "fit_shared", "stacked", "key", "settings", "tuned",
    "tuning_alone",
    "evaluation", "fingerprint", "source", "synthetic", "warnings", "error",
)  # fmt: skip
FLOATS = ("noise", "noise_effective", *METRIC_COLUMNS)
INTEGERS = (
    "seed", "image_size", "n_train", "n_train_noisy", "n_test_good", "n_test_anomalous", "stacked",
)  # fmt: skip
BOOLEANS = ("exclusive", "fit_shared", "tuning_alone", "synthetic")
# Digits of a hash that people compare.
SHORT = 12
COLUMNS = (*IDENTITY_COLUMNS, *METRIC_COLUMNS, *OTHER_COLUMNS)


def to_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a frame with exactly `COLUMNS`; metrics are float64 fractions, NaN = undefined."""
    import pandas as pd

    return settle(pd.DataFrame(finish_rows(rows)).reindex(columns=list(COLUMNS)))


def finish_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their fingerprint, and with one text for their warnings and errors."""
    return [
        dict(row)
        | {
            "fingerprint": _fingerprint(row),
            "warnings": "; ".join(told) if isinstance(told := row.get("warnings"), list) else "",
            "error": row.get("error") or "",
        }
        for row in rows
    ]


def settle(frame: pd.DataFrame) -> pd.DataFrame:
    """Give each of the `COLUMNS` of a frame the type that its values ask for, however it was made.

    Counts are int64, or float64 with NaN where a cell has none; flags are bool, or objects with
    NaN; everything else that is no number is text.
    """
    import pandas as pd

    text = pd.StringDtype(na_value=float("nan"))
    # Cells that are not done have none of these: null, not 0 and not False.
    kinds: dict[str, Any] = dict.fromkeys(FLOATS, "float64")
    kinds |= {"stacked": "Int64", "fit_shared": "boolean"}
    kinds = {name: kind for name, kind in kinds.items() if name in frame}
    for name in COLUMNS:
        if name in kinds or name not in frame:
            continue
        missing = bool(frame[name].isna().any())
        if name in INTEGERS:
            kinds[name] = "float64" if missing else "int64"
        elif name in BOOLEANS and missing:
            frame[name] = frame[name].astype(object).where(frame[name].notna(), float("nan"))
        else:
            kinds[name] = "bool" if name in BOOLEANS else text
    return frame.astype(kinds)


def frame_csv(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV; numbers as short as they can be and still be the same.

    Texts, which come from users' files and exceptions, are no formula of a spreadsheet: one that
    starts like one gets an apostrophe before it, as in the CSV of a report. Read the store, or the
    parquet form, for texts as they are.
    """
    import pyarrow as pa
    from pyarrow import csv

    # A tenth of the time of pandas' own writer, which takes seconds for 100,000 cells.
    sink = pa.BufferOutputStream()
    sink.write(f"{','.join(frame.columns)}\n".encode())
    table = pa.Table.from_pandas(frame, preserve_index=False)
    inert = pa.table([_inert(column) for column in table.columns], names=table.column_names)
    csv.write_csv(inert, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue().to_pybytes()


def _inert(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with an apostrophe before each text that may be a formula."""
    import pyarrow as pa
    from pyarrow import compute

    # pyarrow makes these functions when it is imported, so that no type checker knows them.
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    starts = "".join(re.escape(char) for char in FORMULA)
    hit = compute.match_substring_regex(column, f"^[{starts}]")  # pyright: ignore[reportAttributeAccessIssue]
    if not compute.any(hit).as_py():  # pyright: ignore[reportAttributeAccessIssue]
        return column
    quoted = compute.replace_substring_regex(column, "^", "'", max_replacements=1)  # pyright: ignore[reportAttributeAccessIssue]
    return compute.if_else(hit, quoted, column)  # pyright: ignore[reportAttributeAccessIssue]


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
