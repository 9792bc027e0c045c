"""What is seen after an episode's last step: logged beside the original arrays, and put with its episode."""

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import zstandard
from atari_dqn_replay.builder.collecting.collect import collect
from atari_dqn_replay.builder.collecting.environment import AtariEnvironment
from atari_dqn_replay.builder.collecting.ring_buffer import RingBuffer, write_zstd
from atari_dqn_replay.builder.errors import ReplayLogError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.sources.run import Checkpoint
from atari_dqn_replay.builder.verification.verify import verify
from atari_dqn_replay.interop.export.bucket.round_trip import compare_round_trip
from atari_dqn_replay.replay_reader import final_observations
from atari_dqn_replay.replay_reader.checkpoint_files import CheckpointFiles
from datasets_of_logs import build_from
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from atari_dqn_replay import Episodes, Preprocessing, decode_frames, export

BREAKOUT = find_game("breakout")


def frame(episode: int, step: int) -> NDArray[np.uint8]:
    """One that occurs nowhere else."""
    return np.random.default_rng([episode, step]).integers(1, 256, (8, 8), np.uint8)


def write_log(logs: Path, lengths: list[int], capacity: int) -> Path:
    folder = logs / "Breakout/1/replay_logs"
    folder.mkdir(parents=True)
    ring = RingBuffer(folder, capacity, observation_shape=(8, 8), final_observations=True)
    for episode, length in enumerate(lengths):
        for step in range(length):
            ends = step == length - 1
            final = frame(episode, length) if ends else None
            ring.add(frame(episode, step), step % 4, 0.0, ends, final_observation=final)
    if ring.cursor != capacity - 1:
        ring.finish()
    ring.close()
    return folder


def read(checkpoint: Checkpoint) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.uint8] | None, bool]]:
    """Each episode's last frame, what followed it, and whether it ended."""
    for episode in checkpoint.episodes():
        frames = np.concatenate(list(episode.frames))
        yield frames[-1], episode.final_observation, episode.terminated or episode.truncated


@pytest.mark.parametrize("seed", range(4))
def test_each_ended_episode_has_its_own_whatever_the_ring_skips(seed: int, tmp_path: Path) -> None:
    """Episodes of 1 to 40 steps in a ring of 23 rows: they cross bounds, and padding skips whole laps."""
    lengths = np.random.default_rng(seed).integers(1, 41, 30).tolist()
    write_log(tmp_path, lengths, 23)
    after = {
        frame(episode, length - 1).tobytes(): frame(episode, length) for episode, length in enumerate(lengths)
    }
    run = open_source(str(tmp_path)).open_run(BREAKOUT, 1)
    for open_checkpoint in (run.reader().checkpoint, run.reader().part):
        ended = 0
        for number in run.checkpoints:
            for last, final, has_ended in read(open_checkpoint(number)):
                if has_ended:
                    ended += 1
                    assert final is not None
                    assert np.array_equal(final, after[last.tobytes()])
                else:
                    assert final is None
        assert ended


