"""The configs of a card: each loads with stock `datasets`, and shows the files and numbers that it should."""

import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

from ..format.layout import CARD
from ..network.errors import describe_error
from ..repos.repo_reader import RepoReader
from ..terminal.progress import progress_bar
from .mending import load_again
from .report import Difference, some
from .stock_configs import StockConfigs
from .stock_streams import end_streams_before_python


@dataclass(frozen=True)
class ExpectedConfig:
    """What a config of the card is to show."""

    files: Mapping[str, Sequence[str]]
    """The paths of each split, in the order of play."""
    info: Mapping[str, Any] | None
    """Its entry in the card's `dataset_info`, or None if no numbers are known."""
    advice: str
    """What mends it."""


def check_configs(
    repo: RepoReader,
    files: Collection[str],
    expected: Mapping[str, ExpectedConfig | None],
    infos: Mapping[str, Mapping[str, Any]],
    *,
    decode: bool,
) -> Iterator[Difference]:
    """Yield what is wrong with configs as `datasets` loads them.

    Args:
        repo: the repo.
        files: its listing; files missing from it have already been reported.
        expected: what each config is to show; of those with None, only loading is checked.
        infos: the entries of the card's `dataset_info`, by the config's name.
        decode: also read the first row of every split.
    """
    failures: dict[str, list[str]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="verify-") as cache, _quiet_datasets():
        configs = StockConfigs(repo, Path(cache))
        for name in progress_bar([*expected], description="configs", unit=" configs"):
            config = expected[name]
            found: list[Difference] = []
            try:
                builder = configs.open(name)
                if config is not None:
                    wrong = _find_wrong(repo, files, builder, config, infos.get(name, {}))
                    found += [Difference(f"{CARD} ({name})", f"{each}; {config.advice}") for each in wrong]
                if decode:
                    _decode_first_rows(builder)
            except Exception as error:  # whatever `datasets` and the card's author come up with
                repo.require_answer()
                failures[f"{type(error).__name__}: {describe_error(error)}"].append(name)
            yield from found
    for message, failed in failures.items():
        yield Difference(
            f"{CARD} ({', '.join(failed)})", f"load_dataset fails ({message}); {load_again(failed)}"
        )


def _find_wrong(
    repo: RepoReader,
    files: Collection[str],
    builder: datasets.DatasetBuilder,
    expected: ExpectedConfig,
    info: Mapping[str, Any],
) -> Iterator[str]:
    assert builder.config.data_files is not None
    found = {
        str(split): [repo.path_in_repo(str(url)) for url in urls]
        for split, urls in builder.config.data_files.items()
    }
    wrong = [
        message
        for split in sorted({*found, *expected.files})
        for message in _wrong_files(split, found.get(split, []), expected.files.get(split, []), files)
    ]
    yield from wrong
    # Numbers that belong to other files differ, too.
    if expected.info is not None and not wrong:
        yield from _wrong_numbers(expected.info, builder, info)


def _wrong_files(
    split: str, found: Sequence[str], expected: Sequence[str], files: Collection[str]
) -> Iterator[str]:
    there = [path for path in expected if path in files]
    if not found:
        yield f"found no split {split}, expected one with {some(sorted(expected))}"
    elif missing := sorted({*there} - {*found}):
        yield f"split {split} does not show {some(missing)}"
    if more := sorted({*found} - {*expected}):
        yield f"split {split} shows {some(more)}, which no manifest places there"
    elif {*found} == {*there} and found != there:
        how = "more than once" if len(found) > len(there) else "in another order"
        yield f"split {split} shows files {how}, expected each once in the order of play"


def _wrong_numbers(
    expected: Mapping[str, Any], builder: datasets.DatasetBuilder, info: Mapping[str, Any]
) -> Iterator[str]:
    said = {name: split.num_examples for name, split in (builder.info.splits or {}).items()}
    pairs = [
        (f"num_examples of {split['name']}", said.get(split["name"]), split["num_examples"])
        for split in expected["splits"]
    ]
    pairs.append(("download_size", info.get("download_size"), expected["download_size"]))
    for name, found, wanted in pairs:
        if found != wanted:
            yield f"found {name} {_number(found)}, expected {_number(wanted)}"
    if builder.info.features is None or builder.info.features._to_yaml_list() != expected["features"]:
        yield "found other features than those of the files"


def _decode_first_rows(builder: datasets.DatasetBuilder) -> None:
    end_streams_before_python()
    assert builder.config.data_files is not None
    for split in builder.config.data_files:
        rows: Any = builder.as_streaming_dataset(split=str(split))
        for row in rows:
            if not row:
                raise ValueError(f"split {split} has empty rows")
            break
        else:
            raise ValueError(f"split {split} has no rows")


def _number(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value).lower()


@contextlib.contextmanager
def _quiet_datasets() -> Iterator[None]:
    """Silence the bars and log lines of `datasets`: failures are in the report."""
    were_disabled, verbosity = are_progress_bars_disabled(), datasets.logging.get_verbosity()
    disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(verbosity)
        if not were_disabled:
            enable_progress_bars()
