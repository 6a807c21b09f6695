"""``reproduce data``: list, fetch, scan and verify datasets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...datasets.catalog import (
    CATALOG,
    DATA_ROOT_VARIABLE,
    dataset_info,
    open_dataset,
    parse_dataset_spec,
    resolve_data_root,
)
from ...datasets.errors import DataError
from .bars import byte_progress, file_progress
from .data_list import describe, print_datasets
from .options import split_names

if TYPE_CHECKING:
    from ...datasets.manifest import Manifest
    from ...datasets.types import Dataset

_PROBLEMS_FOUND = 2

_data_root = click.option(
    "--data-root",
    type=click.Path(path_type=Path, file_okay=False),
    help=f"Folder of all datasets; default ${DATA_ROOT_VARIABLE}, else ./data.",
)
_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
_cache = click.option(
    "--cache",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where file records are kept; default in the user's cache folder.",
)
_no_cache = click.option("--no-cache", is_flag=True, help="Read every file anew, keep nothing.")
_workers = click.option("--workers", type=click.IntRange(1, 64), help="Threads; default up to 8.")
_name = click.argument("name", metavar="NAME[=PATH]")


@click.group(name="data")
def command() -> None:
    """List, fetch, scan and verify datasets."""


@command.command("list")
@_data_root
@_as_json
def list_command(data_root: Path | None, as_json: bool) -> None:
    """List the datasets that are known by name, where they lie, and how much of each is there."""
    rows = [describe(info, data_root) for info in CATALOG.values()]
    if as_json:
        _print_json({"data_root": str(resolve_data_root(data_root)), "datasets": rows})
        return
    print_datasets(rows, data_root)


@command.command("scan")
@_name
@_data_root
@click.option(
    "--categories", "--category", "-c", multiple=True, callback=split_names, help="Only A,B."
)
@_cache
@_no_cache
@_workers
@click.option(
    "--write-manifest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Record all hashes in this file, for `data verify --manifest`.",
)
@_as_json
@click.pass_context
def scan_command(
    context: click.Context,
    *,
    name: str,
    data_root: Path | None,
    categories: tuple[str, ...],
    write_manifest: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Decode every image and mask and list everything that is wrong.

    Ends with code 2 if there is an error; warnings and notes do not count.
    """
    dataset = open_dataset(name, data_root, categories=categories or None)
    manifest = _scan(dataset, **how)
    if write_manifest:
        manifest.write(write_manifest)
    if as_json:
        _print_json(_scan_document(dataset, manifest))
    else:
        _print_scan(dataset, manifest, categories)
    if manifest.errors:
        context.exit(_PROBLEMS_FOUND)


@command.command("verify")
@_name
@_data_root
@click.option(
    "--manifest",
    "manifest_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Compare every file with the hashes in this file.",
)
@_cache
@_no_cache
@_workers
@_as_json
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    name: str,
    data_root: Path | None,
    manifest_file: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Compare a dataset with its official image counts, and with recorded hashes if given.

    Ends with code 2 if anything is missing, extra or changed.
    """
    from ...datasets.manifest import read_manifest
    from ...datasets.verify import verify_counts, verify_manifest

    info = dataset_info(parse_dataset_spec(name)[0])
    if not info.counts and manifest_file is None:
        raise DataError(
            f"dataset '{info.name}' has no official counts to verify against; give --manifest FILE"
        )
    recorded = read_manifest(manifest_file) if manifest_file else None
    dataset = open_dataset(name, data_root)
    differences = verify_counts(dataset, info)
    if recorded is not None:
        differences += verify_manifest(_scan(dataset, **how), recorded)
    checked = [
        *(["official counts"] if info.counts else []),
        *([f"{len(recorded)} recorded files"] if recorded is not None else []),
    ]
    if as_json:
        rows = [{"kind": e.kind, "where": e.where, "detail": e.detail} for e in differences]
        _print_json({"dataset": info.name, "checked": checked, "differences": rows})
    else:
        summary = f"{info.name} at {dataset.root}: differences: {len(differences)}"
        lines = [each.line() for each in differences]
        _print_lines([*lines, f"{summary} (checked: {', '.join(checked)})"])
    if differences:
        context.exit(_PROBLEMS_FOUND)


@command.command("fetch")
@click.argument("name")
@_data_root
@click.option("--yes", is_flag=True, help="Accept the licence without being asked.")
def fetch_command(name: str, data_root: Path | None, yes: bool) -> None:
    """Show a dataset's licence, download it, check its hash and unpack it."""
    from ...datasets.fetch import fetch

    def consent(question: str) -> bool:
        if yes:
            return True
        if not sys.stdin.isatty():
            raise DataError("no terminal to ask for consent to the licence; add --yes to accept it")
        return click.confirm(question)

    with byte_progress() as progress:
        where = fetch(
            dataset_info(name), data_root, consent=consent, say=click.echo, progress=progress
        )
    click.echo(f"ready: {where}")


def _scan(dataset: Dataset, *, cache: Path | None, no_cache: bool, workers: int | None) -> Manifest:
    from ...datasets.scan import default_cache, scan

    if no_cache and cache:
        raise click.UsageError("--cache and --no-cache exclude each other")
    kept = None if no_cache else cache or default_cache(dataset.root)
    with file_progress() as progress:
        return scan(dataset, cache=kept, workers=workers, progress=progress)


def _scan_document(dataset: Dataset, manifest: Manifest) -> dict[str, Any]:
    from ...datasets.verify import count

    return {
        "dataset": dataset.name,
        "root": str(dataset.root),
        "files": len(manifest.records),
        "from_cache": manifest.reused,
        "counts": {each: count(member).as_dict() for each, member in dataset.members.items()},
        "problems": [each.as_dict() for each in manifest.problems],
    }


def _print_scan(dataset: Dataset, manifest: Manifest, categories: tuple[str, ...]) -> None:
    from ...datasets.manifest import Severity

    tally = ", ".join(f"{each.value}s: {len(manifest.of(each))}" for each in Severity)
    summary = (
        f"{dataset.name} at {dataset.root}: files: {len(manifest.records)},"
        f" from cache: {manifest.reused}, categories: {len(dataset.categories)}; {tally}"
    )
    lines = [f"{each.severity.value}: {each.line()}" for each in manifest.problems]
    _print_lines([*lines, summary, *_told_of_missing(dataset, categories)])


def _told_of_missing(dataset: Dataset, categories: tuple[str, ...]) -> list[str]:
    """Say how many images the official dataset has, where this copy has others."""
    from ...datasets.verify import count

    official = dataset_info(dataset.name).counts
    wanted = {name: each for name, each in official.items() if name in (categories or official)}
    there = [name for name in wanted if name in dataset.members]
    have = sum(count(dataset.members[name]).total for name in there)
    whole = sum(each.total for each in wanted.values())
    if have == whole:
        return []
    return [
        f"note: {have} images in {len(there)} categories; the official set has {whole} in "
        f"{len(wanted)}; `reproduce data verify {dataset.name}` lists what differs"
    ]


def _print_json(document: Any) -> None:
    click.echo(json.dumps(document, indent=1, ensure_ascii=False))


def _print_lines(lines: list[str]) -> None:
    # Not through rich: file names must come out as they are, one problem to a line.
    for line in lines:
        click.echo(line)
