"""LRAM's files as a source, written by this project's exporter as LRAM's script writes them."""

import itertools
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.builder.errors import AtariReplayError, SourceError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.repos.folder_reader import FolderReader
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import open_source
from atari_dqn_replay.builder.verification.verify import verify
from datasets_of_logs import build_from
from logs import write_log
from paths import THREE_LAPS

from atari_dqn_replay import Episodes, export

h5py = pytest.importorskip("h5py", reason="LRAM's default files are HDF5")

BREAKOUT = find_game("breakout")
Steps = tuple[bytes, bytes, bytes]
"""The frames, actions and rewards of an episode."""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_from(THREE_LAPS / "dqn", tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def one_checkpoint(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole episodes of one checkpoint, without padding."""
    return exported(dataset, tmp_path_factory.mktemp("whole"), checkpoints=[0])


def exported(dataset: Path, out: Path, **options: Any) -> Path:
    export(dataset, "breakout-full", format="lram", out=out, **options)
    return out


def true_episodes() -> list[Steps]:
    """What was played, cut after each end; the last, which was not ended, left out."""
    with np.load(THREE_LAPS / "played.npz") as played:
        ends = np.flatnonzero(played["terminal"]) + 1
        pieces = [np.split(played[name], ends)[:-1] for name in ("observation", "action", "reward")]
    return [
        (frames.tobytes(), action.astype(np.int32).tobytes(), reward.astype(np.float32).tobytes())
        for frames, action, reward in zip(*pieces, strict=True)
    ]


def read(source: Path) -> list[tuple[Steps, bool]]:
    """The episodes of a source, and whether each is complete."""
    reader = open_source(str(source)).open_run(BREAKOUT, 1).reader()
    try:
        checkpoint = reader.checkpoint(1)
        episodes = [
            (
                (
                    b"".join(map(np.ndarray.tobytes, each.frames)),
                    each.action.tobytes(),
                    each.reward.tobytes(),
                ),
                each,
            )
            for each in checkpoint.episodes()
        ]
        rows = checkpoint.row_counts
        assert rows.rows_read == rows.transitions + rows.padding + rows.repeated
        assert rows.transitions == checkpoint.step_counts.steps == sum(len(each) for _, each in episodes)
        return [(steps, each.complete) for steps, each in episodes]
    finally:
        reader.close()


@pytest.mark.slow
def test_padding_is_removed_and_nothing_is_repeated(tmp_path: Path) -> None:
    """Dumps cut after terminal rows, as the script does it: four, the last of which repeats the third.

    Each episode that lies within one dump comes once and exact; those that a dump's start cuts are marked.
    """
    lengths = (70, 150, 110, 95, 170, 80, 130, 140, 60)
    played = write_log(tmp_path / "logs", lengths, capacity=300, game="Breakout", black=2)
    assert len(played.files) == 4
    dataset = build_from(tmp_path / "logs", tmp_path / "dataset")
    source = exported(dataset, tmp_path / "lram", padding=True, checkpoints=range(4))
    starts = np.cumsum((0, *lengths))
    true = [
        (
            played.observation[start:stop].tobytes(),
            played.action[start:stop].tobytes(),
            played.reward[start:stop].tobytes(),
        )
        for start, stop in itertools.pairwise(starts)
    ]
    found = read(source)
    complete = [steps for steps, is_complete in found if is_complete]
    cut = [steps for steps, is_complete in found if not is_complete]
    # The third, fifth and eighth cross the bounds of dumps; all others lie within one.
    assert complete == [true[number] for number in (0, 1, 3, 5, 6, 8)]
    for steps, number in zip(cut, (2, 4, 7), strict=True):
        assert all(map(bytes.endswith, true[number], steps))


@pytest.mark.parametrize(
    "options",
    [
        {"save_format": "hdf5", "add_rtgs": True},
        {"save_format": "npz"},
        {"save_format": "npzc", "a_to_full_space": True, "to_rgb": True},
    ],
)
def test_whole_episodes_come_as_they_were_played(
    dataset: Path, tmp_path: Path, options: dict[str, Any]
) -> None:
    """Whatever the script was asked for that can be undone: its format, ALE's 18 actions, three channels."""
    found = read(exported(dataset, tmp_path, checkpoints=[0], **options))
    assert all(is_complete for _, is_complete in found)
    assert [steps for steps, _ in found] == true_episodes()[: len(found)]


@pytest.mark.slow
def test_a_dataset_is_built_of_it(one_checkpoint: Path, tmp_path: Path) -> None:
    """One checkpoint, which is not called mixed or expert, since nothing says what it is."""
    built = build_from(one_checkpoint, tmp_path / "built")
    verification = verify(FolderReader(built), source=open_source(str(one_checkpoint)))
    assert not verification.differences, str(verification)
    card = (built / "README.md").read_text()
    assert "breakout-full" in card and "breakout-expert" not in card and "breakout-mixed" not in card
    page = (built / "games" / "breakout" / "README.md").read_text()
    assert "LRAM's files do not say which run and dump" in page
    episodes = Episodes(built, "breakout-full", "run_1")
    assert [each["observation"].tobytes() for each in episodes] == [
        frames for (frames, _, _), _ in read(one_checkpoint)
    ]


def test_inspect_says_what_such_files_do_not_tell(one_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copytree(one_checkpoint, tmp_path / "copy")
    (tmp_path / "copy" / "breakout" / "000000003.hdf5").unlink()
    (tmp_path / "copy" / "breakout" / "000000099.pkl").touch()
    inspection = inspect_source(open_source(str(tmp_path / "copy")), [BREAKOUT])
    (report,) = inspection.runs
    assert (report.run, report.checkpoints, report.capacity) == (1, "1", None)
    assert report.remarks[0] == "no episode 3"
    assert "do not say which run and dump" in report.remarks[1]
    (line,) = inspection.not_taken
    assert "found 000000099.pkl; expected folders of games with files such as" in line
    of_game = inspect_source(open_source(str(tmp_path / "copy" / "breakout")), [BREAKOUT])
    assert (of_game.runs, of_game.not_taken) == (inspection.runs, inspection.not_taken)


def folder_with(tmp_path: Path, name: str, content: bytes) -> Path:
    (tmp_path / "breakout").mkdir(exist_ok=True)
    (tmp_path / "breakout" / name).write_bytes(content)
    return tmp_path


def test_pickles_are_refused_unread(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return Path.touch, (tmp_path / "unpickled",)  # type: ignore[return-value]

    folder = folder_with(tmp_path, "000000000.pkl", pickle.dumps(Bomb()))
    with pytest.raises(SourceError, match=r"pickles such as 000000000\.pkl, which are never loaded.*as hdf5"):
        read(folder)
    assert not (tmp_path / "unpickled").exists()


def save_npz(tmp_path: Path, **changes: Any) -> Path:
    arrays = {
        "states": np.ones((5, 1, 84, 84), np.uint8),
        "actions": np.zeros(5, np.int32),
        "rewards": np.zeros(5, np.float32),
        "dones": np.float32(1),
    }
    (tmp_path / "breakout").mkdir(exist_ok=True)
    kept = {name: value for name, value in {**arrays, **changes}.items() if value is not None}
    np.savez(tmp_path / "breakout" / "000000000.npz", **kept)
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"states": np.ones((5, 1, 64, 64), np.uint8)},
            r"uint8 of shape \(5, 1, 64, 64\).*resized cannot be",
        ),
        ({"states": np.arange(5 * 3 * 7056).reshape(5, 3, 84, 84).astype(np.uint8)}, "three channels differ"),
        ({"states": np.zeros((0, 1, 84, 84), np.uint8)}, "holds 0 frames"),
        ({"actions": np.zeros(4, np.int32)}, r"actions: is of shape \(4\), but the episode has 5 frames"),
        ({"actions": np.array([None] * 5)}, "holds pickled objects, which are never loaded"),
        ({"actions": np.array([0, 1, 2, 3, 4], np.int32)}, "holds action 4, but Breakout has the 4 actions"),
        ({"actions": np.array([0, 1, 3, 4, 2], np.int64)}, "holds action 2 of ALE's full set"),
        ({"actions": np.array([0, 1, 2, 3, 0.5])}, "holds 0.5, which is no int32 value"),
        ({"rewards": np.array([0, 1, np.nan, 0, 0], np.float32)}, "holds reward nan"),
        ({"rewards": np.full(5, 0.1)}, "holds 0.1, which is no float32 value"),
        ({"dones": None}, "has no 'dones'"),
    ],
)
def test_what_is_no_episode_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SourceError, match=rf"000000000\.npz.*{message}"):
        read(save_npz(tmp_path, **changes))


