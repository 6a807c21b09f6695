"""A folder of scores that were made elsewhere, which stands in a run as ``scores:FOLDER``.

``scores.toml`` in it says whose they are; only ``name`` must be there::

    name = "my-net"          # as in tables and keys; no registered method's
    title = "MyNet"          # as printed; default: the name
    smoothing_sigma = 4.0    # Gaussian in pixels that the upsampled maps are smoothed with; 0
    image_size = 256         # side of the evaluated maps in pixels; 256
    backbone = "resnet18"    # in words; "none"
    paper = "Who, where"     # a short citation
    notes = ["A sentence."]  # printed with the results

A file per cell lies below it, ``.npz`` or ``.csv`` (see `scorefiles`)::

    mvtec_ad/bottle/noise10/seed0.csv            dataset/category/noise<percent>/seed<index>
    overlap/mvtec_ad/bottle/noise10/seed0.csv    for one noise protocol; without, for all of them
    mvtec_ad/bottle.csv, bottle.csv              where the run has one cell of that category
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..datasets.errors import ContractError, SpecError, UnknownNameError, UsageError
from ..methods.base import Context, ImageSet, Method, Scores
from ..methods.registry import SCORES_PREFIX, method_targets
from ..methods.settings import settings_json

if TYPE_CHECKING:
    from .grid import Grid, MethodPlan

FILE = "scores.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
ALL_ANOMALOUS = "all-anomalous"  # the line of published tables that no method's run fills

DEPARTURE = (
    "Scores from a file: the method was trained and run elsewhere, so that its times are unknown "
    "and that it saw these training images only is the word of whoever made the file."
)


@dataclass(frozen=True, slots=True)
class FileSettings:
    """The one setting of scores from a file: the maps' smoothing in evaluated pixels."""

    smoothing_sigma: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreFolder:
    """What ``scores.toml`` says; see the module docstring.

    Attributes
    ----------
    given
        As on the command line, with the prefix.
    root
        The folder.
    """

    given: str
    root: Path
    name: str
    title: str
    smoothing_sigma: float = 0.0
    image_size: int = 256
    backbone: str = "none"
    paper: str = ""
    notes: tuple[str, ...] = ()

    @property
    def settings(self) -> FileSettings:
        """Return what stands in the cell's key in place of a method's settings."""
        return FileSettings(smoothing_sigma=self.smoothing_sigma)


class FromFile(Method):
    """Takes a method's place where scores come from a file; it cannot be fitted."""

    name = "scores"
    title = "Scores from a file"
    Settings = FileSettings

    def fit(self, train: ImageSet, context: Context) -> None:
        """Refuse: there is nothing to fit."""
        raise ContractError(f"{self.name} is scores from a file; expected a method that can be fit")

    def score(self, images: ImageSet, context: Context) -> Scores:
        """Refuse: a method never sees which image it is given."""
        raise ContractError(f"{self.name} is scores from a file; expected a method that can score")


def file_method(folder: ScoreFolder) -> type[Method]:
    """Return the class that describes a folder's scores where a method's class is asked for."""
    described = {
        "name": folder.name,
        "title": folder.title,
        "paper": folder.paper,
        "image_size": folder.image_size,
        "smoothing_sigma": folder.smoothing_sigma,
        "departures": (DEPARTURE, *folder.notes),
    }
    return type("FromFile", (FromFile,), described)


def is_scores(method: str) -> bool:
    """Say whether a method's name on the command line means scores from a file."""
    return method.startswith(SCORES_PREFIX)


def shown_names(methods: Iterable[str]) -> tuple[str, ...]:
    """Return the names that methods of a command line have in result rows."""
    return tuple(open_scores(name).name if is_scores(name) else name for name in methods)


