"""Spoils a built dataset and a cache in every way that comes to mind, and lets every reader and command try.

    python tests/fuzz_datasets.py --minutes 30

Each round spoils one file of a copy (a flipped byte, a cut, bytes of elsewhere, another file's content, a
value of a table or of a record), or removes it, and runs one reader or command on the copy. There are two
right outcomes: the data as it was, or one `AtariReplayError`. (Where the card lists fewer files than before,
readers take those, and warn that it counts more.) `verify` must find whatever was changed in a Parquet file
and, with the source, in a manifest. Anything else is printed with the seed that repeats it (`--seed N
--rounds 1`, with the same `--subjects` and `--ways`), and the exit status is 1.

    python tests/fuzz_datasets.py --ways flip --rounds 2000 --minutes 60

flips one bit of a shard, a table, a manifest, the card or the cache in each round.
"""

import argparse
import contextlib
import io
import itertools
import json
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

sys.path.insert(0, str(Path(__file__).parent / "support"))

from atari_dqn_replay.builder.format.card_yaml import LOADER
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.commands.main import main as main_of_commands
from paths import THREE_LAPS

from atari_dqn_replay import AtariReplayError, Episodes, ReplayDataset, Sequences, Transitions

SELECTION = ("breakout-full", "run_1")

Read = Callable[[Path, Path], list[bytes]]
"""What a dataset in a folder, with its cache in another, gives."""


def _values(items: Any) -> list[bytes]:
    found = []
    for item in items:
        found += [np.asarray(value).tobytes() for _, value in sorted(item.items())]
    return found


def _episodes_of_source(folder: Path) -> list[bytes]:
    """What a dataset gives as the source of another."""
    run = open_source(str(folder)).open_run(find_game("breakout"), 1)
    found = []
    with contextlib.closing(run.reader()) as reader:
        for checkpoint in run.checkpoints:
            for episode in reader.checkpoint(checkpoint).episodes():
                flags = (episode.terminated, episode.truncated, episode.complete, episode.number)
                found += [repr(flags).encode(), episode.action.tobytes(), episode.reward.tobytes()]
                found += [b"".join(frames.tobytes() for frames in episode.frames)]
    return found


READERS: dict[str, Read] = {
    "Transitions": lambda folder, cache: _values(
        Transitions(folder, *SELECTION, batch_size=256, frame_stack=1, n_step=2)
    ),
    "Sequences": lambda folder, cache: _values(
        Sequences(folder, *SELECTION, length=50, stride=50, batch_size=16)
    ),
    # But for `complete`, which is documented as False where an episodes table is lost.
    "Episodes": lambda folder, cache: _values(
        {name: value for name, value in episode.items() if name != "complete"}
        for episode in Episodes(folder, *SELECTION)
    ),
    "ReplayDataset": lambda folder, cache: _values(
        [ReplayDataset(folder, *SELECTION, frame_stack=1, cache_dir=cache)[:]]
    ),
    "source": lambda folder, cache: _episodes_of_source(folder),
}

SOURCE = ["--source", str(THREE_LAPS)]

COMMANDS: dict[str, list[str]] = {
    "verify": ["verify", "{folder}"],
    "verify --quick": ["verify", "{folder}", "--quick"],
    "verify --source": ["verify", "{folder}", *SOURCE],
    "status": ["status", "breakout", *SOURCE, "--to", "{folder}"],
    "render": ["render", "--to", "{folder}"],
    "publish": ["publish", "{folder}", "--to", "{folder}-published"],
}
"""Those that find nothing wrong, or end with a message; their output is not compared."""