def test_arrays_of_other_files_are_not_followed(tmp_path: Path) -> None:
    """HDF5 lets a file name others; what they hold is not the user's data."""
    with h5py.File(tmp_path / "secret.h5", "w") as secret:
        secret["states"] = np.ones((5, 1, 84, 84), np.uint8)
    (tmp_path / "breakout").mkdir()
    place = tmp_path / "breakout" / "000000000.hdf5"
    with h5py.File(place, "w") as file:
        file["states"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "states")
    with pytest.raises(SourceError, match=r"'states' is a link to another place, which is not followed"):
        read(tmp_path)
    with h5py.File(place, "w") as file:
        layout = h5py.VirtualLayout((5, 1, 84, 84), np.uint8)
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "states", (5, 1, 84, 84))
        file.create_virtual_dataset("states", layout)
    with pytest.raises(SourceError, match="the values of 'states' lie in other files"):
        read(tmp_path)


def test_a_claim_of_many_rows_takes_no_memory(tmp_path: Path) -> None:
    """Arrays whose chunks were never written cost nothing in a file, and everything when they are read."""
    (tmp_path / "breakout").mkdir()
    with h5py.File(tmp_path / "breakout" / "000000000.hdf5", "w") as file:
        file.create_dataset("states", (10**12, 1, 84, 84), np.uint8, chunks=(1, 1, 84, 84))
    with pytest.raises(SourceError, match="holds 1,000,000,000,000 frames, expected 1 to 1,000,000"):
        read(tmp_path)