def open_scores(given: str) -> ScoreFolder:
    """Read ``scores.toml``.

    Parameters
    ----------
    given
        ``scores:FOLDER``, or ``scores:FILE.toml`` for one of another name in the folder.

    Raises
    ------
    UsageError
        No such folder or file.
    SpecError
        The file says something impossible; with its line.
    """
    path = Path(given.removeprefix(SCORES_PREFIX)).expanduser()
    file = path if path.suffix == ".toml" else path / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as err:
        reason = getattr(err, "strerror", None) or "is no text"
        raise UsageError(
            f"method '{given}': {file} cannot be read ({reason}); expected {SCORES_PREFIX}FOLDER "
            f"with a {FILE} in it (`reproduce scores template` writes one)"
        ) from err
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        line = re.search(r"line (\d+)", str(err))
        raise SpecError(file, int(line[1]) if line else None, f"no valid TOML: {err}") from err
    return _folder(given, file, text, found)


def plan_scores(grid: Grid, given: str) -> MethodPlan:
    """Return scores from a folder as the grid will evaluate them."""
    from .grid import MethodPlan

    folder = open_scores(given)
    own = [key for key in grid.overrides if key.rpartition(".")[0] == given]
    if own:
        raise UsageError(f"--set {own[0]}: settings of '{given}' stand in its {FILE}; set it there")
    return MethodPlan(
        name=folder.name,
        base=folder.name,
        variant="",
        title=folder.title,
        cls=file_method(folder),
        settings=folder.settings,
        settings_json=settings_json(folder.settings),
        image_size=grid.image_size or folder.image_size,
        backbone=folder.backbone,
        weights_sha256="",
        spec=None,
        source_sha256="",
        scores=folder,
    )


def refuse_namesakes(methods: Iterable[MethodPlan]) -> None:
    """Refuse a folder's name that another method of the run has: its rows would mix with it."""
    methods = tuple(methods)
    for method in methods:
        if method.scores and [other.name for other in methods].count(method.name) > 1:
            raise UsageError(
                f"method '{method.scores.given}': another method of this run is called "
                f"'{method.name}' too; change the name in {FILE}"
            )


def _folder(given: str, file: Path, text: str, found: Mapping[str, Any]) -> ScoreFolder:
    known = [name for name in ScoreFolder.__slots__ if name not in ("given", "root")]
    for key in found:
        if key not in known:
            unknown = UnknownNameError("key", key, known)
            raise SpecError(file, _line(text, key), str(unknown))
    if "name" not in found:
        raise SpecError(file, None, 'no name; expected a line such as name = "my-net"')
    values = {key: _value(key, value, file, text) for key, value in found.items()}
    return ScoreFolder(given=given, root=file.parent, **({"title": values["name"]} | values))


def _value(key: str, value: Any, file: Path, text: str) -> Any:
    """Return one key's value, checked."""

    def refuse(expected: str) -> SpecError:
        return SpecError(file, _line(text, key), f"{key} = {value!r}; expected {expected}")

    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key == "smoothing_sigma":
        if not (number and 0 <= value < 1000):
            raise refuse("0 or a positive number of pixels")
        return float(value)
    if key == "image_size":
        if not (isinstance(value, int) and number and 32 <= value <= 2048):
            raise refuse("a whole number of pixels from 32 to 2048")
        return value
    if key == "notes":
        notes = [value] if isinstance(value, str) else value
        if not (isinstance(notes, list) and all(isinstance(n, str) and n.strip() for n in notes)):
            raise refuse("a sentence or an array of sentences")
        return tuple(" ".join(note.split()) for note in notes)
    if not isinstance(value, str) or not value.strip():
        raise refuse("a text that is not empty")
    if key == "name" and not NAME.fullmatch(value):
        raise refuse("letters, digits and . _ + - only, e.g. my-net")
    # In a published table such a line would be held against the numbers of that method.
    if key == "name" and value.lower() in {*method_targets(), ALL_ANOMALOUS}:
        raise refuse(f"another name than a method's own, e.g. {value}-elsewhere")
    return " ".join(value.split())


def _line(text: str, key: str) -> int | None:
    """Return the 1-based line of a key; None where it cannot be told."""
    start = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=|\s*\[+\s*{re.escape(key)}\s*\]")
    lines = enumerate(text.splitlines(), start=1)
    return next((number for number, line in lines if start.match(line)), None)
