"""`reproduce probe` tells a cell that repeats itself from one that does not."""

import numpy as np
import pytest

from adrepro.harness.probe import Difference, differences

ONE = ("-d", "mvtec_ad", "-c", "bottle", "--seeds", "1", "--device", "cpu")


def test_cell_that_repeats_itself(world):
    """The same bytes twice, and those of the store: exit code 0."""
    assert world.run("-c", "bottle", "--seeds", "1") == 0
    assert world.reproduce("probe", "bottle", "-m", "toys:PixelMean", *ONE, *world.places) == 0
    lines = world.stdout.splitlines()
    assert len(lines) == 2
    assert all("equal, byte by byte" in line for line in lines)
    assert "stored result" in lines[1]


def test_cell_that_does_not(world):
    """A method that draws from unseeded generators: exit code 1 and the largest difference."""
    assert world.reproduce("probe", "bottle", "-m", "toys:Draws", *ONE, *world.places) == 1
    assert "two runs in fresh processes: differ" in world.stdout
    assert "test_scores: 16 of 16 values, by " in world.stdout
    assert not world.store.exists(), "a probe leaves no store behind"


def test_unclear_cell_is_refused(world):
    """None or several matches are one line with an example."""
    probe = ("probe", "nothing", "-m", "toys:PixelMean", *ONE, *world.places)
    assert world.reproduce(*probe) == 2
    assert "0 cells of the plan match 'nothing'" in world.stderr


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], None),
        ([0.0], [-0.0], (0, 0.0)),
        ([1.0, 2.0], [1.0, 2.5], (1, 0.5)),
        ([1.0], [1.0, 2.0], (-1, None)),
    ],
)
def test_differences_by_hand(a, b, expected):
    """Bytes decide: also the sign of a zero counts; other shapes have no difference to take."""
    found = differences({"x": np.array(a)}, {"x": np.array(b)})
    if expected is None:
        assert found == []
        return
    (one,) = found
    assert isinstance(one, Difference)
    assert one.count == expected[0]
    assert np.isnan(one.largest) if expected[1] is None else one.largest == expected[1]


def test_array_that_one_side_lacks():
    """What only one of two runs stored is a difference, whichever it is."""
    both, one = {"x": np.zeros(2), "maps": np.zeros(3)}, {"x": np.zeros(2)}
    for first, second in ((both, one), (one, both)):
        (found,) = differences(first, second)
        assert (found.name, found.size, found.missing) == ("maps", 3, True)


def test_not_a_number_equals_itself():
    """Equal bytes are equal, whatever they stand for; texts are compared as well."""
    assert differences({"x": np.array([np.nan])}, {"x": np.array([np.nan])}) == []
    (one,) = differences({"x": np.array(["a"])}, {"x": np.array(["b"])})
    assert one.count == 1
    assert np.isnan(one.largest)
