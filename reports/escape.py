"""Make any text inert in Markdown, LaTeX and CSV; HTML is escaped by the template engine.

Names and error messages come from users' files, plug-ins and exceptions: none of them may become
markup, a command or a formula.
"""

from __future__ import annotations

import re
import unicodedata

_SPACES = re.compile(r"\s+")
# Inside a line; and what would make a line a list, a heading or a rule at its start.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$]|:(?=//)|^[-+=#]|^[0-9]+(?=[.)](?: |$)))")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")

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
    "`": "`{}",
    # Braces end ligatures: -- and ?` must stay what they are.
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
    "†": r"\dag{}",
    "‡": r"\ddag{}",
    "∅": r"$\emptyset$",
}
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


def one_line(text: str) -> str:
    """Collapse white space and drop control characters."""
    flat = _SPACES.sub(" ", text)
    kept = (char for char in flat if unicodedata.category(char) not in ("Cc", "Cf", "Cs"))
    return _SPACES.sub(" ", "".join(kept)).strip()


def latex(text: str) -> str:
    """Escape for LaTeX text mode in any font encoding; exotic characters become ``[U+4E2D]``."""
    return "".join(_latex_char(char) for char in one_line(text))


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
    return f"'{flat}" if flat.startswith(_FORMULA) else flat
