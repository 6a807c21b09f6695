"""Settings that name a folder or a file: its content enters a cell's key, its path does not."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import ContractError, UsageError
from ..datasets.images import file_sha256
from .cell import canonical_json

if TYPE_CHECKING:
    from ..methods.base import Method


def content_sha256(path: Path, hash_file: Callable[[Path], str] = file_sha256) -> str:
    """Hash what a file holds, or every file below a folder with its path relative to it.

    The hash is the same wherever the file or the folder lies, and on every machine.

    Parameters
    ----------
    path
        The file or folder.
    hash_file
        File → hash, as `file_sha256`; a caller that asks again may remember them.

    Raises
    ------
    ValueError
        No such file or folder, or a folder without files; a few words say which.
    OSError
        Something in it cannot be read.
    """
    if path.is_file():
        return hash_file(path)
    if not path.is_dir():
        raise ValueError("no such folder or file")
    names = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    found = sorted(names, key=lambda name: name.parts)
    if not found:
        raise ValueError("no file in this folder")
    digest = hashlib.sha256()
    for name in found:
        digest.update(f"{name.as_posix()}\0{hash_file(path / name)}\n".encode())
    return digest.hexdigest()


def keyed_settings(
    cls: type[Method], settings: Any, digest: Callable[[Path], str] = content_sha256
) -> str:
    """Return the JSON of settings that a key is made of.

    It is the canonical one, with ``"sha256:…"`` of the content in place of each path that the
    method's ``content_settings`` name. So whatever compares settings, as tunings, stacks and
    stored results do, tells contents apart and not paths.

    Parameters
    ----------
    cls
        The method.
    settings
        An instance of its ``Settings``.
    digest
        Path → hash, as `content_sha256`; a caller that asks for many may remember them.

    Raises
    ------
    UsageError
        A path where nothing lies, an empty folder, or something that cannot be read.
    ContractError
        ``content_settings`` names what is no setting.
    """
    document = dataclasses.asdict(settings)
    for name in cls.content_settings:
        if name not in document:
            raise ContractError(
                f"{cls.__qualname__}.content_settings names '{name}', which is no setting of "
                f"{cls.name}; expected one of {', '.join(document)}"
            )
        if document[name] is not None:
            document[name] = f"sha256:{_digest(f'{cls.name}.{name}', document[name], digest)}"
    return canonical_json(document)


def _digest(setting: str, given: Any, digest: Callable[[Path], str]) -> str:
    try:
        return digest(Path(given))
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or err
        raise UsageError(
            f"--set {setting}={given}: {reason}; expected a folder or file that can be read, or "
            "leave the setting out"
        ) from err