class Fuzzer:
    """A built dataset, its kept frames, and what readers give of them.

    Args:
        workspace: a folder to work in.
    """

    def __init__(self, workspace: Path) -> None:
        self.built, self.cache = workspace / "built", workspace / "built-cache"
        self._copy, self._copied_cache = workspace / "copy", workspace / "copy-cache"
        build = ["build", "breakout", *SOURCE, "--out", str(self.built), "--checkpoints", "2,3"]
        status, errors = _run_here(build)
        if status:
            raise SystemExit(errors)
        for command, arguments in COMMANDS.items():
            status, errors = _run_here(part.replace("{folder}", str(self.built)) for part in arguments)
            if status:
                raise SystemExit(f"{command}: {errors}")
        self.expected = {name: read(self.built, self.cache) for name, read in READERS.items()}
        self.outcomes: Counter[str] = Counter()

    def round(self, seed: int, subjects: list[str], ways: Sequence[str] = ()) -> str | None:
        """Spoil one thing and let one reader or command try; returns what was wrong, if anything."""
        random = np.random.default_rng(seed)
        subject = subjects[seed % len(subjects)]
        for source, copy in ((self.built, self._copy), (self.cache, self._copied_cache)):
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(source, copy)
        of_cache = subject == "ReplayDataset" and random.random() < 0.5
        if subject == "ReplayDataset" and not of_cache:
            shutil.rmtree(self._copied_cache)
        root = self._copied_cache if of_cache else self._copy
        files = sorted(path for path in root.rglob("*") if path.is_file())
        path = files[random.integers(len(files))]
        spoiling = [way for way in SPOILING if not ways or way.__name__ in ways]
        way = spoiling[random.integers(len(spoiling))]
        what = f"seed {seed}: {subject}, {way.__name__} of {path.relative_to(root)}"
        before = path.read_bytes()
        try:
            way(path, files, random)
        except NotApplicable:
            self.outcomes["nothing to spoil"] += 1
            return None
        return self._try(subject, what, must_refuse=_must_find(subject, path, before))

    def _try(self, subject: str, what: str, *, must_refuse: bool) -> str | None:
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                outcome = self._run(subject)
            if outcome != "the same" and any("the card counts" in str(warning.message) for warning in warned):
                outcome = "a part, with a warning"
        except AtariReplayError as error:
            outcome = "refused" if str(error) else "an error without a message"
        except Exception as error:
            outcome = f"{type(error).__name__}: {error}"
        if must_refuse and outcome == "the same":
            outcome = "found nothing wrong"
        known = outcome in ("the same", "refused", "a part, with a warning")
        self.outcomes[outcome if known else "WRONG"] += 1
        return None if known else f"{what}: {outcome}"

    def _run(self, subject: str) -> str:
        if subject in READERS:
            found = READERS[subject](self._copy, self._copied_cache)
            return "the same" if found == self.expected[subject] else "other data, in silence"
        shutil.rmtree(f"{self._copy}-published", ignore_errors=True)
        status, errors = _run_here(part.replace("{folder}", str(self._copy)) for part in COMMANDS[subject])
        if status not in (0, 1):
            return f"exit status {status}: {errors[-600:]}"
        return "the same" if status == 0 else "refused"


def _run_here(arguments: Iterable[str]) -> tuple[object, str]:
    """Run a command in this process; returns its exit status and what it wrote to stderr."""
    errors = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
        try:
            status: object = main_of_commands([*arguments])
        except SystemExit as end:
            status = end.code
    return status, errors.getvalue()


def _must_find(subject: str, path: Path, before: bytes) -> bool:
    """Returns whether a command is to find that a file was spoilt."""
    after = path.read_bytes() if path.exists() else None
    if not subject.startswith("verify") or after == before:
        return False
    if path.suffix == ".json":
        return subject == "verify --source" and not _is_same_record(before, after)
    return path.suffix == ".parquet"


def _is_same_record(before: bytes, after: bytes | None) -> bool:
    try:
        return after is not None and json.loads(after) == json.loads(before)
    except (ValueError, RecursionError):
        return False


class NotApplicable(Exception):  # noqa: N818
    """A file that cannot be spoilt in this way."""


Random = np.random.Generator


def flip(path: Path, files: list[Path], random: Random) -> None:
    """One bit."""
    content = _content(path)
    content[random.integers(len(content))] ^= 1 << random.integers(8)
    path.write_bytes(content)


def flip_in_footer(path: Path, files: list[Path], random: Random) -> None:
    """One bit of what a Parquet file says of itself."""
    content = _content(path)
    if path.suffix == ".parquet":
        length = int.from_bytes(content[-8:-4], "little") + 8
        content[len(content) - 1 - random.integers(min(length, len(content)))] ^= 1 << random.integers(8)
    else:
        content[len(content) - 1 - random.integers(min(200, len(content)))] ^= 1 << random.integers(8)
    path.write_bytes(content)


def cut(path: Path, files: list[Path], random: Random) -> None:
    """The end is lost."""
    path.write_bytes(_content(path)[: random.integers(path.stat().st_size)])


def overwrite(path: Path, files: list[Path], random: Random) -> None:
    """Some bytes are random."""
    content = _content(path)
    start = int(random.integers(len(content)))
    count = min(int(random.integers(1, 2000)), len(content) - start)
    content[start : start + count] = random.bytes(count)
    path.write_bytes(content)


def repeat(path: Path, files: list[Path], random: Random) -> None:
    """Some bytes come from elsewhere in the file."""
    content = _content(path)
    start, other = (int(place) for place in random.integers(len(content), size=2))
    count = min(int(random.integers(1, 5000)), len(content) - max(start, other))
    content[start : start + count] = content[other : other + count]
    path.write_bytes(content)


def swap(path: Path, files: list[Path], random: Random) -> None:
    """Another file stands in its place."""
    alike = [other for other in files if other.suffix == path.suffix and other != path]
    if not alike:
        raise NotApplicable
    path.write_bytes(alike[random.integers(len(alike))].read_bytes())


