"""What users of d4rl-atari rely on when they change its import."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import atari_dqn_replay.interop.d4rl_atari
import gymnasium
import numpy as np
import pytest
from atari_dqn_replay.builder.collecting.environment import rom_of
from atari_dqn_replay.builder.collecting.stream import console_seed
from atari_dqn_replay.builder.format.games import find_game
from datasets_of_logs import build_from
from gymnasium.utils.env_checker import check_env
from paths import SKIPPED_LAP
from played_games import PlayedGame

from atari_dqn_replay import AtariReplayError

Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def _where_the_data_are(
    dataset: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATARI_DQN_REPLAY_DATASET", str(dataset))
    monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))


def make(name: str, **options: Any) -> Any:
    return gymnasium.make(name, **options)


def file_arrays(game: PlayedGame, number: int) -> dict[str, Array]:
    """A log file as d4rl-atari reads it: arrays as they are."""
    arrays = {}
    for key, name in (
        ("observations", "observation"),
        ("actions", "action"),
        ("rewards", "reward"),
        ("terminals", "terminal"),
    ):
        with gzip.open(game.log / f"$store$_{name}_ckpt.{number}.gz") as file:
            arrays[key] = np.load(file, allow_pickle=False)
    arrays["observations"] = arrays["observations"].reshape(-1, 1, 84, 84)
    return arrays


def assert_equal(found: dict[str, Any], expected: dict[str, Array]) -> None:
    assert list(found) == ["observations", "actions", "rewards", "terminals"]
    for name, values in expected.items():
        array = np.asarray(found[name])
        assert array.dtype == values.dtype, name
        assert array.shape == values.shape, name
        assert (array == values).all(), name


def test_there_are_ids_for_sixty_games() -> None:
    ids = set(gymnasium.registry)
    assert {"ms-pacman-mixed-v0", "zaxxon-expert-v4", "pong-epoch-50-v2", "breakout-medium-v1"} <= ids
    assert not {"adventure-mixed-v0", "defender-mixed-v0"} & ids  # the dataset has no such games
    assert not any(name.startswith("pong-epoch-51") for name in ids)


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("lazy", [False, True])
def test_raw_rows_are_those_of_the_log_files(pong: PlayedGame, number: int, lazy: bool) -> None:
    env = make(f"pong-epoch-{number}-v3", raw=True, lazy=lazy)
    assert_equal(env.get_dataset(), file_arrays(pong, number))


@pytest.mark.slow
def test_raw_rows_of_many_short_episodes(asterix: PlayedGame) -> None:
    for number in range(4):
        dataset = make(f"asterix-epoch-{number}-v0", raw=True).get_dataset()
        assert_equal(dataset, file_arrays(asterix, number))


def test_clean_rows_are_the_steps_that_were_played(asterix: PlayedGame) -> None:
    record = asterix.record
    parts = [make(f"asterix-epoch-{number}-v0").get_dataset() for number in range(4)]
    for key, name in (("observations", "observation"), ("actions", "action"), ("rewards", "reward")):
        assert (np.concatenate([part[key] for part in parts]).squeeze() == record[name]).all()
    terminals = np.concatenate([part["terminals"] for part in parts])
    assert (terminals == record["terminal"]).all()
    for part in parts:
        assert part["observations"].shape[1:] == (1, 84, 84)
        dtypes = [part[name].dtype for name in ("observations", "actions", "rewards", "terminals")]
        assert dtypes == [np.uint8, np.int32, np.float32, np.uint8]


def reference_stack(frames: Array, terminals: Array, row: int) -> Array:
    stack = np.zeros((4, 84, 84), np.uint8)
    for back in range(4):
        at = row - back
        if at < 0 or (back and terminals[at]):
            break
        stack[3 - back] = frames[at, 0]
    return stack


@pytest.mark.parametrize("options", [{}, {"raw": True}, {"lazy": True}, {"raw": True, "lazy": True}])
def test_stacks_lie_within_an_episode(options: dict[str, bool]) -> None:
    plain = make("asterix-epoch-1-v0", **{**options, "lazy": False}).get_dataset()
    stacks = make("asterix-epoch-1-v0", stack=True, **options).get_dataset()["observations"]
    assert len(stacks) == len(plain["observations"])
    assert stacks.shape == (len(stacks), 4, 84, 84)
    ends = np.flatnonzero(plain["terminals"])
    near_ends = {int(end) + k for end in ends[:4] for k in range(-1, 6)}
    rows = sorted(row for row in {*range(6), *near_ends} if row < len(stacks))
    for row in rows:
        expected = reference_stack(plain["observations"], plain["terminals"], row)
        assert (stacks[row] == expected).all(), row
    assert (stacks[rows] == np.stack([stacks[row] for row in rows])).all()
    assert (stacks[2:9] == np.stack([stacks[row] for row in range(2, 9)])).all()
    assert (stacks[-1] == stacks[len(stacks) - 1]).all()
    with pytest.raises(IndexError):
        stacks[len(stacks)]


def test_stacks_in_memory_are_views() -> None:
    stacks = make("asterix-epoch-1-v0", stack=True).get_dataset()["observations"]
    assert np.shares_memory(stacks[10], stacks[11])
    assert sum(1 for _ in stacks) == len(stacks)


@pytest.mark.slow
def test_qualities_are_what_the_readme_says_or_the_files(pong: PlayedGame) -> None:
    def rows(name: str, **options: Any) -> int:
        return len(make(name, **options).get_dataset()["actions"])

    assert rows("pong-mixed-v3") == rows("pong-epoch-0-v3")
    assert rows("pong-expert-v3") == rows("pong-epoch-2-v3")
    assert rows("pong-mixed-v3", by_file_number=True) == rows("pong-epoch-1-v3")
    assert_equal(make("pong-mixed-v3", raw=True).get_dataset(), file_arrays(pong, 1))
    with pytest.raises(AtariReplayError, match="need checkpoint 50; the dataset has 0-3"):
        make("pong-expert-v3", raw=True).get_dataset()
    with pytest.raises(AtariReplayError, match="pong-epoch-<number>"):
        make("pong-expert-v3", raw=True, by_file_number=False).get_dataset()


def test_frames_are_those_that_collect_logs_for_the_same_seed_and_actions(asterix: PlayedGame) -> None:
    record, steps = asterix.record, 600
    env = make("asterix-mixed-v0", sticky_action=True, clip_reward=True)
    observation, _ = env.reset(seed=console_seed(0, asterix.run))
    ended = 0
    for step in range(steps):
        assert (observation == record["observation"][step]).all(), step
        observation, reward, terminated, truncated, _ = env.step(int(record["action"][step]))
        assert reward == record["reward"][step]
        assert (terminated or truncated) == record["terminal"][step]
        if terminated or truncated:
            ended += 1
            observation, _ = env.reset()
    assert ended


def test_a_stacked_environment_fills_up_with_blank_frames_as_the_dataset_does() -> None:
    env = make("pong-mixed-v3", stack=True)
    plain = make("pong-mixed-v3")
    stack, _ = env.reset(seed=1)
    frame, _ = plain.reset(seed=1)
    assert not stack[:3].any()
    assert (stack[3] == frame).all()
    stack, *_ = env.step(2)
    frame, *_ = plain.step(2)
    assert stack[2].any()
    assert (stack[3] == frame).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [{"render_mode": "rgb_array"}, {"stack": True, "sticky_action": True, "noop_max": 30}]
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasium_finds_nothing_wrong(options: dict[str, Any]) -> None:
    check_env(make("breakout-mixed-v0", **options), skip_render_check=False)


def test_pictures_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env = make("pong-mixed-v0", render_mode="rgb_array")
    env.reset(seed=0)
    assert env.render().shape == (210, 160, 3)
    window = make("pong-mixed-v0", render_mode="human")
    window.reset(seed=0)
    window.step(0)
    assert window.render() is None
    window.close()


def test_lives_rewards_and_roms_by_option(tmp_path: Path) -> None:
    rom = tmp_path / "breakout.bin"
    rom.write_bytes(rom_of(make("breakout-mixed-v0").game).read_bytes())
    env = make("breakout-mixed-v0", terminal_on_life_loss=True, rom=rom)
    env.reset(seed=0)
    done, lives = False, 5
    while not done:
        _, _, done, _, info = env.step(1 if lives else 0)
        lives = info["lives"]
    assert lives == 4
    with pytest.raises(AtariReplayError, match="expected a ROM of Breakout"):
        make("breakout-mixed-v0", rom=tmp_path / "none.bin")


def test_misuse_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = make("pong-mixed-v3")
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        env.step(0)
    env.reset()
    with pytest.raises(gymnasium.error.InvalidAction, match="expected 0 to 5"):
        env.step(6)
    with pytest.raises(AtariReplayError, match="no split 'run_1'; it has run_4"):
        make("pong-mixed-v0").get_dataset()
    with pytest.raises(AtariReplayError, match="there is no checkpoint_07; it has checkpoint_00"):
        make("pong-epoch-7-v3").get_dataset()
    monkeypatch.delenv("ATARI_DQN_REPLAY_DATASET")
    with pytest.raises(AtariReplayError, match="ATARI_DQN_REPLAY_DATASET"):
        make("pong-mixed-v3").get_dataset()


@pytest.mark.slow
def test_raw_rows_need_no_more_than_the_checkpoint_before(tmp_path: Path) -> None:
    """Of a log with a lap that was never dumped, whose first checkpoints were not built."""
    logs = SKIPPED_LAP / "dqn"
    dataset = build_from(logs, tmp_path / "dataset", checkpoints=range(4, 10))
    game = PlayedGame(find_game("breakout"), 1, logs, {})
    for number in range(5, 10):
        env = make(f"breakout-epoch-{number}-v0", dataset=dataset, raw=True)
        assert_equal(env.get_dataset(), file_arrays(game, number))
    with pytest.raises(AtariReplayError, match="need the checkpoint before"):
        make("breakout-epoch-4-v0", dataset=dataset, raw=True).get_dataset()


@pytest.mark.slow
def test_importing_interop_imports_no_other_library() -> None:
    libraries = ["torch", "torchrl", "gymnasium", "d3rlpy", "pygame"]
    code = (
        "import sys, atari_dqn_replay.interop, atari_dqn_replay.interop.selection\n"
        f"print([name for name in {libraries} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize(("face", "library"), [("d4rl_atari", "gymnasium"), ("torchrl", "torchrl")])
def test_a_library_that_is_missing_is_named(face: str, library: str) -> None:
    code = (
        "import importlib.metadata as metadata\n"
        "found = metadata.version\n"
        "def version(name):\n"
        f"    if name == {library!r}:\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return found(name)\n"
        "metadata.version = version\n"
        "try:\n"
        f"    import atari_dqn_replay.interop.{face}\n"
        "except ImportError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"{library} is not installed" in done.stdout, done.stderr
    assert f"pip install 'atari-dqn-replay[{library}]'" in done.stdout


def test_the_module_is_named_as_users_import_it() -> None:
    assert atari_dqn_replay.interop.d4rl_atari.OfflineAtariEnv.__name__ == "OfflineAtariEnv"
