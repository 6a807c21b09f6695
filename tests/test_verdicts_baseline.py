"""A recorded run as the reference: what it lacks is no reason to break."""

import pytest
from table_frames import make_frame

from adrepro.tables.papers import load_target
from adrepro.tables.verdicts.baseline import compare
from adrepro.tables.verdicts.places import Scope
from adrepro.tables.verdicts.recorded import read_baseline, record
from adrepro.tables.verdicts.verdict import Verdict

TABLE1 = load_target("table1")
BOTTLE = Scope(methods=("rad",), noise=(0.0,), places=frozenset({("mvtec_ad", "bottle")}))


@pytest.fixture
def recorded(tmp_path):
    """Four seeds, the last of which has no pixel AUROC."""
    lacking = {("rad", "mvtec_ad", "bottle", 0.0, 3): {"pixel_auroc": None}}
    frame = make_frame(TABLE1, methods=["rad"], seeds=4, change=lacking)
    path = tmp_path / "baseline.json"
    path.write_text(record(TABLE1, frame, "1.0")[0])
    return frame, read_baseline(path)


@pytest.mark.parametrize("seeds", [2, 3])
def test_fewer_seeds_than_recorded_are_named(recorded, seeds):
    """The seed that lacks a quantity is asked for where it has one, and nowhere else."""
    frame, baseline = recorded
    check = compare(TABLE1, frame[frame.seed < seeds], baseline, scope=BOTTLE)
    said = {cell.metric: cell for cell in check.cells}
    assert said["image_auroc"].verdict is Verdict.NOT_RUN
    missing = ", ".join(str(seed) for seed in range(seeds, 4))
    assert said["image_auroc"].reason == f"seeds {missing} have no result"
    pixel = said["pixel_auroc"]
    assert pixel.verdict is (Verdict.NOT_RUN if seeds < 3 else Verdict.REPRODUCED)


def test_a_changed_source_does_not_stop_the_gate(recorded):
    """The gate is for changed code: another source is compared, another backbone is not."""
    frame, baseline = recorded
    changed = frame.assign(source="0123456789ab")
    check = compare(TABLE1, changed, baseline, scope=BOTTLE)
    assert {cell.verdict for cell in check.cells} == {Verdict.REPRODUCED}
    other = compare(TABLE1, frame.assign(backbone="x"), baseline, scope=BOTTLE)
    assert {cell.verdict for cell in other.cells} == {Verdict.NOT_COMPARABLE}
