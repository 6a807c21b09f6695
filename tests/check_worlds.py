"""A paper of one table on the tiny dataset, for tests of the checking commands."""

from pathlib import Path

METHOD = "toys_checks:Draws"

PAPER = """title = "A tiny paper"
short = "Tiny"
"""

TABLE = f"""title = "Table 1"
caption = "Image AUROC."
reported = "table1.csv"
reported_method = "{METHOD}"

[run]
methods = ["{METHOD}"]
noise = [0]
seeds = 4
protocol = "fixed-test:total=6"
evaluation = "eval/2"
image_size = 32

[[run.datasets]]
name = "mvtec_ad"
categories = ["bottle", "screw"]

[tolerance]
points = 2.0
source = "chosen for this test"

[layout]
label = "tab:tiny"
columns = "noise"
row_header = "Class"
at = {{ cell = "{{image_auroc}}" }}
bold = "none"

[[layout.rows]]
id = "bottle"
label = "Bottle"
dataset = "mvtec_ad"
category = "bottle"

[[layout.rows]]
id = "screw"
label = "Screw"
dataset = "mvtec_ad"
category = "screw"

[[layout.rows]]
id = "average"
label = "Average"
average_of = "mvtec_ad"
"""


def write_paper(root: Path, *, bottle: str, screw: str, average: str) -> Path:
    """Write the paper with these printed numbers; return the folder for ``--papers``."""
    folder = root / "papers" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "paper.toml").write_text(PAPER)
    (folder / "table1.toml").write_text(TABLE)
    lines = ["method,row,column,metric,value,bold,note"]
    for row, value in (("bottle", bottle), ("screw", screw), ("average", average)):
        lines.append(f"{METHOD},{row},0,image_auroc,{value},,")
    (folder / "table1.csv").write_text("\n".join(lines) + "\n")
    return folder.parent
