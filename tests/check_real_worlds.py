"""A paper whose numbers are printed from a run, so that each verdict must come about once."""

import json
from pathlib import Path

from adrepro.harness.cli import invoke
from adrepro.harness.frames import store_frame
from adrepro.harness.store import Store
from conftest import write_mvtec

DRAWS, RAISES, OTHER = "toys_checks:Wavers", "toys:Raises", "toys:PixelMean"
ON_DISK = ("bottle", "cable", "capsule", "screw")
# A category of the table that this copy of the data lacks.
ABSENT = "zipper"
MARGIN = 12.0

PAPER = """title = "A paper with seven fates"
short = "Seven"
"""

_HEAD = f"""title = "Table 1"
caption = "Image AUROC."
reported = "table1.csv"
reported_method = "{DRAWS}"

[run]
methods = ["{DRAWS}", "{RAISES}", "{OTHER}"]
noise = [0]
seeds = 5
protocol = "fixed-test:total=6"
evaluation = "eval/2"
image_size = 32

[[run.datasets]]
name = "mvtec_ad"
categories = {json.dumps([*ON_DISK, ABSENT])}

[tolerance]
points = {MARGIN}
source = "chosen for this test"

[layout]
label = "tab:seven"
columns = "noise"
row_header = "Class"
at = {{ cell = "{{image_auroc}}" }}
bold = "none"
"""


def write_seven(root: Path, printed: dict[tuple[str, str], str]) -> Path:
    """Write the paper with ``(method, category) → number``; return the folder for ``--papers``."""
    folder = root / "papers" / "seven"
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        f'\n[[layout.rows]]\nid = "{name}"\nlabel = "{name.title()}"\ndataset = "mvtec_ad"\n'
        f'category = "{name}"\n'
        for name in (*ON_DISK, ABSENT)
    ]
    lines = [f"{method},{row},0,image_auroc,{v},," for (method, row), v in printed.items()]
    (folder / "paper.toml").write_text(PAPER)
    (folder / "table1.toml").write_text(_HEAD + "".join(rows))
    (folder / "table1.csv").write_text(
        "\n".join(["method,row,column,metric,value,bold,note", *lines, ""])
    )
    return folder.parent


def run_seven(root: Path) -> dict[str, float]:
    """Run the table on real images by the real command; return Draws' mean per category."""
    write_mvtec(root / "data/mvtec_ad", categories=ON_DISK)
    papers = write_seven(root, {(DRAWS, "bottle"): "50.0"})
    places = ["--data-root", root / "data", "--store", root / "store", "--out", root / "out"]
    asked = ["seven/table1", "-m", f"{DRAWS},{RAISES},{OTHER}", "--papers", papers]
    asked += ["--set", f"{OTHER}.power=3", "--device", "cpu"]
    assert invoke([str(a) for a in (*asked, *places, "-j", "1", "--quiet")]) == 1
    frame = store_frame(Store(root / "store"))
    assert dict(frame["status"].value_counts()) == {"done": 40, "failed": 20}
    own = frame[frame["method"] == DRAWS]
    return (100 * own.groupby("category")["image_auroc"].mean()).to_dict()
