"""Drawn images that stand for a dataset: its place in the table, their own name in the store."""

from table_frames import make_frame

from adrepro.tables.assemble import on_the_papers_data
from adrepro.tables.papers import load_target
from adrepro.tables.runs import read_runs


def test_a_cell_keeps_the_label_that_commands_find_it_by():
    """Its row in the table is the real dataset's; a failure is named as the store names it."""
    target = load_target("rad/table1")
    frame = make_frame(target, methods=["rad"], seeds=1, stand_ins=True)
    (run, *_), drawn = on_the_papers_data(target, read_runs(frame))
    assert drawn
    assert run.dataset == "mvtec_ad"
    assert run.label == f"rad/synthetic/{run.category}/noise0/seed0"
