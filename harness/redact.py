"""Take out of a text what is nobody else's business: secrets, and where somebody's home lies.

Environments are recorded by a list of what is wanted (see `env`), so nothing can slip in there.
What a method prints and what an exception says is anybody's text: before it is stored, credentials
in addresses, the values of environment variables that are named like secrets, and the path of the
home folder are replaced.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

HIDDEN = "***"
_ADDRESS = re.compile(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", re.IGNORECASE)
_AUTHORISATION = re.compile(r"\b(bearer|basic|token)\s+[A-Za-z0-9+/=._~-]{16,}", re.IGNORECASE)
_SECRET_NAME = re.compile(
    r"token|secret|passw|passphrase|pwd|credential|api_?key|access_?key|_key$|private", re.I
)
# Named like passwords, but these are the shell's folders.
_NO_SECRETS = {"PWD", "OLDPWD"}
# A shorter value, such as "1", is as likely a word of the text as the secret.
SHORTEST = 6


def redacted(text: str) -> str:
    """Return a text without credentials, secret values and the home folder's path.

    Parameters
    ----------
    text
        What a method printed, a message or a traceback.
    """
    return "~".join(split_at_home(without_secrets(text)))


def without_secrets(text: str) -> str:
    """Return a text without credentials and secret values."""
    for value in _secrets():
        text = text.replace(value, HIDDEN)
    text = _ADDRESS.sub(rf"\1{HIDDEN}@", text)
    return _AUTHORISATION.sub(rf"\1 {HIDDEN}", text)


def split_at_home(text: str, *, whole_paths: bool = False) -> list[str]:
    """Return what stands before, between and behind the places where a text names the home folder.

    Parameters
    ----------
    text
        Any text.
    whole_paths
        Only where a path begins with it: ``/mnt/root/x`` does not name ``/root``.
    """
    homes = "|".join(map(re.escape, _homes()))
    # Behind a letter, a dot or a slash it is the rest of another path; but for these two.
    start = r"(?:(?<![\w.\-/])|(?<=://)|(?<=\s-[IL]))" if whole_paths else ""
    return re.split(rf"{start}(?:{homes})(?=$|[\\/\s'\":;,)\]])", text) if homes else [text]


def redacted_values(value: Any) -> Any:
    """Return a value of a JSON document with all of its texts redacted; names of fields stay."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, dict):
        return {name: redacted_values(part) for name, part in value.items()}
    return [redacted_values(part) for part in value] if isinstance(value, list | tuple) else value


def _secrets() -> list[str]:
    """Return values of variables named like secrets, and passwords of addresses; longest first."""
    named = [
        value
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and name not in _NO_SECRETS
    ]
    return sorted((value for value in named if len(value) >= SHORTEST), key=len, reverse=True)


def _homes() -> list[str]:
    try:
        home = Path.home()
    except RuntimeError:  # a process without a user
        return []
    # "/" is nobody's home: every path would change.
    both = {str(home), str(home.resolve())}
    return sorted((path for path in both if len(Path(path).parts) > 1), key=len, reverse=True)
