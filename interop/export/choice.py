"""Which episodes of a run are exported, where only some are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...builder.sources.dataset_repo.run import RepoCheckpoint, RepoRun
from ...builder.sources.dataset_repo.shards import RecordedEpisode
from ...builder.sources.run import Episode, Run
from ...builder.terminal.progress import progress_bar
from ...replay_reader.episode_filter import EpisodeFilter
from ...replay_reader.episode_index import EPISODE_FIELDS


@dataclass(frozen=True)
class ChosenEpisodes:
    """Episodes of some checkpoints of a run, in order of play."""

    run: Run
    entries: np.ndarray
    """Of dtype EPISODE_FIELDS, one for each."""
    considered: int
    """How many the checkpoints hold."""

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def steps(self) -> int:
        """How many steps they have."""
        return int(self.entries["length"].sum())

    def read(self, first: int = 0) -> Iterator[Episode]:
        """Yield the episodes from the one with this place on; the frames of each are to be read at once."""
        entries = self.entries[first:]
        reader = self.run.reader()
        try:
            for number in np.unique(entries["checkpoint"]).tolist():
                wanted = entries["episode"][entries["checkpoint"] == number].tolist()
                checkpoint = reader.checkpoint(number)
                if isinstance(checkpoint, RepoCheckpoint):
                    yield from checkpoint.chosen(wanted)
                else:
                    yield from _among(checkpoint.episodes(), wanted)
        finally:
            reader.close()


def choose_episodes(
    run: Run, checkpoints: Sequence[int], episode_filter: EpisodeFilter | None
) -> ChosenEpisodes:
    """Returns the episodes of these checkpoints that a filter chooses; all if there is none.

    Of a dataset only the episodes tables are read for it, a source is read once from end to end.

    Raises:
        DatasetError: the filter is impossible.
    """
    table = _recorded_entries(run, checkpoints) if isinstance(run, RepoRun) else _entries(run, checkpoints)
    chosen = table if episode_filter is None else table[episode_filter.choose(table)]
    return ChosenEpisodes(run, chosen, len(table))


def _recorded_entries(run: RepoRun, checkpoints: Sequence[int]) -> np.ndarray:
    rows = [
        _entry(number, place, episode, episode.length, episode.episode_return)
        for number in sorted(checkpoints)
        for place, episode in enumerate(run.recorded(number))
    ]
    return np.array(rows, EPISODE_FIELDS)


def _entries(run: Run, checkpoints: Sequence[int]) -> np.ndarray:
    rows = []
    reader = run.reader()
    try:
        for number in progress_bar(sorted(checkpoints), description="list episodes", unit=" checkpoints"):
            for episode in reader.checkpoint(number).episodes():
                total = float(episode.reward.sum(dtype=np.float64))
                rows.append(_entry(number, episode.number, episode, len(episode), total))
    finally:
        reader.close()
    return np.array(rows, EPISODE_FIELDS)


def _entry(
    checkpoint: int, number: int, episode: Episode | RecordedEpisode, length: int, episode_return: float
) -> np.ndarray:
    entry = np.zeros((), EPISODE_FIELDS)
    entry["checkpoint"], entry["episode"] = checkpoint, number
    entry["length"], entry["return"] = length, episode_return
    for field in ("terminated", "truncated", "complete"):
        entry[field] = getattr(episode, field)
    return entry


def _among(episodes: Iterator[Episode], wanted: Sequence[int]) -> Iterator[Episode]:
    numbers = set(wanted)
    return (episode for episode in episodes if episode.number in numbers)
