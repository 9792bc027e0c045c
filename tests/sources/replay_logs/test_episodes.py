"""What comes back from a replay log: the episodes that were played, each transition once and bit for bit.

The tests play, log what was played with the ring buffer, take files away, and compare what the reader gives
with what is in the files. That is worked out here anew, from two facts about the ring and nothing of the
reader's: every row that was ever written, in order ("the tape"), and that a file holds the last C rows of the
tape that were written before it was dumped.
"""

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import RowCounts, StepCounts
from atari_dqn_replay.builder.repos.repo_folder import read_manifests
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.run import Checkpoint, Episode, Run
from datasets.distributed import split_dataset_by_node
from fsspec.implementations.local import LocalFileSystem
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from isal.igzip import READ_BUFFER_SIZE
from logs import Played, log_transitions, real_frames
from numpy.typing import NDArray
from paths import DATA

from atari_dqn_replay import AtariDQNReplay, decode_frames

pytestmark = pytest.mark.slow

PADDING = -1
PADDING_ROWS = 3
STAMP_BASE = 251


# What should come back


@dataclass(frozen=True)
class ExpectedEpisode:
    """An episode, or the part of it that the files hold."""

    checkpoint: int
    number: int
    transitions: list[int]
    ended: bool
    complete: bool
    joined: bool


@dataclass(frozen=True)
class Expected:
    """What should come back from a log: its episodes, and for each file an account of its rows."""

    episodes: list[ExpectedEpisode]
    rows: dict[int, RowCounts]
    steps: dict[int, StepCounts]


