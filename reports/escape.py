"""Make any text inert in Markdown, LaTeX and CSV; HTML is escaped by the template engine.

Names and error messages come from users' files, plug-ins and exceptions: none of them may become
markup, a command or a formula.
"""

from __future__ import annotations

import re
import unicodedata

from ..datasets.plain import FORMULA, one_line

__all__ = ["csv_text", "latex", "markdown", "one_line"]

# Inside a line; and what would make a line a list, a heading or a rule at its start.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$]|:(?=//)|^[-+=#]|^[0-9]+(?=[.)](?: |$)))")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedblright{}",
    "'": "'{}",
    # Braces end ligatures: -- and ?` must stay what they are.
    "`": "{}`{}",
    "-": "-{}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "…": r"\ldots{}",
    "·": r"$\cdot$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "✗": r"$\times$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "→": r"$\rightarrow$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "√": r"$\surd$",
    "−": r"$-$",
    "°": r"$^{\circ}$",
    "²": r"$^{2}$",
    "³": r"$^{3}$",
    "←": r"$\leftarrow$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "∅": r"$\emptyset$",
    "“": "``{}",
    "”": "''{}",
    "‘": "`{}",
    "’": "'{}",
    "ß": r"\ss{}",
    "µ": r"$\mu$",
}
# Greek letters that TeX has a command for; the others look like Latin ones.
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"
)
_LATEX |= {
    unicodedata.lookup(
        f"GREEK {'CAPITAL' if name[0].isupper() else 'SMALL'} LETTER "
        f"{'LAMDA' if name.lower() == 'lambda' else name.upper()}"
    ): rf"$\{name}$"
    for name in _GREEK.split()
}
# A longer word is allowed to break after so many characters.
_LONG_WORD = 20
_ACCENTS = {
    "\u0300": r"\`",
    "\u0301": r"\'",
    "\u0302": r"\^",
    "\u0303": r"\~",
    "\u0308": r"\"",
    "\u030a": r"\r",
    "\u030c": r"\v",
    "\u0327": r"\c",
}


def latex(text: str) -> str:
    """Escape for LaTeX text mode in any font encoding.

    Characters that TeX's own fonts lack become ``[U+4E2D]``; words that would not fit into a column
    may break.
    """
    escaped = " ".join(_latex_word(word) for word in one_line(text).split(" "))
    # What comes before, such as the end of a table's row, must not take it as an argument.
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped


def _latex_word(word: str) -> str:
    chars = [_latex_char(char) for char in word]
    if len("".join(chars)) <= 2 * _LONG_WORD:
        return "".join(chars)
    pieces = ["".join(chars[i : i + _LONG_WORD]) for i in range(0, len(chars), _LONG_WORD)]
    return r"\allowbreak{}".join(pieces)


def _latex_char(char: str) -> str:
    if char in _LATEX:
        return _LATEX[char]
    if char.isascii():
        return char
    base, *marks = unicodedata.normalize("NFD", char)
    if base.isascii() and base.isalpha() and len(marks) == 1 and marks[0] in _ACCENTS:
        letter = {"i": r"\i", "j": r"\j"}.get(base, base)
        return f"{_ACCENTS[marks[0]]}{{{letter}}}"
    return f"[U+{ord(char):04X}]"


def markdown(text: str) -> str:
    """Escape for a cell or a line of Markdown."""
    escaped = _MARKDOWN.sub(_backslash, one_line(text))
    return "".join(_HTML.get(char, char) for char in escaped)


def _backslash(found: re.Match[str]) -> str:
    # A list number is inert when its point is escaped, not its digits.
    return f"{found[1]}\\" if found[1].isdigit() else f"\\{found[1]}"


def csv_text(text: str) -> str:
    """Make a text safe for spreadsheets: a possible formula gets an apostrophe before it."""
    flat = one_line(text)
    return f"'{flat}" if flat.startswith(FORMULA) else flat
