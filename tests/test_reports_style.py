"""Colours of the HTML pages: contrast of every text on every ground that it stands on."""

import re
from pathlib import Path

import pytest

from adrepro.reports import html

STYLES = "\n".join((Path(html.__file__).parent / "templates" / n).read_text() for n in html._STYLES)

# Ink and ground of every text; a shade of numbers lies on a card, in and out of a row under the
# pointer, so that its colours are mixed first.
TEXTS = [
    ("--ink", "--paper"), ("--ink", "--card"), ("--soft", "--paper"), ("--soft", "--card"),
    ("--accent", "--paper"), ("--accent", "--card"), ("--warn-ink", "--warn"),
    ("--ink", "--accent-soft"), ("--bad", "--card"), ("--bad", "--bad-soft"),
    ("--same", "--same-soft"), ("--better", "--better-soft"), ("--soft", "--open-soft"),
]  # fmt: skip


def variables(dark):
    """The values of all variables in one scheme; dark ones override."""
    found = {}
    parts = re.split(r"(@media \(prefers-color-scheme: dark\) \{\s*:root \{.*?\}\s*\})", STYLES,
                     flags=re.DOTALL)  # fmt: skip
    for part in parts:
        is_dark = part.startswith("@media (prefers-color-scheme: dark) {\n  :root")
        if is_dark and not dark:
            continue
        for root in re.findall(r":root \{(.*?)\}", part, flags=re.DOTALL):
            found |= dict(re.findall(r"(--[\w-]+):\s*([^;]+);", root))
    return found


def colour(text):
    """Channels of ``#rrggbb`` or ``r, g, b``, 0 to 255."""
    if text.startswith("#"):
        assert len(text) == 7, text
        return tuple(int(text[i : i + 2], 16) for i in (1, 3, 5))
    return tuple(int(part) for part in text.split(","))


def mixed(over, under, alpha):
    return tuple(alpha * a + (1 - alpha) * b for a, b in zip(over, under, strict=True))


def luminance(channels):
    """Relative luminance, WCAG 2.2."""
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (value / 255 for value in channels)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Contrast ratio, WCAG 2.2: 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_formula():
    """Black on white is 21, a colour on itself 1, and #767676 on white the known 4.54."""
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((9, 80, 7), (9, 80, 7)) == 1
    assert contrast(colour("#767676"), (255, 255, 255)) == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_has_contrast(dark):
    """At least 4.5 for each pair, in both schemes."""
    known = variables(dark)
    for ink, ground in TEXTS:
        assert contrast(colour(known[ink]), colour(known[ground])) >= 4.5, (ink, ground)


@pytest.mark.parametrize("dark", [False, True])
def test_numbers_have_contrast_on_every_shade(dark):
    """The shades behind numbers leave 4.5, also in the row under the pointer."""
    known = variables(dark)
    shades = re.findall(r"\.h(\d) \{ background: rgba\(var\((--[\w-]+)\), ([\d.]+)\)", STYLES)
    assert [number for number, _, _ in shades] == [str(i) for i in range(9)]
    card, ink = colour(known["--card"]), colour(known["--ink"])
    pointed = mixed(colour(known["--accent"]), card, 0.05)
    for _, name, alpha in shades:
        for ground in (card, pointed):
            assert contrast(ink, mixed(colour(known[name]), ground, float(alpha))) >= 4.5
            # The stroke between two numbers and small print stand beside the shade, not on it.
            assert contrast(colour(known["--soft"]), ground) >= 4.5


def test_every_colour_is_a_known_pair():
    """A new combination of text and ground must be added to the list above."""
    rules = re.findall(r"[{;]\s*color: var\((--[\w-]+)\)", STYLES)
    assert set(rules) <= {ink for ink, _ in TEXTS}
    grounds = re.findall(r"background(?:-color)?: var\((--[\w-]+)\)", STYLES)
    assert set(grounds) <= {ground for _, ground in TEXTS}


def test_both_schemes_define_the_same_colours():
    """A colour that has no value of its own at night was forgotten."""
    light = variables(dark=False)
    dark = variables(dark=True)
    assert set(light) == set(dark)
    same = {name for name in light if light[name] == dark[name]}
    assert not same


@pytest.mark.parametrize("dark", [False, True])
def test_lines_of_figures_have_contrast(dark):
    """Every colour of a drawing has 3 on its card, as graphics need; its warning 4.5, as text."""
    from adrepro.reports.figures.style import ON_PAGE

    known = variables(dark)
    drawn = {text[4:-1] for text in ON_PAGE.values() if text.startswith("var(--s")}
    assert len(drawn) == 12
    for name in drawn:
        wanted = 4.5 if name == "--s-warning" else 3.0
        assert contrast(colour(known[name]), colour(known["--card"])) >= wanted, name