def test_without_h5py_the_message_says_what_to_install(
    one_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(SourceError, match=r"needs h5py: pip install 'atari-dqn-replay\[hdf5\]'"):
        read(one_checkpoint)


@pytest.mark.parametrize("save_format", ["hdf5", "npz", "npzc"])
def test_damage_gives_the_right_data_or_one_error(
    one_checkpoint: Path, dataset: Path, tmp_path: Path, save_format: str
) -> None:
    """Flipped and cut bytes: where a format has no checksum, frames may differ, but nothing else happens."""
    whole = exported(dataset, tmp_path / "whole", checkpoints=[0], max_episodes=0, save_format=save_format)
    (path,) = [each for each in (whole / "breakout").iterdir() if each.stem == "000000000"]
    content, random = path.read_bytes(), np.random.default_rng(0)
    ((expected, _),) = read(whole)
    refused = 0
    for _ in range(25):
        damaged = bytearray(content)
        place = int(random.integers(min(len(content), 4000)))  # where headers are, more than pixels
        damaged[place] ^= 1 << int(random.integers(8))
        path.write_bytes(damaged[: int(random.integers(len(content)))] if random.random() < 0.2 else damaged)
        try:
            found = read(whole)
            assert len(found) == 1 and len(found[0][0][0]) == len(expected[0])
        except AtariReplayError as error:
            assert "000000000" in str(error)
            refused += 1
    assert refused > 5
