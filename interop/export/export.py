"""The one way to export: from what a user names to files that another library reads."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from ...builder.dataset import AtariDQNReplay
from ...builder.errors import AtariReplayError, OutputError, UnknownNameError
from ...builder.sources.source import Source
from .bucket.export import BucketFormat
from .episodes_pt.export import EpisodesPtFormat
from .format import ExportFormat
from .lram.export import LRAMFormat
from .minari.export import MinariFormat
from .report import ExportReport
from .selection import open_dataset, select

FORMATS: dict[str, type[ExportFormat]] = {
    "bucket": BucketFormat,
    "episodes-pt": EpisodesPtFormat,
    "lram": LRAMFormat,
    "minari": MinariFormat,
}
"""By their names on the command line."""


def export(
    dataset: str | os.PathLike[str] | Source | AtariDQNReplay,
    config_names: str | Sequence[str],
    *,
    format: str,
    out: str | os.PathLike[str],
    runs: Sequence[int] | None = None,
    checkpoints: Sequence[int] | None = None,
    revision: str | None = None,
    storage_options: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    **options: Any,
) -> ExportReport:
    """Write a dataset, or a source of logs, in a form that another library reads.

    Killed at any moment and called again with the same arguments, it goes on where it was, and the result has
    the same bytes.

    Args:
        dataset: a folder with a built dataset, a repo on the Hub (`user/name`), or a source of replay logs,
            also that of an `AtariDQNReplay`.
        config_names: one or more of `<game>-<quality>`, e.g. `pong-expert`, or `all-expert`.
        format: `bucket`, `episodes-pt`, `lram` or `minari`; see docs/exporting.md.
        out: the folder to write to.
        runs: which runs; all that there are if None.
        checkpoints: which checkpoints, instead of those of the config's quality.
        revision: of a repo on the Hub.
        storage_options: for the file system of a source; see `open_source`.
        dry_run: write nothing, and report what would be written.
        options: of the format.

    Returns:
        What was written, and what could not be exact.

    Raises:
        AtariReplayError: there is no such dataset, config, run, checkpoint, format or option; something is
            damaged; or the folder holds something else.

    Example:

    ```python
    >>> from atari_dqn_replay import export
    >>> print(export("dataset", "pong-expert", format="bucket", out="mirror/dqn"))
    ```
    """
    chosen = _open_format(format, options)
    names = [config_names] if isinstance(config_names, str) else config_names
    source = open_dataset(dataset, revision=revision, storage_options=storage_options)
    selections = select(source, names, runs=runs, checkpoints=checkpoints, default_runs=chosen.default_runs)
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is a file; name a folder")
    make = chosen.plan if dry_run else chosen.write
    parts, failures = [], []
    for selection in selections:
        try:
            parts.append(make(selection, folder))
        except AtariReplayError as error:
            # What is wrong with one run does not keep the others from being exported.
            failures.append(f"{selection}: {error}")
        except OSError as error:
            why = error.strerror or error
            raise OutputError(f"{error.filename or folder}: cannot be written ({why})") from None
    if failures:
        others = f" ({len(parts)} of {len(selections)} runs are exported)" if len(selections) > 1 else ""
        raise OutputError("; ".join(failures) + others)
    return ExportReport(folder, parts, dry_run)


def option_names(kind: type[ExportFormat]) -> list[str]:
    """Returns the names of a format's options."""
    return [field.name for field in fields(kind)]  # pyright: ignore[reportArgumentType]


def _open_format(name: str, options: Mapping[str, Any]) -> ExportFormat:
    if name not in FORMATS:
        raise UnknownNameError(f"unknown format {name!r}: expected one of {', '.join(FORMATS)}")
    known = option_names(FORMATS[name])
    for option in options:
        if option not in known:
            raise UnknownNameError(f"{name} has no option {option!r}; it has {', '.join(known)}")
    return FORMATS[name](**options)