class Tape:
    """Every row that was ever written to the ring, in order, and which of them are in which file.

    A row is a transition's index, or PADDING. It belongs to the first file that holds it.
    """

    def __init__(self, played: Played, *, finished: bool) -> None:
        self.played = played
        self.rows = self._write()
        dumps = [int(count) for count in self._counts() if count % played.capacity == played.capacity - 1]
        if finished:
            dumps.append(len(self.rows))
        self.final = len(dumps) - 1 if finished else None
        self.windows = {
            number: range(max(0, count - played.capacity), count)
            for number, count in enumerate(dumps)
            if number in played.files
        }
        self.file = np.full(len(self.rows), -1)
        for number, window in sorted(self.windows.items(), reverse=True):
            self.file[window.start : window.stop] = number

    def _write(self) -> NDArray[np.int64]:
        begins = np.concatenate([[True], self.played.terminal[:-1]])
        rows = [
            [*[PADDING] * PADDING_ROWS, index] if begins[index] else [index] for index in range(len(begins))
        ]
        return np.concatenate(rows)

    def _counts(self) -> NDArray[np.intp]:
        """After each transition, how many rows had been written: only then is the ring ever dumped."""
        return np.flatnonzero(self.rows != PADDING) + 1

    def stretches(self) -> list[range]:
        """Parts of the tape that the files hold without a gap, as far as they can tell."""
        found: list[range] = []
        for place in np.flatnonzero(self.file >= 0).tolist():
            start = place if self._begins_stretch(place) else found.pop().start
            found.append(range(start, place + 1))
        return found

    def _begins_stretch(self, place: int) -> bool:
        before, number = self.file[place - 1] if place else -1, self.file[place]
        # The final file does not say how often the ring went round, so that without the file before it
        # nothing shows that it joins an earlier one.
        unattached = number == self.final and number != before and number - 1 not in self.windows
        return number >= 0 and (before < 0 or unattached)

    def follows_skipped_lap(self, place: int) -> bool:
        """Whether the numbers of the files show that a lap was skipped here, rather than a file lost."""
        number = self.file[place]
        return place > 0 and number != self.final and (number == 0 or number - 1 in self.windows)

    def is_black(self, place: int) -> bool:
        index = self.rows[place]
        return index == PADDING or not self.played.observation[index].any()

    def is_blank(self, place: int) -> bool:
        """Whether the row is zero in every array, as padding is."""
        index = self.rows[place]
        numbers = (self.played.action, self.played.reward, self.played.terminal)
        return self.is_black(place) and (index == PADDING or not any(array[index] for array in numbers))

    def padding_seen(self, stretch: range) -> int:
        """Rows at a stretch's start, after a hole, that are padding as far as the files show.

        Black frames with action 0 and reward 0 differ from padding in nothing but their place, which a hole
        hides. What is assumed: every episode begins with as many black frames as the next one that begins
        in the same file, and with none if none does.
        """
        if stretch.start == 0:
            return 0
        most = 2 if self.follows_skipped_lap(stretch.start) else PADDING_ROWS
        blank = _leading(self.is_blank(place) for place in stretch[:most])
        black = _leading(self.is_black(place) for place in stretch)
        return max(0, min(blank, black - self._black_at_next_beginning(stretch)))

    def _black_at_next_beginning(self, stretch: range) -> int:
        for place in stretch[1:]:
            ended = self.rows[place - 1] != PADDING and self.played.terminal[self.rows[place - 1]]
            if ended and self.file[place] == self.file[stretch.start]:
                return _leading(self.is_black(other) for other in range(place + PADDING_ROWS, stretch.stop))
            if ended:
                break
        return 0

    def hides_its_end(self) -> bool:
        """Whether black frames make a final file after a skipped lap look as if no lap had been skipped."""
        if self.final not in self.windows:
            return False
        window, before = self.windows[self.final], self.windows.get(self.final - 1)
        after_gap = window.start > 0 if self.final == 0 else before is not None and window.start > before.stop
        last_row = self.is_blank(before.stop - 1) if before else True
        return after_gap and last_row and any(map(self.is_black, _transitions(self, window)))

    def expected(self) -> Expected:
        """The episodes, and the account of each file's rows."""
        padding = self.rows == PADDING
        episodes: list[ExpectedEpisode] = []
        for stretch in self.stretches():
            seen = self.padding_seen(stretch)
            padding[stretch.start : stretch.start + seen] = True
            begins = stretch.start == 0 or seen > 0 or self.follows_skipped_lap(stretch.start)
            places = [place for place in stretch if not padding[place]]
            while places:
                ends = [n for n, place in enumerate(places) if self.played.terminal[self.rows[place]]]
                taken, places = (places[: ends[0] + 1], places[ends[0] + 1 :]) if ends else (places, [])
                checkpoint = int(self.file[taken[0]])
                episodes.append(
                    ExpectedEpisode(
                        checkpoint=checkpoint,
                        number=sum(episode.checkpoint == checkpoint for episode in episodes),
                        transitions=[int(self.rows[place]) for place in taken],
                        ended=bool(ends),
                        complete=bool(ends) and begins,
                        joined=int(self.file[taken[-1]]) != checkpoint,
                    )
                )
                begins = True
        return Expected(
            episodes,
            {number: self._account_of_rows(number, padding) for number in self.windows},
            {number: self._account_of_steps(number, episodes) for number in self.windows},
        )

    def _account_of_rows(self, number: int, padding: NDArray[np.bool_]) -> RowCounts:
        capacity, window = self.played.capacity, self.windows[number]
        own = self.file == number
        return RowCounts(
            rows_read=capacity,
            transitions=int((own & ~padding).sum()),
            padding=int((own & padding).sum()),
            stale=capacity - len(window),
            repeated=len(window) - int(own.sum()),
        )

    def _account_of_steps(self, number: int, episodes: list[ExpectedEpisode]) -> StepCounts:
        files = dict(zip(self.rows.tolist(), self.file.tolist(), strict=True))
        own = [episode for episode in episodes if episode.checkpoint == number]
        others = [
            index for episode in episodes if episode.checkpoint < number for index in episode.transitions
        ]
        return StepCounts(
            steps=sum(len(episode.transitions) for episode in own),
            continued_from_earlier=sum(files[index] == number for index in others),
            continued_in_later=sum(files[index] > number for episode in own for index in episode.transitions),
            episodes=len(own),
            complete_episodes=sum(episode.complete for episode in own),
        )


def _leading(flags: Iterator[bool]) -> int:
    """How many of the first flags are set."""
    count = 0
    for flag in flags:
        if not flag:
            break
        count += 1
    return count


def _transitions(tape: Tape, window: range) -> list[int]:
    return [place for place in window if tape.rows[place] != PADDING]


# What does come back


@dataclass(frozen=True)
class Read:
    """An episode, with all of its frames."""

    episode: Episode
    frames: NDArray[np.uint8]

    def key(self) -> tuple[Any, ...]:
        """All that there is to an episode: equal keys are equal episodes."""
        episode = self.episode
        flags = (episode.terminated, episode.truncated, episode.complete, episode.joined)
        arrays = (episode.action, episode.reward, self.frames)
        return (episode.checkpoint, episode.number, *flags, *(array.tobytes() for array in arrays))


def open_run(root: Path | str, game: str = "Pong", run: int = 1, **options: Any) -> Run:
    return open_source(str(root), options).open_run(find_game(game), run)


def read_checkpoint(checkpoint: Checkpoint) -> list[Read]:
    return [
        Read(episode, np.concatenate([np.empty((0, 84, 84), np.uint8), *episode.frames]))
        for episode in checkpoint.episodes()
    ]


def read_checkpoints(run: Run, numbers: Sequence[int] | None = None) -> dict[int, list[Read]]:
    """Checkpoints read one after the other by one reader."""
    reader = run.reader()
    try:
        return {
            number: read_checkpoint(reader.checkpoint(number))
            for number in (run.checkpoints if numbers is None else numbers)
        }
    finally:
        reader.close()


