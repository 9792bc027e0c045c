"""A checkpoint's episodes table against its steps: each can be computed from the other."""

from collections.abc import Iterator, Sequence, Sized

import numpy as np
import pyarrow as pa

from ..errors import AtariReplayError
from ..format.frames import decode_frames
from ..format.manifest import Manifest
from ..shards.steps import Columns
from .manifests import place_of, redo
from .pngs import check_images, check_pictures
from .report import Difference

FINAL = "final_observation"

_SUMS_MAY_DIFFER = 1e-6
"""Relative tolerance: sums of rewards that are not integers depend on the order of summation."""


def check_episodes(manifest: Manifest, table: pa.Table, shards: Sequence[Columns]) -> Iterator[Difference]:
    """Check that lengths, ends, returns and positions agree.

    Args:
        manifest: the checkpoint's manifest.
        table: the checkpoint's episodes table.
        shards: the steps of each shard, without their frames.
    """
    nulls = [name for name in table.column_names if name != FINAL and table.column(name).null_count]
    if nulls:
        path = manifest.episodes_table.path
        yield Difference(path, f"{', '.join(nulls)} has rows without a value; {redo(manifest)}")
        return
    check = _EpisodesCheck(manifest, table, shards)
    fits = list(check.places())
    yield from fits
    if not fits:
        yield from check.steps()
        yield from check.table()
        yield from check.summary()


def differing_columns(table: pa.Table, other: pa.Table) -> list[str]:
    """Returns the names of the columns in which two episodes tables differ."""
    if len(table) != len(other):
        return table.column_names
    return [
        name
        for name in table.column_names
        if not table.column(name).equals(other.column(name))
        and (name != "return" or _unequal(*(each.column(name).to_numpy() for each in (table, other))).any())
    ]


