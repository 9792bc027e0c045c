"""What a replay log holds: the writer follows the rules of the DQN Replay Dataset's own writer."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer
from atari_dqn_replay.builder.errors import OutputError
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import log_transitions, real_frames, write_log
from numpy.typing import NDArray
from paths import DATA

ARRAYS = (
    "$store$_observation",
    "$store$_action",
    "$store$_reward",
    "$store$_terminal",
    "add_count",
    "invalid_range",
)


def read(folder: Path, array: str, number: int) -> NDArray[np.generic]:
    with gzip.open(folder / f"{array}_ckpt.{number}.gz") as file:
        return np.load(file)


@pytest.mark.parametrize(("name", "capacity"), [("three_laps", 3000), ("skipped_lap", 250)])
def test_writes_what_dopamine_wrote(name: str, capacity: int, tmp_path: Path) -> None:
    """The same play gives the same arrays, byte for byte, as Dopamine's buffer under batch_rl's logger.

    Except row C-1 of file 0, which nobody wrote: Dopamine leaves there what the memory held before.
    """
    theirs = DATA / name / "dqn" / "Breakout" / "1" / "replay_logs"
    play = np.load(DATA / name / "played.npz")
    ours = log_transitions(
        tmp_path,
        play["observation"],
        play["action"],
        play["reward"],
        play["terminal"],
        capacity=capacity,
        game="Breakout",
    )
    assert {path.name for path in ours.folder.iterdir()} == {path.name for path in theirs.iterdir()}
    for number in ours.files:
        for array in ARRAYS:
            mine, dopamines = read(ours.folder, array, number), read(theirs, array, number)
            assert mine.dtype == dopamines.dtype
            assert mine.shape == dopamines.shape
            written = slice(None, -1) if number == 0 and mine.shape[:1] == (capacity,) else ...
            assert mine[written].tobytes() == dopamines[written].tobytes(), (array, number)


def test_last_row_of_a_file_is_one_lap_old(tmp_path: Path) -> None:
    """Row C-1 of file k closes lap k-1; in file 0 it was never written."""
    log = write_log(tmp_path, [40], capacity=10)
    padding = 3
    assert not read(log.folder, "$store$_observation", 0)[9].any()
    for number in (1, 2, 3):
        last_of_lap_before = log.observation[10 * number - 1 - padding]
        assert np.array_equal(read(log.folder, "$store$_observation", number)[9], last_of_lap_before)


def test_three_black_rows_precede_every_episode(tmp_path: Path) -> None:
    log = write_log(tmp_path, [4, 5], capacity=20)
    rows = read(log.folder, "$store$_observation", 0)
    assert [bool(row.any()) for row in rows[:15]] == 3 * [False] + 4 * [True] + 3 * [False] + 5 * [True]
    assert read(log.folder, "$store$_terminal", 0).nonzero()[0].tolist() == [6, 14]


def test_last_file_repeats_the_file_before_it_beyond_the_cursor(tmp_path: Path) -> None:
    log = write_log(tmp_path, [12], capacity=10)
    assert log.files == (0, 1)
    assert read(log.folder, "add_count", 0) == 9
    assert read(log.folder, "add_count", 1) == 5  # 3 rows of padding and 12 transitions, modulo 10
    before, last = (read(log.folder, "$store$_observation", number) for number in log.files)
    assert np.array_equal(last[5:9], before[5:9])
    assert log.stored[0] == (0,)
    assert log.stored[5] == (0, 1)


def test_padding_that_steps_over_the_last_row_skips_the_lap(tmp_path: Path) -> None:
    """The end of the second episode fills row 7, so its successor's padding runs over row 9: no dump."""
    log = write_log(tmp_path, [5, 40], capacity=10, finish=False)
    assert [int(read(log.folder, "add_count", number)) for number in log.files] == [19, 29, 39, 49]


def test_rewards_are_clipped(tmp_path: Path) -> None:
    ring = RingBuffer(tmp_path, 20)
    for frame, reward in zip(real_frames("Breakout", 3), (7.0, -4.0, 0.5), strict=True):
        ring.add(frame, 0, reward, False)
    ring.finish()
    assert read(tmp_path, "$store$_reward", 0)[3:6].tolist() == [1.0, -1.0, 0.5]


def test_same_play_gives_same_bytes(tmp_path: Path) -> None:
    logs = [write_log(tmp_path / name, [30, 20], capacity=16) for name in ("one", "other")]
    one, other = ({path.name: path.read_bytes() for path in log.folder.iterdir()} for log in logs)
    assert one == other


def test_refuses_a_ring_that_holds_less_than_a_stack() -> None:
    with pytest.raises(OutputError, match="at least 5"):
        RingBuffer(Path("unused"), 4)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    capacity=st.integers(5, 40),
    lengths=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    seed=st.integers(0, 3),
)
def test_a_lap_is_dumped_unless_padding_steps_over_its_last_row(
    capacity: int, lengths: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lap n is dumped exactly when a transition, not padding, is the last thing before its row C-1."""
    log = write_log(tmp_path_factory.mktemp("log"), lengths, capacity=capacity, seed=seed)
    padding = 3 * np.repeat(1 + np.arange(len(lengths)), lengths)
    after_each_add = 1 + np.arange(len(log)) + padding
    dumped_at = after_each_add[after_each_add % capacity == capacity - 1]
    counts = [int(read(log.folder, "add_count", number)) for number in log.files]
    assert counts == [*dumped_at, after_each_add[-1] % capacity]
