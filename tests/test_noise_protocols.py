"""The text form of label-noise protocols: what keys, files and the command line carry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adrepro.datasets.errors import NoiseError, UnknownNameError
from adrepro.datasets.noise import Added, FixedTest, Overlap, Shortage, parse_protocol


@given(
    st.one_of(
        st.builds(
            FixedTest,
            total=st.integers(1, 10**6),
            shortage=st.sampled_from(Shortage),
            max_level=st.floats(0, 50),
        ),
        st.builds(Overlap, shortage=st.sampled_from(Shortage)),
        st.builds(Added, shortage=st.sampled_from([Shortage.CAP, Shortage.REFUSE])),
    )
)
def test_protocol_text_round_trips(protocol):
    """The id names every parameter, so that reading it gives the protocol back."""
    assert parse_protocol(protocol.protocol_id) == protocol


def test_protocol_text_takes_defaults():
    """What the text leaves out takes its default; the canonical id spells it out."""
    expected = "fixed-test/1:total=100,max_level=50,shortage=shrink"
    for text in ("fixed-test", "fixed-test/1", "fixed-test:max_level=50", expected):
        assert parse_protocol(text).protocol_id == expected


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("fixd-test", UnknownNameError, "did you mean fixed-test"),
        ("fixed-test:totl=3", UnknownNameError, "did you mean total"),
        ("fixed-test/2", NoiseError, "this release has fixed-test/1"),
        ("fixed-test:total=many", NoiseError, "expected int"),
        ("fixed-test:total=0", NoiseError, "expected 1 or more"),
        ("fixed-test:max_level=60", NoiseError, "expected 0 to 50"),
        ("fixed-test:total=1,total=2", NoiseError, "given twice"),
        ("overlap:shortage=ignore", NoiseError, r"shrink\|cap\|refuse"),
        ("added:shortage=shrink", NoiseError, "use cap or refuse"),
        ("added:max_level=101", NoiseError, "expected 0 to 100"),
        ("fixed test", NoiseError, "expected e.g."),
    ],
)
def test_bad_protocol_texts_are_refused(text, error, says):
    """One line that names what was given and what was expected."""
    with pytest.raises(error, match=says) as caught:
        parse_protocol(text)
    assert "\n" not in str(caught.value)
