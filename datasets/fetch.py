"""Get a dataset: ask for consent to its licence, download, check, unpack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .archives import extract
from .catalog import load, locate, resolve_data_root
from .download import Progress, download
from .entries import DatasetInfo, Layout
from .errors import DataError

DOWNLOADS = "downloads"

_MARKERS = {Layout.MVTEC: "*/train/good", Layout.KSDD2: "train"}


def fetch(
    info: DatasetInfo,
    data_root: Path | None = None,
    *,
    consent: Callable[[str], bool],
    say: Callable[[str], None] = lambda _line: None,
    progress: Progress | None = None,
) -> Path:
    """Fetch a dataset into the data root.

    Parameters
    ----------
    info
        The catalogue entry.
    data_root
        Folder of all datasets; None = ``$ADREPRO_DATA``, else ``./data``.
    consent
        Asked, with a question, whether the licence is accepted, after it was shown by ``say``.
    say
        Gets one line of text at a time.
    progress
        Passed on to `download`.

    Returns
    -------
    Path
        The dataset's folder. A copy that is already there is returned as it is; the archive stays
        in ``<data_root>/downloads`` and may be deleted.

    Raises
    ------
    DataError
        No consent, no archive for this dataset, the download or the checks failed.
    """
    base = resolve_data_root(data_root)
    if info.archive is None:
        raise DataError(f"dataset '{info.name}' is not for download; {_instead(info)}")
    present = locate(info, data_root)
    if present is not None:
        say(f"{info.title} is already there: {present}")
        return present
    kept, target = base / DOWNLOADS / info.archive.filename, base / info.folders[0]
    say(f"{info.title}, licence: {info.licence}")
    say(f"Please cite: {info.citation}")
    say(f"Homepage: {info.homepage}")
    if not consent(f"Accept the licence and download {info.archive.url}?"):
        raise DataError(f"{info.title}: licence not accepted, nothing downloaded")
    try:
        download(info.archive, kept, progress=progress)
    except DataError as err:
        raise DataError(
            f"{err}; by hand: get it from {info.homepage} (licence {info.licence}), put it at"
            f" {kept} and run `reproduce data fetch {info.name} --data-root {base}` again"
        ) from err
    say(f"Unpacking {kept}")
    return extract(kept, target, prepare=lambda folder: _prepare(info, folder))


def _prepare(info: DatasetInfo, unpacked: Path) -> Path:
    """Find the dataset in an unpacked archive, with or without a folder around it."""
    inner = [each for each in unpacked.iterdir() if each.is_dir()]
    for root in (unpacked, *inner):
        if any(root.glob(_MARKERS[info.layout])):
            load(info, root)
            return root
    raise DataError(f"{info.title}: the archive does not hold the expected folders")


def _instead(info: DatasetInfo) -> str:
    if info.synthetic:
        return "it is drawn when it is first used"
    return f"give the path of your images: {info.name}=/path/to/images"