class _EpisodesCheck:
    """Compares the columns of both tables, each named as it is stored."""

    def __init__(self, manifest: Manifest, table: pa.Table, shards: Sequence[Columns]) -> None:
        self._manifest, self._table, self._shards = manifest, table, shards
        self._path = manifest.episodes_table.path
        self._length = self._column("length").astype(np.int64)
        self._end = np.cumsum(self._length)
        self._start = self._end - self._length

    def places(self) -> Iterator[Difference]:
        """Check that the episodes fill the shards one after the other, and that none spans two."""
        rows = np.array([len(shard["step"]) for shard in self._shards])
        total = int(self._length.sum())
        if (self._length < 1).any() or total != rows.sum():
            yield self._differs(f"found lengths of {total:,} steps together, expected {rows.sum():,}")
            return
        shard_end = np.cumsum(rows)
        shard = np.searchsorted(shard_end, self._start, side="right")
        if straddling := np.flatnonzero(self._end > shard_end[shard]).tolist():
            yield self._differs(f"episode {straddling[0]} lies in two shards, expected one")
            return
        names = np.array([record.path for record in self._manifest.shards], object)
        yield from self._compare("file", names[shard])
        yield from self._compare("first_row", self._start - (shard_end - rows)[shard])

    def steps(self) -> Iterator[Difference]:
        """Check that the steps' columns are what the table implies."""
        first = np.cumsum([0, *(len(shard["step"]) for shard in self._shards)])
        for name, expected in self._expected_steps():
            found = np.concatenate([shard[name] for shard in self._shards])
            wrong = np.flatnonzero(_unequal(found, expected))
            if len(wrong):
                row = int(wrong[0])
                shard = int(np.searchsorted(first, row, side="right")) - 1
                yield Difference(
                    self._manifest.shards[shard].path,
                    f"row {row - first[shard]:,}: found {name} {found[row]}, expected {expected[row]} by the "
                    f"episodes and rewards ({_count(wrong, 'row')}); {redo(self._manifest)}",
                )

    def table(self) -> Iterator[Difference]:
        """Check that the table's own columns agree."""
        manifest, count = self._manifest, len(self._table)
        yield from self._compare("game", np.full(count, manifest.game, object))
        yield from self._compare("run", np.full(count, manifest.run))
        yield from self._compare("checkpoint", np.full(count, manifest.checkpoint))
        yield from self._compare("episode", np.arange(count))
        returns = self._column("return")
        expected = np.array(self._returns(), np.float32)
        close = np.isclose(returns, expected, rtol=_SUMS_MAY_DIFFER, atol=0, equal_nan=True)
        yield from self._compare("return", np.where(close, returns, expected))
        ended = self._column("terminated") ^ self._column("truncated")
        both = self._column("terminated") & self._column("truncated")
        yield from self._compare("complete", self._column("complete") & ended)
        yield from self._compare("truncated", self._column("truncated") & ~both)
        yield from self._images()

    def _images(self) -> Iterator[Difference]:
        images = self._table.column(FINAL).drop_null()
        try:
            check_images(images, decode_frames(images, self._manifest.frame_format))
        except (AtariReplayError, ValueError) as error:
            yield self._differs(f"{FINAL}: {error}")
        for name in self._table.column_names:
            if name != FINAL and pa.types.is_struct(self._table.schema.field(name).type):
                try:
                    check_pictures(self._table.column(name))
                except ValueError as error:
                    yield self._differs(f"{name}: {error}")

    def summary(self) -> Iterator[Difference]:
        """Check that the manifest sums them up correctly."""
        manifest = self._manifest
        complete = self._column("complete")
        final = len(self._table) - self._table.column(FINAL).null_count
        returns = [total for total, is_complete in zip(self._returns(), complete, strict=True) if is_complete]
        mean = sum(returns) / len(returns) if returns else None
        for name, found, wanted in (
            ("complete_episodes", manifest.step_counts.complete_episodes, int(complete.sum())),
            ("final_observations", manifest.row_counts.final_observations, final),
            ("mean return", manifest.returns.mean, mean),
            ("minimum return", manifest.returns.minimum, min(returns, default=None)),
            ("maximum return", manifest.returns.maximum, max(returns, default=None)),
        ):
            if not _agree(found, wanted):
                yield Difference(
                    place_of(manifest),
                    f"found {name} {found}, expected {wanted} by the episodes table; {redo(manifest)}",
                )
        last = int(self._length[-1]) if len(self._length) else 0
        later = manifest.step_counts.continued_in_later
        if later > last:
            yield Difference(
                place_of(manifest),
                f"found {later:,} steps continued in later files, expected at "
                f"most the {last:,} of the last episode; {redo(manifest)}",
            )

    def _expected_steps(self) -> Iterator[tuple[str, np.ndarray]]:
        total = int(self._length.sum())
        number = np.repeat(np.arange(len(self._length)), self._length)
        is_last = np.zeros(total, bool)
        is_last[self._end - 1] = True
        yield "checkpoint", np.full(total, self._manifest.checkpoint)
        yield "episode", number
        yield "step", np.arange(total) - self._start[number]
        yield "terminated", is_last & self._column("terminated")[number]
        yield "truncated", is_last & self._column("truncated")[number]
        yield "return_to_go", self._returns_to_go()

    def _rewards(self) -> Iterator[np.ndarray]:
        """Yield the rewards of each episode."""
        reward = np.concatenate([shard["reward"] for shard in self._shards])
        for start, end in zip(self._start, self._end, strict=True):
            yield reward[start:end]

    def _returns(self) -> list[float]:
        return [float(reward.sum(dtype=np.float64)) for reward in self._rewards()]

    def _returns_to_go(self) -> np.ndarray:
        backwards = [np.cumsum(reward[::-1], dtype=np.float64)[::-1] for reward in self._rewards()]
        return np.concatenate([np.empty(0), *backwards]).astype(np.float32)

    def _column(self, name: str) -> np.ndarray:
        return self._table.column(name).to_numpy()

    def _compare(self, name: str, expected: np.ndarray) -> Iterator[Difference]:
        found = self._column(name)
        wrong = np.flatnonzero(_unequal(found, expected))
        if len(wrong):
            row = int(wrong[0])
            yield self._differs(
                f"episode {row}: found {name} {found[row]}, expected {expected[row]} by the steps "
                f"({_count(wrong, 'episode')})"
            )

    def _differs(self, message: str) -> Difference:
        return Difference(self._path, f"{message}; {redo(self._manifest)}")


def _count(items: Sized, name: str) -> str:
    return f"in {len(items):,} {name}{'s' * (len(items) != 1)}"


def _unequal(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns where the values differ; NaN is equal to itself."""
    return (found != expected) & ~((found != found) & (expected != expected))


def _agree(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return bool(np.isclose(found, expected, rtol=_SUMS_MAY_DIFFER, atol=0, equal_nan=True))