def keys(read: dict[int, list[Read]]) -> dict[int, list[tuple[Any, ...]]]:
    return {number: [each.key() for each in episodes] for number, episodes in read.items()}


def assert_recovered(tape: Tape) -> Expected:
    """All that the files hold comes back, in order and once, and every row is accounted for."""
    played = tape.played
    # No game but Amidar begins with black frames: those of others would be taken for more padding.
    options = {} if played.observation[0].any() else {"stack_size": 4}
    expected = tape.expected()
    run = open_run(played.root, played.game.name, played.run, **options)
    reader = run.reader()
    read: list[Read] = []
    for number in run.checkpoints:
        checkpoint = reader.checkpoint(number)
        read += read_checkpoint(checkpoint)
        assert checkpoint.row_counts == expected.rows[number]
        assert checkpoint.step_counts == expected.steps[number]
    reader.close()
    for found, wanted in zip(read, expected.episodes, strict=True):
        episode, indices = found.episode, wanted.transitions
        assert (episode.checkpoint, episode.number) == (wanted.checkpoint, wanted.number)
        assert len(episode) == len(indices)
        assert np.array_equal(found.frames, played.observation[indices])
        assert episode.action.tobytes() == played.action[indices].tobytes()
        assert episode.reward.tobytes() == played.reward[indices].tobytes()
        assert (episode.terminated, episode.truncated) == (wanted.ended, False)
        assert (episode.complete, episode.joined) == (wanted.complete, wanted.joined)
    return expected


# Logs


def play(lengths: Sequence[int], *, game: str = "Pong", seed: int = 0, black: int = 0) -> dict[str, Any]:
    """Transitions of episodes of these lengths, from real frames.

    Each frame carries its number in its first pixels, so that no two are alike. The first `black`
    transitions of an episode are zero in every array, as padding is; but for the last of an episode.
    """
    count = sum(lengths)
    random = np.random.default_rng(seed)
    observation = np.resize(real_frames(game, 512), (count, 84, 84))
    stamps = np.arange(count)
    observation[:, 0, 0], observation[:, 0, 1] = 1 + stamps % STAMP_BASE, stamps // STAMP_BASE
    action = random.integers(len(find_game(game).actions), size=count, dtype=np.int32)
    reward = random.choice(np.array([-1, 0, 0, 1], np.float32), size=count)
    ends = np.cumsum(lengths)
    for end, length in zip(ends, lengths, strict=True):
        first = slice(end - length, end - length + min(black, length))
        observation[first], action[first], reward[first] = 0, 0, 0
    terminal = np.zeros(count, bool)
    terminal[ends - 1] = True
    return {
        "observation": observation,
        "action": action,
        "reward": reward,
        "terminal": terminal,
        "game": game,
    }


GAMES = ("Pong", "Breakout", "MsPacman")


