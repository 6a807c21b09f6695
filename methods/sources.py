"""A method's source as part of its cells' keys: editing the method makes its results stale."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from ..datasets.errors import UsageError
from .base import Method

# Of adrepro itself, what a method can reach: this room, and how files become pixels and seeds.
FOLLOWED = (
    "adrepro.methods",
    "adrepro.datasets.images",
    "adrepro.datasets.verified",
    "adrepro.datasets.pixels",
    "adrepro.datasets.seeds",
)


def method_source_sha256(cls: type[Method]) -> str:
    """Hash the source files that a method consists of.

    These are the modules of its bases, and what these modules import, directly or not, from their
    own top-level package, from files beside a single-file method, and from `FOLLOWED`. Installed
    libraries do not count, nor do line ends.

    Raises
    ------
    UsageError
        The class has no source file (typed into an interactive prompt).
    """
    digest = hashlib.sha256()
    for module, path in sorted(method_sources(cls).items()):
        digest.update(f"{module}\n".encode())
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()


def method_sources(cls: type[Method]) -> dict[str, Path]:
    """Return module name → source file of all that `method_source_sha256` hashes."""
    bases = [base for base in cls.__mro__ if issubclass(base, Method)]
    roots = {base.__module__.partition(".")[0] for base in bases} - {"adrepro"}
    folders = {path.parent for path in map(_source_file, roots) if path is not None}
    waiting = [base.__module__ for base in bases]
    found: dict[str, Path] = {}
    while waiting:
        module = waiting.pop()
        if module in found or not _followed(module, roots, folders):
            continue
        path = _source_file(module)
        if path is None:
            if module == cls.__module__:
                raise UsageError(f"{cls.__qualname__}: its module '{module}' has no source file")
            continue
        found[module] = path
        waiting += _imports(module, path)
    return found


def _followed(module: str, roots: set[str], folders: set[Path]) -> bool:
    top = module.partition(".")[0]
    if top in roots or any(_beside(top, folder) for folder in folders):
        return True
    return any(module == name or module.startswith(f"{name}.") for name in FOLLOWED)


def _beside(top: str, folder: Path) -> bool:
    # An installed single-file plug-in lies beside every other installed package.
    if folder.name in {"site-packages", "dist-packages"}:
        return False
    return (folder / f"{top}.py").is_file() or (folder / top / "__init__.py").is_file()


def _source_file(module: str) -> Path | None:
    """Find a module's file by its path alone: importing it here could load torch."""
    origin = getattr(sys.modules.get(module), "__file__", None)
    if origin is not None:
        return Path(origin) if origin.endswith(".py") else None
    package, _, name = module.rpartition(".")
    if not package:
        spec = importlib.util.find_spec(name)
        return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None
    parent = _source_file(package)
    folders = [parent.parent] if parent and parent.name == "__init__.py" else []
    candidates = [f / end for f in folders for end in (f"{name}.py", f"{name}/__init__.py")]
    # A name such as methods.base.Method is looked up too; it is an attribute, not a module.
    return next((path for path in candidates if path.is_file()), None)


def _imports(module: str, path: Path) -> list[str]:
    """Return every name that ``module`` imports, and every name imported from it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return list(_imports_of(path.read_bytes(), package))


@lru_cache(maxsize=256)
def _imports_of(source: bytes, package: str) -> tuple[str, ...]:
    # By content, so that an edit counts: a grid's methods have most of their modules in common.
    names: list[str] = []
    for node in _statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = importlib.util.resolve_name("." * node.level + base, package)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield all statements: imports are among them, and expressions are nine nodes of ten."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers", "cases"):
            inner = getattr(node, name, None)
            if isinstance(inner, list):
                waiting += inner