def lose(path: Path, files: list[Path], random: Random) -> None:
    """It is not there."""
    path.unlink()


def craft(path: Path, files: list[Path], random: Random) -> None:
    """A table or a record that is well formed, with another value somewhere."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        names = [name for name in CONTRADICTED if name in table.column_names]
        if random.random() < 0.2:
            craft_rows(path, table, random)
            return
        name = names[random.integers(len(names))]
        index = table.schema.get_field_index(name)
        kind, values = table.schema.field(index).type, table.column(index).to_pylist()
        row = int(random.integers(len(values)))
        values[row] = values[row] + 300 if name == "action" else _other_value(values[row], random)
        try:
            column = pa.array(values, kind)
        except (pa.ArrowInvalid, OverflowError, TypeError):
            raise NotApplicable from None
        pq.write_table(table.set_column(index, table.schema.field(index), column), path)
    elif path.suffix == ".json":
        record = json.loads(path.read_text())
        owner, key = _random_place(record, random)
        owner[key] = _other_value(owner[key], random)
        path.write_text(json.dumps(record))
    elif path.suffix == ".md" and path.read_text().startswith("---\n"):  # the card, not a game's page
        _, front, text = path.read_text().split("---\n", 2)
        entries = yaml.load(front, LOADER)
        owner, key = _random_place(entries, random)
        owner[key] = _other_value(owner[key], random)
        path.write_text(f"---\n{yaml.safe_dump(entries)}---\n{text}")
    else:
        raise NotApplicable


def craft_rows(path: Path, table: pa.Table, random: Random) -> None:
    """Rows or columns that are lost, doubled or out of order."""
    rows = np.arange(len(table))
    one, other = random.integers(len(rows), size=2)
    ways = [
        np.delete(rows, one),
        np.insert(rows, one, rows[other]),
        np.where(rows == one, other, np.where(rows == other, one, rows)),
    ]
    if random.random() < 0.25:
        pq.write_table(table.drop_columns([table.column_names[random.integers(table.num_columns)]]), path)
    else:
        pq.write_table(table.take(ways[random.integers(len(ways))]), path)


CONTRADICTED = (
    "action", "terminated", "truncated", "checkpoint", "episode", "step", "length", "first_row", "file",
    "game", "run",
)  # fmt: skip
"""The columns whose values other files contradict, or that no game has; others only `verify` can tell."""

SPOILING: list[Callable[[Path, list[Path], Random], None]] = [
    flip, flip, flip, flip_in_footer, flip_in_footer, cut, overwrite, repeat, swap, lose, craft, craft,
]  # fmt: skip


def _content(path: Path) -> bytearray:
    content = bytearray(path.read_bytes())
    if not content:
        raise NotApplicable
    return content


def _other_value(value: Any, random: Random) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return [value + 1, -value - 1, 0, 1 << 40, 1 << 14][random.integers(5)]
    if isinstance(value, float):
        return [value + 1, -value, float("nan"), 3e38][random.integers(4)]
    if isinstance(value, str):
        return ["", "../" + value, value[:-1], value + "\0", "x" * 100_000][random.integers(5)]
    return [None, [], {}, 7, "text"][random.integers(5)]


def _random_place(record: Any, random: Random) -> tuple[Any, Any]:
    """A value within nested lists and mappings: what holds it, and under what."""
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        keys = (
            list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
        )
        for key in keys:
            places.append((value, key))
            collect(value[key])

    collect(record)
    return places[random.integers(len(places))]


def main() -> None:
    """Fuzz as long as asked for, and count."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the first round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=1 << 40, help="at most")
    everything = [*READERS, *COMMANDS]
    parser.add_argument("--subjects", nargs="+", default=list(READERS), choices=everything, metavar="SUBJECT",
                        help=f"of {', '.join(everything)} (default: the readers)")  # fmt: skip
    parser.add_argument("--ways", nargs="+", default=[], choices=sorted({way.__name__ for way in SPOILING}),
                        metavar="WAY", help="of %(choices)s (default: all)")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as workspace:
        fuzzer = Fuzzer(Path(workspace))
        seeds = range(options.seed, options.seed + options.rounds)
        until = time.monotonic() + 60 * options.minutes
        for seed in itertools.takewhile(lambda _: time.monotonic() < until, seeds):
            finding = fuzzer.round(seed, options.subjects, options.ways)
            if finding is not None:
                print(finding, flush=True)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(fuzzer.outcomes.items()))
    print(f"{fuzzer.outcomes.total():,} rounds: {counts}")
    sys.exit(1 if fuzzer.outcomes["WRONG"] else 0)


if __name__ == "__main__":
    main()