@pytest.mark.slow
def test_played_games_have_them_in_the_episodes_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Built in pieces, with episodes over several checkpoints, and built again from the dataset."""
    seen = []
    step = AtariEnvironment.step

    def watched(self: AtariEnvironment, action: int) -> tuple[NDArray[np.uint8], float, bool, bool]:
        done = step(self, action)
        if done[2] or done[3]:
            seen.append(done[0].copy())
        return done

    monkeypatch.setattr(AtariEnvironment, "step", watched)
    collect(BREAKOUT, tmp_path / "logs", checkpoints=4, checkpoint_size=90)
    dataset = build_from(tmp_path / "logs", tmp_path / "dataset")
    tables = [pq.read_table(path) for path in sorted((dataset / "episodes").rglob("*.parquet"))]
    found = [decode_frames(table["final_observation"].drop_null()) for table in tables]
    assert seen
    assert np.array_equal(np.concatenate(found), seen)
    report = verify(FolderReader(dataset), source=open_source(str(tmp_path / "logs")))
    assert not report.differences
    again = build_from(dataset, tmp_path / "again")
    tables_again = [pq.read_table(path) for path in sorted((again / "episodes").rglob("*.parquet"))]
    assert all(one.equals(other) for one, other in zip(tables, tables_again, strict=True))


def test_loaders_that_count_files_see_none_of_it(tmp_path: Path) -> None:
    """batch_rl takes checkpoints of six or seven files, by the next to last part of a file's name.

    Dopamine's buffer opens its own arrays by name.
    """
    folder = write_log(tmp_path, [30] * 12, 23)
    names = [path.name for path in folder.iterdir()]
    dumps = max(int(name.split(".")[1]) for name in names if "_ckpt." in name) + 1
    counted = [name.split(".")[-2] for name in names]
    assert [counted.count(str(number)) for number in range(dumps)] == [6] * dumps
    assert not any(name.endswith(".gz") for name in names if "final" in name)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_an_export_to_the_bucket_writes_them_back_to_the_byte(seed: int, tmp_path: Path) -> None:
    """From a dataset and from logs, whatever the ring skips; all is compared by the round trip, too."""
    lengths = np.random.default_rng(seed).integers(1, 41, 16).tolist()
    logs = tmp_path / "logs"
    folder = write_log(logs, lengths, 23)
    expected = {path.name: path.read_bytes() for path in folder.glob("final_observation-*")}
    dataset = build_from(logs, tmp_path / "dataset")
    for source in (dataset, logs):
        out = tmp_path / f"of-{source.name}"
        report = export(source, "breakout-full", format="bucket", out=out)
        files = out / folder.relative_to(logs)
        assert {path.name: path.read_bytes() for path in files.glob("final_observation-*")} == expected
        assert report.parts[0].files == len(list(files.iterdir()))
        assert "final observation" not in str(report)
    compared = compare_round_trip(FolderReader(dataset), open_source(str(logs)))
    assert compared.ok, str(compared)


def test_the_round_trip_sees_another_final_observation(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "logs", [12] * 12, 30)
    dataset = build_from(tmp_path / "logs", tmp_path / "dataset")
    path = folder / "final_observation-1.npy.zst"
    content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    write_zstd(path, list(~np.load(io.BytesIO(content))), (8, 8))
    compared = compare_round_trip(FolderReader(dataset), open_source(str(tmp_path / "logs")))
    assert [difference.path for difference in compared.differences] == [str(path)]


def test_an_export_leaves_them_out_where_some_are_missing(tmp_path: Path) -> None:
    folder = write_log(tmp_path / "logs", [12] * 12, 30)
    (folder / "final_observation-1.npy.zst").unlink()
    dataset = build_from(tmp_path / "logs", tmp_path / "dataset")
    report = export(dataset, "breakout-full", format="bucket", out=tmp_path / "out")
    found = {path.name for path in (tmp_path / "out").rglob("final_observation-*")}
    assert "file 1: final observations are left out: not all of its episodes have one" in str(report)
    assert "final_observation-1.npy.zst" not in found
    assert found
    run = open_source(str(tmp_path / "out")).open_run(BREAKOUT, 1)
    assert sum(len(list(read(run.reader().checkpoint(number)))) for number in run.checkpoints) == 12


def test_a_damaged_file_is_one_clear_error(tmp_path: Path) -> None:
    folder = write_log(tmp_path, [10] * 12, 23)
    path = folder / "final_observation-2.npy.zst"
    content = zstandard.ZstdDecompressor().decompress(path.read_bytes())
    run = open_source(str(tmp_path)).open_run(BREAKOUT, 1)
    write_zstd(path, [np.zeros((8, 8), np.uint8)] * 7, (8, 8))
    with pytest.raises(ReplayLogError, match=r"final_observation-2.*holds 7 frames, but .* episodes end"):
        list(read(run.reader().part(2)))
    claim = io.BytesIO()  # zeros compress so well that a small file may hold as many frames as this
    write_array_header_1_0(claim, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 8, 8)})
    path.write_bytes(zstandard.ZstdCompressor().compress(claim.getvalue() + bytes(1000)))
    with pytest.raises(ReplayLogError, match=r"holds 1,000,000,000 frames, but .* episodes end"):
        list(read(open_source(str(tmp_path)).open_run(BREAKOUT, 1).reader().part(2)))
    path.write_bytes(zstandard.ZstdCompressor().compress(content[:-5]))
    with pytest.raises(ReplayLogError, match="final_observation-2"):
        list(read(open_source(str(tmp_path)).open_run(BREAKOUT, 1).reader().part(2)))


def test_episodes_hand_them_out_stacked_and_preprocessed_like_observations(tmp_path: Path) -> None:
    lengths = [9, 30, 2, 17]
    write_log(tmp_path / "logs", lengths, 23)
    dataset = str(build_from(tmp_path / "logs", tmp_path / "dataset")), "breakout-full", "run_1"
    for number, episode in enumerate(Episodes(*dataset, final_observation=True)):
        assert np.array_equal(episode["final_observation"], frame(number, lengths[number]))
    resized = Preprocessing(size=(4, 4), dtype="float32")
    options = {"frame_stack": 4, "preprocessing": resized, "final_observation": True}
    for number, episode in enumerate(Episodes(*dataset, **options)):
        stack, last = episode["final_observation"], episode["observation"][-1]
        assert stack.shape == (4, 4, 4)
        assert np.array_equal(stack[:-1], last[1:]), number
    assert "final_observation" not in next(iter(Episodes(*dataset)))


def test_shuffled_episodes_read_each_table_once_while_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = [9, 30, 2, 17, 8, 5, 11, 4, 20, 3]
    write_log(tmp_path / "logs", lengths, 23)
    dataset = str(build_from(tmp_path / "logs", tmp_path / "dataset")), "breakout-full", "run_1"
    read, tables = CheckpointFiles.read_final_observations, []

    def counted(self: CheckpointFiles, *arguments: Any) -> Any:
        tables.append(self.table)
        return read(self, *arguments)

    monkeypatch.setattr(CheckpointFiles, "read_final_observations", counted)
    expected = {
        frame(number, 0).tobytes(): (length, frame(number, length)) for number, length in enumerate(lengths)
    }

    def check(episodes: Episodes) -> None:
        for episode in episodes:
            length, after = expected[episode["observation"][0].tobytes()]
            if len(episode["action"]) < length:  # cut where the log skips a lap
                assert episode["final_observation"] is None
            else:
                assert np.array_equal(episode["final_observation"], after)

    episodes = Episodes(*dataset, shuffle=True, seed=1, final_observation=True)
    check(episodes)
    assert len(tables) == len(set(tables)) > 2
    check(pickle.loads(pickle.dumps(episodes)))  # as a DataLoader sends it to spawned processes
    monkeypatch.setattr(final_observations, "HELD_BYTES", 1)
    tables.clear()
    check(Episodes(*dataset, shuffle=True, seed=1, final_observation=True))
    assert len(tables) > len(set(tables))