@st.composite
def episode_lengths(draw: st.DrawFn, capacity: int, shortest: int = 1) -> list[int]:
    """Lengths of some episodes: of a step or a few, of about a lap, and of several laps."""
    short = st.integers(shortest, shortest + 12)
    lap = st.integers(max(shortest, capacity - 6), max(shortest, capacity + 3))
    long = st.integers(shortest, max(shortest, 3 * capacity))
    most = max(2, min(14, 500 // capacity))
    return draw(st.lists(short | lap | long, min_size=1, max_size=most))


@st.composite
def arguments(draw: st.DrawFn, *, holes: bool = True, black: bool = False) -> dict[str, Any]:
    """A log to be: what is played, the ring's size, how the log ends, and the files that are lost."""
    capacity = draw(st.sampled_from([5, 6, 7, 8, 9, 10, 12, 16, 25, 40, 250]))
    blacks = draw(st.integers(1, 6)) if black else 0
    # With a hole, see `padding_seen`; without one, episodes may be shorter than their black frames.
    lengths = draw(episode_lengths(capacity, blacks + 1 if holes else 1))
    return {
        "lengths": lengths,
        "capacity": capacity,
        "black": blacks,
        "seed": draw(st.integers(0, 99)),
        "game": draw(st.sampled_from(GAMES)),
        "in_mid_episode": draw(st.booleans()),
        "finish": draw(st.booleans()),
        "delete": draw(st.sets(st.integers(0, 6), max_size=3).map(sorted)) if holes else [],
    }


def write(root: Path, given: dict[str, Any]) -> Tape:
    """Log it, and make sure that the tape agrees with what the ring buffer says it stored."""
    played = play(given["lengths"], game=given["game"], seed=given["seed"], black=given["black"])
    if given["in_mid_episode"]:
        played["terminal"][-1] = False
    log = log_transitions(
        root, **played, capacity=given["capacity"], finish=given["finish"], delete=given["delete"]
    )
    return tape_of(log, finished=given["finish"])


def tape_of(log: Played, *, finished: bool = True) -> Tape:
    tape = Tape(log, finished=finished)
    owners = tape.file[tape.rows != PADDING].tolist()
    assert owners == [min(numbers, default=-1) for numbers in log.stored]
    return tape


def write_simple(root: Path, lengths: Sequence[int], capacity: int, **options: Any) -> Tape:
    given = {"game": "Pong", "seed": 0, "black": 0, "in_mid_episode": False, "finish": True, "delete": []}
    return write(root, {**given, "lengths": lengths, "capacity": capacity, **options})


# Logs of Dopamine's own buffer


def fixture(name: str) -> Tape:
    arrays = np.load(DATA / name / "played.npz")
    root = DATA / name / "dqn"
    files = sorted(int(path.name.split(".")[1]) for path in root.rglob("add_count_ckpt.*.gz"))
    capacity = open_run(root, "Breakout").capacity()
    assert capacity is not None
    played = Played(root, find_game("Breakout"), 1, capacity, **arrays, stored=(), files=tuple(files))
    return Tape(played, finished=True)


def test_three_laps_of_dopamines_buffer_come_back_whole() -> None:
    """All 9,500 transitions, the first 9,000 rows of the ring being three laps and the rest a fourth file."""
    tape = fixture("three_laps")
    expected = assert_recovered(tape)
    assert tape.played.capacity == 3000
    assert list(expected.rows) == [0, 1, 2, 3]
    indices = [index for episode in expected.episodes for index in episode.transitions]
    assert indices == list(range(9500))
    assert all(episode.complete == episode.ended for episode in expected.episodes)
    assert sum(episode.joined for episode in expected.episodes) == 3
    assert [counts.stale for counts in expected.rows.values()] == [1, 0, 0, 0]
    assert sum(counts.repeated for counts in expected.rows.values()) == expected.rows[3].repeated > 0


def test_a_lap_that_dopamines_buffer_never_dumped_is_a_hole_between_two_stretches() -> None:
    """2,255 of the 2,500 transitions are left; what follows the hole begins where an episode begins."""
    tape = fixture("skipped_lap")
    expected = assert_recovered(tape)
    assert (tape.played.capacity, len(expected.rows)) == (250, 10)
    indices = np.array([index for episode in expected.episodes for index in episode.transitions])
    (hole,) = np.flatnonzero(np.diff(indices) != 1)
    assert (len(indices), len(tape.stretches())) == (2255, 2)
    assert tape.played.terminal[indices[hole + 1] - 1]
    (cut,) = [episode for episode in expected.episodes if indices[hole] in episode.transitions]
    (after,) = [episode for episode in expected.episodes if indices[hole + 1] in episode.transitions]
    assert (cut.ended, after.complete) == (False, True)


# Small logs, one for each thing that a ring does to episodes


def lengths_by_checkpoint(tape: Tape) -> dict[int, list[int]]:
    """Lengths of the episodes that come back, after all that `assert_recovered` checks."""
    expected = assert_recovered(tape)
    return {
        number: [len(episode.transitions) for episode in expected.episodes if episode.checkpoint == number]
        for number in tape.windows
    }


def test_an_episode_belongs_whole_to_the_checkpoint_in_which_it_began(tmp_path: Path) -> None:
    """Over several boundaries as well: a checkpoint may be left with no episode at all."""
    tape = write_simple(tmp_path, [2, 31, 4], capacity=10)
    assert lengths_by_checkpoint(tape) == {0: [2, 31], 1: [], 2: [], 3: [], 4: [4]}


def test_a_log_that_ends_in_mid_episode_keeps_what_was_played(tmp_path: Path) -> None:
    tape = write_simple(tmp_path, [5, 20], capacity=50, in_mid_episode=True)
    assert lengths_by_checkpoint(tape) == {0: [5, 20]}
    whole, cut = assert_recovered(tape).episodes
    assert (whole.complete, cut.complete, cut.ended) == (True, False, False)


def test_without_a_final_file_the_log_ends_with_the_last_lap(tmp_path: Path) -> None:
    tape = write_simple(tmp_path, [30], capacity=10, finish=False)
    assert lengths_by_checkpoint(tape) == {0: [26], 1: [], 2: []}


def test_a_final_file_that_only_repeats_adds_nothing(tmp_path: Path) -> None:
    """Training ended right after a dump: 3 rows of padding and 16 transitions are two laps less one."""
    tape = write_simple(tmp_path, [16], capacity=10)
    assert lengths_by_checkpoint(tape) == {0: [16], 1: [], 2: []}
    assert assert_recovered(tape).rows[2] == RowCounts(10, transitions=0, padding=0, stale=0, repeated=10)


def test_a_lost_file_cuts_the_episodes_at_its_ends(tmp_path: Path) -> None:
    """The last row of file 2 is the end of lap 1, so one transition of the lost file is left."""
    tape = write_simple(tmp_path, [37], capacity=10, delete=[1])
    assert lengths_by_checkpoint(tape) == {0: [6], 2: [21], 3: [], 4: []}
    assert not any(episode.complete for episode in assert_recovered(tape).episodes)


def test_after_a_skipped_lap_an_episode_begins(tmp_path: Path) -> None:
    """Its padding went over row 9, and two rows of it are left there."""
    tape = write_simple(tmp_path, [5, 8], capacity=10, finish=False)
    assert tape.windows[0].start == 9
    assert lengths_by_checkpoint(tape) == {0: [8]}
    assert assert_recovered(tape).episodes[0].complete


def test_a_final_file_holds_the_end_of_a_lost_or_skipped_one(tmp_path: Path) -> None:
    """Its rows beyond the cursor are of the lap before, and come first."""
    tape = write_simple(tmp_path, [34], capacity=10, delete=[2])
    assert lengths_by_checkpoint(tape) == {0: [24 - 8], 1: [], 3: [10]}
    assert assert_recovered(tape).rows[3] == RowCounts(10, transitions=10, padding=0, stale=0, repeated=0)


def test_a_final_file_may_be_all_that_there_is_of_several_laps(tmp_path: Path) -> None:
    """Padding went over row 9 in the only lap before: rows 8 and 9 are padding, not rows never written."""
    tape = write_simple(tmp_path, [5, 7], capacity=10)
    assert list(tape.windows) == [0]
    assert lengths_by_checkpoint(tape) == {0: [7]}
    assert assert_recovered(tape).rows[0] == RowCounts(10, transitions=7, padding=3, stale=0, repeated=0)


def test_a_final_file_that_repeats_a_lost_file_0_stands_in_for_it(tmp_path: Path) -> None:
    """The last row, which was never written, is neither padding nor play."""
    tape = write_simple(tmp_path, [6], capacity=10, delete=[0])
    assert lengths_by_checkpoint(tape) == {1: [6]}
    assert assert_recovered(tape).rows[1] == RowCounts(10, transitions=6, padding=3, stale=1, repeated=0)


# Properties of the recovery

thorough = settings(max_examples=60, deadline=None)  # each writes and reads a log of its own


@thorough
@given(given=arguments())
def test_whatever_is_in_the_files_comes_back(
    given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Through episodes of one step or several laps, skipped laps, lost files and logs without an end."""
    tape = write(tmp_path_factory.mktemp("log"), given)
    assume(tape.windows)
    assert_recovered(tape)


@thorough
@given(given=arguments(holes=False, black=True))
def test_black_first_frames_are_play_wherever_the_log_has_no_hole(
    given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Even with action 0 and reward 0, when they equal padding: padding is known by its place."""
    tape = write(tmp_path_factory.mktemp("log"), given)
    assume([stretch.start for stretch in tape.stretches()] == [0])
    expected = assert_recovered(tape)
    played = [index for episode in expected.episodes for index in episode.transitions]
    assert played == list(range(len(played)))


@thorough
@given(given=arguments(black=True))
def test_black_first_frames_are_play_after_a_hole_too_if_another_beginning_shows_their_number(
    given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is assumed where none does is said at `Tape.padding_seen`."""
    tape = write(tmp_path_factory.mktemp("log"), given)
    assume(tape.windows and not tape.hides_its_end())
    assert_recovered(tape)


# Division of work


def everything(checkpoint: Checkpoint) -> tuple[Any, ...]:
    episodes = [read.key() for read in read_checkpoint(checkpoint)]
    return episodes, checkpoint.row_counts, checkpoint.step_counts, checkpoint.sources()


@settings(thorough, max_examples=20)
@given(given=arguments(), data=st.data())
def test_a_checkpoint_is_the_same_in_whatever_order_checkpoints_are_read(
    given: dict[str, Any], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """In order of play, backwards, some of them, or each by a reader of its own."""
    tape = write(tmp_path_factory.mktemp("log"), given)
    assume(tape.windows)

    def read(numbers: Sequence[int]) -> dict[int, Any]:
        reader = open_run(tape.played.root, tape.played.game.name).reader()
        found = {number: everything(reader.checkpoint(number)) for number in numbers}
        reader.close()
        return found

    numbers = list(tape.windows)
    whole = read(numbers)
    assert read(numbers[::-1]) == whole
    some = data.draw(st.lists(st.sampled_from(numbers), unique=True))
    assert read(some) == {number: whole[number] for number in some}
    for number in numbers:
        assert read([number]) == {number: whole[number]}


@pytest.fixture(scope="module")
def pong(tmp_path_factory: pytest.TempPathFactory) -> Tape:
    """A log of eight files, with an episode that spans five of them."""
    log = write_simple(tmp_path_factory.mktemp("pong"), [25, 180, 1, 20, 90, 20], capacity=50)
    assert list(log.windows) == list(range(8))
    return log


def expected_steps(tape: Tape) -> dict[str, NDArray[Any]]:
    """The columns of the steps of all checkpoints, in order of play."""
    played, episodes = tape.played, tape.expected().episodes
    columns: dict[str, list[NDArray[Any]]] = {name: [] for name in STEP_TYPES}
    for episode in episodes:
        indices, length = episode.transitions, len(episode.transitions)
        rewards = played.reward[indices]
        last = np.arange(length) == length - 1
        columns["observation"].append(played.observation[indices])
        columns["action"].append(played.action[indices])
        columns["reward"].append(rewards)
        columns["terminated"].append(last & episode.ended)
        columns["truncated"].append(np.zeros(length))
        columns["return_to_go"].append(np.array([rewards[step:].sum() for step in range(length)]))
        columns["checkpoint"].append(np.full(length, episode.checkpoint))
        columns["episode"].append(np.full(length, episode.number))
        columns["step"].append(np.arange(length))
    return {name: np.concatenate(parts).astype(STEP_TYPES[name]) for name, parts in columns.items()}


STEP_TYPES = {
    "observation": "uint8",
    "action": "int64",
    "reward": "float32",
    "terminated": "bool",
    "truncated": "bool",
    "return_to_go": "float32",
    "checkpoint": "int16",
    "episode": "int32",
    "step": "int32",
}


def columns_of(tables: Sequence[pa.Table]) -> dict[str, NDArray[Any]]:
    table = pa.concat_tables(tables)
    return {
        name: decode_frames(table[name]) if name == "observation" else table[name].to_numpy()
        for name in table.column_names
    }


def streamed(dataset: Any) -> list[pa.Table]:
    return list(dataset.with_format("arrow").iter(batch_size=64))


def assert_same_steps(found: dict[str, NDArray[Any]], wanted: dict[str, NDArray[Any]]) -> None:
    assert list(found) == list(wanted)
    for name, column in wanted.items():
        assert found[name].dtype == column.dtype, name
        assert np.array_equal(found[name], column), name


def full_pong(tape: Tape, cache: Path, **options: Any) -> AtariDQNReplay:
    return AtariDQNReplay("pong-full", source=tape.played.root, cache_dir=str(cache), **options)


def test_streams_the_steps_in_order_of_play(pong: Tape, tmp_path: Path) -> None:
    stream = full_pong(pong, tmp_path).as_streaming_dataset(split="run_1")
    assert_same_steps(columns_of(streamed(stream)), expected_steps(pong))


@pytest.mark.parametrize("num_proc", [None, 2])
def test_prepares_the_steps_in_order_of_play(pong: Tape, tmp_path: Path, num_proc: int | None) -> None:
    builder = full_pong(pong, tmp_path)
    builder.download_and_prepare(num_proc=num_proc)
    dataset: Any = builder.as_dataset(split="run_1")
    assert_same_steps(columns_of([dataset.with_format("arrow")[:]]), expected_steps(pong))


def test_builds_the_steps_in_order_of_play(pong: Tape, tmp_path: Path) -> None:
    source, game = open_source(str(pong.played.root)), pong.played.game
    build(plan_build(source, [game], tmp_path), tmp_path)
    manifests = read_manifests(tmp_path, game)
    shards = [tmp_path / shard.path for manifest in manifests for shard in manifest.shards]
    assert_same_steps(columns_of([pq.read_table(shard) for shard in shards]), expected_steps(pong))
    expected = pong.expected()
    assert {manifest.checkpoint: manifest.row_counts for manifest in manifests} == expected.rows
    assert {manifest.checkpoint: manifest.step_counts for manifest in manifests} == expected.steps


@pytest.mark.parametrize("checkpoints", [[0], [1], [4], [6, 2, 3]])
def test_a_selection_of_checkpoints_has_the_steps_that_all_have(
    pong: Tape, tmp_path: Path, checkpoints: list[int]
) -> None:
    stream = full_pong(pong, tmp_path, checkpoints=checkpoints).as_streaming_dataset(split="run_1")
    wanted = expected_steps(pong)
    chosen = np.isin(wanted["checkpoint"], checkpoints)
    if not chosen.any():
        assert streamed(stream) == []
    else:
        assert_same_steps(columns_of(streamed(stream)), {name: wanted[name][chosen] for name in wanted})


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
@pytest.mark.parametrize("among", ["nodes", "workers"])
def test_nodes_and_workers_share_the_steps_out_among_them(
    pong: Tape, tmp_path: Path, among: str, parts: int
) -> None:
    """Each step goes to one of them, and what each has is in order of play."""
    stream: Any = full_pong(pong, tmp_path).as_streaming_dataset(split="run_1")
    tables: list[pa.Table] = []
    for part in range(parts):
        if among == "nodes":
            share = split_dataset_by_node(stream, rank=part, world_size=parts)
        else:
            share = stream.shard(num_shards=parts, index=part)
        found = streamed(share)
        tables += found
        if found:
            order = columns_of(found)
            places = np.rec.fromarrays([order[name] for name in ("checkpoint", "episode", "step")])
            assert np.array_equal(np.sort(places), places)
    found = columns_of(tables)
    order = np.lexsort([found["step"], found["episode"], found["checkpoint"]])
    assert_same_steps({name: column[order] for name, column in found.items()}, expected_steps(pong))


# What is read, and what is held in memory


class _CountingFile:
    """A file that adds up what is read from it."""

    def __init__(self, file: Any, counts: Counter[str], name: str) -> None:
        self._file = file
        self._counts = counts
        self._name = name

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._counts[self._name] += len(data)
        return data

    def close(self) -> None:
        self._file.close()


class CountingFileSystem(LocalFileSystem):
    """The local disk, under a protocol of its own and with an account of the bytes read of each file."""

    protocol = "counting"
    counts: ClassVar[Counter[str]] = Counter()

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return super()._strip_protocol(path.removeprefix("counting://"))

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        return _CountingFile(super()._open(path, mode, block_size, **options), self.counts, Path(path).name)


fsspec.register_implementation("counting", CountingFileSystem, clobber=True)


def test_going_on_to_the_next_checkpoint_reads_nothing_twice_that_need_not_be(tmp_path: Path) -> None:
    """A file of frames is inflated twice, since its last row comes first.

    The final one and the file before it are once more, to see what is repeated. Opening a file to see its
    header costs one buffer.
    """
    capacity, files = 300, 6
    random = np.random.default_rng(0)
    noise = random.integers(256, size=(5 * capacity + 100, 84, 84), dtype=np.uint8)  # does not shrink
    played = {**play([len(noise)]), "observation": noise}
    played["terminal"][::140] = True
    log = log_transitions(tmp_path, **played, capacity=capacity)
    assert log.files == tuple(range(files))

    CountingFileSystem.counts.clear()
    read = read_checkpoints(open_run(f"counting://{tmp_path}"))
    assert sum(len(each.frames) for episodes in read.values() for each in episodes) == len(noise)
    for number in log.files:
        name = f"$store$_observation_ckpt.{number}.gz"
        size = (log.folder / name).stat().st_size
        passes = 1 if number == 0 else 3 if number >= files - 2 else 2
        assert size > 2 * READ_BUFFER_SIZE
        assert size <= CountingFileSystem.counts[name] <= passes * size + READ_BUFFER_SIZE, name


def noisy_log(root: Path, capacity: int, *, episode: int = 140) -> Played:
    """A log of five laps and a rest, whose frames do not shrink."""
    random = np.random.default_rng(0)
    noise = random.integers(256, size=(5 * capacity + 100, 84, 84), dtype=np.uint8)
    played = {**play([len(noise)]), "observation": noise}
    played["terminal"][::episode] = True
    return log_transitions(root, **played, capacity=capacity)


def test_a_checkpoint_that_is_read_apart_is_read_once(tmp_path: Path) -> None:
    """Headers are known already. The end of an earlier episode is read last."""
    log = noisy_log(tmp_path, capacity=300)
    frames = {f"$store$_observation_ckpt.{number}.gz": number for number in log.files}
    run = open_run(f"counting://{tmp_path}")
    run.remarks()
    for number in log.files[:-2]:
        reader = run.reader()
        CountingFileSystem.counts.clear()
        head: Episode | None = None
        for episode in (part := reader.part(number)).episodes():
            if episode.follows:
                head = episode
            else:
                assert sum(map(len, episode.frames)) == len(episode)
        assert (head is None) == (number == 0)
        assert head is None or sum(map(len, head.frames)) == len(head)
        assert part.own_sources()
        reader.close()
        for name, other in frames.items():
            size = (log.folder / name).stat().st_size if other == number else 0
            assert CountingFileSystem.counts[name] == size


def test_the_end_of_an_earlier_episode_is_had_for_one_reading(tmp_path: Path) -> None:
    """Where no more of a checkpoint is wanted than what completes the one before it."""
    log = noisy_log(tmp_path, capacity=300)
    run = open_run(f"counting://{tmp_path}")
    run.remarks()
    reader = run.reader()
    CountingFileSystem.counts.clear()
    head = next(iter(reader.part(2).episodes()))
    assert sum(map(len, head.frames)) == len(head)
    reader.close()
    name = "$store$_observation_ckpt.2.gz"
    assert CountingFileSystem.counts[name] == (log.folder / name).stat().st_size


def test_whether_a_final_file_repeats_is_seen_without_its_frames(tmp_path: Path) -> None:
    """Its actions, rewards and terminals tell, where there are some thousand of them."""
    log = noisy_log(tmp_path, capacity=1_500)
    run = open_run(f"counting://{tmp_path}")
    run.remarks()
    CountingFileSystem.counts.clear()
    assert run.continued_in(log.files[-2]) == log.files[-1]
    assert not [name for name in CountingFileSystem.counts if "observation" in name]


@settings(thorough, max_examples=30)
@given(given=arguments())
def test_a_part_is_the_same_whichever_of_its_episodes_is_read_first(
    given: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The end of an earlier episode comes first, and may be read at once or after all others."""
    tape = write(tmp_path_factory.mktemp("log"), given)
    assume(tape.windows)
    run = open_run(tape.played.root, tape.played.game.name)

    def read(number: int, *, head_last: bool) -> tuple[Any, ...]:
        reader = run.reader()
        part = reader.part(number)
        found, waiting = [], []
        for episode in part.episodes():
            if episode.follows and head_last:
                waiting.append(episode)
            else:
                found.append((episode.number, episode.follows, b"".join(map(bytes, episode.frames))))
        found += [(each.number, True, b"".join(map(bytes, each.frames))) for each in waiting]
        reader.close()
        return sorted(found), part.row_counts, part.step_counts, part.own_sources()

    for number in tape.windows:
        assert read(number, head_last=True) == read(number, head_last=False)


def test_an_episode_that_waits_through_a_whole_dump_takes_no_memory(tmp_path: Path) -> None:
    """It goes to a temporary file: here 20 MB of frames that do not shrink."""
    count = 6_000
    frames = np.random.default_rng(0).integers(256, size=(500, 84, 84), dtype=np.uint8)
    log = log_transitions(
        tmp_path,
        np.resize(frames, (count, 84, 84)),
        np.zeros(count, np.int32),
        np.zeros(count, np.float32),
        np.zeros(count, bool),
        capacity=3_000,
        finish=False,
    )
    run = open_run(log.root)
    reader = run.reader()
    tracemalloc.start()
    try:
        (head,) = reader.part(1).episodes()
        assert sum(map(len, head.frames)) == len(head) == 3_000
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()
        reader.close()


def test_memory_does_not_grow_with_the_size_of_a_checkpoint(tmp_path: Path) -> None:
    """A checkpoint of 100 MB is read in no more memory than one of 21 MB."""

    def peak(capacity: int) -> int:
        frame = real_frames("Pong", 1)
        count = 2 * capacity
        log = log_transitions(
            tmp_path / str(capacity),
            np.broadcast_to(frame, (count, 84, 84)),
            np.zeros(count, np.int32),
            np.zeros(count, np.float32),
            np.arange(count) % 1000 == 999,
            capacity=capacity,
        )
        reader = open_run(log.root).reader()
        tracemalloc.start()
        try:
            steps = [
                sum(
                    len(block) for episode in reader.checkpoint(number).episodes() for block in episode.frames
                )
                for number in log.files
            ]
            assert sum(steps) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            reader.close()

    small, large = peak(3_000), peak(14_000)
    assert large < small + 16e6
    assert large < 80e6


# The time limit


def test_an_episode_of_27000_steps_was_stopped_by_the_time_limit(tmp_path: Path) -> None:
    lengths = [27_000, 26_999, 10]
    count = sum(lengths)
    terminal = np.zeros(count, bool)
    terminal[np.cumsum(lengths) - 1] = True
    log = log_transitions(
        tmp_path,
        np.broadcast_to(real_frames("Pong", 1), (count, 84, 84)),
        np.ones(count, np.int32),
        np.ones(count, np.float32),
        terminal,
        capacity=12_000,
    )
    reader = open_run(log.root).reader()
    episodes = [episode for number in log.files for episode in reader.checkpoint(number).episodes()]
    reader.close()
    assert [len(episode) for episode in episodes] == lengths
    assert [episode.truncated for episode in episodes] == [True, False, False]
    assert [episode.terminated for episode in episodes] == [False, True, True]
    assert all(episode.complete for episode in episodes)
