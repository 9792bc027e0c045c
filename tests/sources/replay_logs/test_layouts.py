"""Copies of a log in every layout that people have: recognised, read alike, nothing ignored in silence."""

import gzip
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import OutputError, SourceError, UnknownNameError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.sources.inspection import inspect_source
from atari_dqn_replay.builder.sources.open import layout_names, named_games, open_source
from command import run
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from logs import Played, log_transitions, write_log
from paths import SKIPPED_LAP, THREE_LAPS
from web_server import running_web

PONG = find_game("Pong")
LOG_FILE = re.compile(r"(?:\$store\$_)?(?P<array>\w+)_ckpt\.(?P<number>\d+)\.gz")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """A log of two full laps and a part of a third, in the bucket's layout."""
    return write_log(tmp_path_factory.mktemp("log"), [120, 300, 70, 200], capacity=300)


@pytest.fixture(scope="module")
def shards(log: Played, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is built from the bucket's layout."""
    return built(log.root, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def uncounted(log: Played, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What is built from the bucket's layout without add_count."""
    root = tmp_path_factory.mktemp("uncounted")
    rename(log, root / "logs", "Pong/1/replay_logs/$store$_{array}_ckpt.{number}.gz")
    return built(root / "logs", root / "built")


def built(source: Path, out: Path, run: int = 1, game: str = "pong", **options: object) -> dict[str, bytes]:
    """The dataset's shards, named as for run 1."""
    build(plan_build(open_source(str(source), options), [find_game(game)], out), out)
    return {
        str(path.relative_to(out)).replace(f"run_{run}", "run_1"): path.read_bytes()
        for path in sorted((out / "data").rglob("*.parquet"))
    }


def rename(log: Played, root: Path, name: str) -> Path:
    """Copy a log, each file to a name made from its array and number; a name without `$` has no add_count."""
    for path in log.folder.iterdir():
        match = LOG_FILE.fullmatch(path.name)
        if match and match["array"] in ("observation", "action", "reward", "terminal"):
            target = root / name.format(**match.groupdict())
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
    return root


WHOLE: dict[str, Callable[[Path, Path], object]] = {
    "below dqn": lambda logs, root: shutil.copytree(logs.parents[2], root / "dqn"),
    "deep below other folders": lambda logs, root: shutil.copytree(logs.parents[2], root / "a/b/mirror"),
    "a game spelled in another way": lambda logs, root: shutil.copytree(
        logs.parents[1], root / "PongNoFrameskip-v4"
    ),
    "replay_logs below the game": lambda logs, root: shutil.copytree(logs, root / "pong" / "replay_logs"),
    "the files below the game": lambda logs, root: shutil.copytree(logs, root / "pong"),
    "a run folder of two digits": lambda logs, root: shutil.copytree(
        logs, root / "Pong" / "01" / "replay_logs"
    ),
    "a run folder of three": lambda logs, root: shutil.copytree(logs, root / "Pong" / "100"),
    "run folder 0": lambda logs, root: shutil.copytree(logs, root / "Pong" / "run_0" / "replay_logs"),
    "names quoted as in URLs": lambda logs, root: [
        (root / "Pong").mkdir(parents=True),
        shutil.copytree(logs, root / "Pong" / "1"),
        *(path.rename(path.with_name(quote(path.name))) for path in list((root / "Pong" / "1").iterdir())),
    ],
    "replay_logs without a game": lambda logs, root: shutil.copytree(logs, root / "replay_logs"),
    "the files alone": lambda logs, root: shutil.copytree(logs, root, dirs_exist_ok=True),
}
"""Ways to arrange a log with all of its files."""


@pytest.mark.parametrize("way", WHOLE)
def test_a_whole_log_gives_the_same_shards_in_every_layout(
    way: str, log: Played, shards: dict[str, bytes], tmp_path: Path
) -> None:
    WHOLE[way](log.folder, tmp_path / "source")
    (number,) = open_source(str(tmp_path / "source")).runs(PONG)
    assert built(tmp_path / "source", tmp_path / "out", number) == shards


UNCOUNTED = {
    "d4rl-atari": "Pong/1/{number}/{array}.gz",
    "flat-runs": "Pong/{array}_1_{number}.gz",
    "flat": "Pong/{array}_{number}.gz",
}
"""Layouts without add_count; the names of the files."""


@pytest.mark.parametrize("layout", UNCOUNTED)
def test_layouts_without_add_count_give_what_the_buckets_names_give_without_it(
    layout: str, log: Played, uncounted: dict[str, bytes], tmp_path: Path
) -> None:
    root = rename(log, tmp_path / "source", UNCOUNTED[layout])
    assert built(root, tmp_path / "out") == uncounted
    assert built(root, tmp_path / "forced", layout=layout) == uncounted


@pytest.mark.slow
@pytest.mark.parametrize("layout", UNCOUNTED)
def test_frames_prove_joins_so_that_real_play_gives_the_same_shards_without_add_count(
    layout: str, tmp_path: Path
) -> None:
    """Of Dopamine's own buffer: what begins as no episode does goes on from the dump before."""
    logs = THREE_LAPS / "dqn" / "Breakout" / "1" / "replay_logs"
    for path in logs.glob("$store$*"):
        match = LOG_FILE.fullmatch(path.name)
        assert match is not None
        target = (
            tmp_path / "source" / UNCOUNTED[layout].replace("Pong", "Breakout").format(**match.groupdict())
        )
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    found, expected = (
        built(source, tmp_path / str(place), game="breakout")
        for place, source in enumerate((tmp_path / "source", THREE_LAPS))
    )
    assert found == expected


def test_a_skipped_lap_is_not_joined_over_without_add_count(tmp_path: Path) -> None:
    root = Path(shutil.copytree(SKIPPED_LAP, tmp_path / "source"))
    counted = open_source(str(root)).open_run(find_game("breakout"), 1)
    skips = [n for n in counted.checkpoints[1:] if counted.continued_in(n - 1) is None]
    for path in root.rglob("add_count*"):
        path.unlink()
    run = open_source(str(root)).open_run(find_game("breakout"), 1)
    assert skips
    assert all(run.continued_in(number - 1) is None for number in skips)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
@given(lengths=st.lists(st.integers(1, 60), min_size=4, max_size=25), capacity=st.integers(12, 60))
def test_no_skipped_lap_is_ever_joined_over(
    lengths: list[int], capacity: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where every episode begins with one frame, as in ALE, and everything else differs."""
    root = tmp_path_factory.mktemp("log")
    count = sum(lengths)
    ends = np.cumsum(lengths, dtype=np.int64)
    observation = np.ones((count, 84, 84), np.uint8)
    observation[:, 0, :4] = np.arange(count, dtype="<u4").view(np.uint8).reshape(-1, 4)
    observation[ends - np.array(lengths)] = observation[0]
    terminal = np.zeros(count, bool)
    terminal[ends - 1] = True
    action = np.arange(count, dtype=np.int32) % 2
    log_transitions(root, observation, action, np.zeros(count, np.float32), terminal, capacity=capacity)
    counted = open_source(str(root)).open_run(PONG, 1)
    links = {number: counted.continued_in(number) for number in counted.checkpoints}
    for path in root.rglob("add_count*"):
        path.unlink()
    run = open_source(str(root)).open_run(PONG, 1)
    for number in run.checkpoints:
        assert run.continued_in(number) in (None, links[number])


def test_some_add_counts_tell_the_others(log: Played, shards: dict[str, bytes], tmp_path: Path) -> None:
    """If the last full lap's dump counts as many laps as there are dumps, none was skipped."""
    root = Path(shutil.copytree(log.root, tmp_path / "source"))
    last_lap = max(log.files) - 1
    for number in set(log.files) - {last_lap}:
        (root / "Pong" / "1" / "replay_logs" / f"add_count_ckpt.{number}.gz").unlink()
    assert built(root, tmp_path / "out") == shards


def test_the_path_names_the_game_and_the_run(log: Played, tmp_path: Path) -> None:
    shutil.copytree(log.folder, tmp_path / "Pong" / "3" / "replay_logs")
    for below in ("Pong", "Pong/3", "Pong/3/replay_logs"):
        source = open_source(str(tmp_path / below))
        assert source.games() == [PONG]
        assert source.runs(PONG) == [3]
        assert source.open_run(PONG, 3).checkpoints == list(log.files)


def test_a_game_that_nothing_names_is_asked_for(log: Played, tmp_path: Path) -> None:
    source = open_source(str(shutil.copytree(log.folder, tmp_path / "some" / "replay_logs")))
    with pytest.raises(SourceError, match="name it"):
        named_games(source, ["all"])
    with pytest.raises(SourceError, match="of one game"):
        named_games(source, ["pong", "breakout"])
    assert named_games(source, ["pong"]) == [PONG]


def test_a_single_checkpoint_is_read_wherever_its_four_files_lie(log: Played, tmp_path: Path) -> None:
    for array in ("observation", "action", "reward", "terminal"):
        shutil.copy(log.folder / f"$store$_{array}_ckpt.1.gz", tmp_path / f"{array}.gz")
    assert open_source(str(tmp_path)).open_run(PONG, 1).checkpoints == [0]


def test_sgis_names_hold_five_runs_in_one_folder(log: Played, tmp_path: Path) -> None:
    rename(log, tmp_path, "Pong/{array}_{number}.gz")
    for array in ("observation", "action", "reward", "terminal"):
        shutil.copy(log.folder / f"$store$_{array}_ckpt.1.gz", tmp_path / "Pong" / f"{array}_301.gz")
    source = open_source(str(tmp_path))
    assert {run: source.open_run(PONG, run).checkpoints for run in source.runs(PONG)} == {
        1: [0, 1, 2],
        3: [1],
    }


def test_inspect_has_a_line_for_everything_that_was_not_taken(log: Played, tmp_path: Path) -> None:
    shutil.copytree(log.root, tmp_path, dirs_exist_ok=True)
    logs = tmp_path / "Pong" / "1" / "replay_logs"
    (tmp_path / "Pong" / "results.csv").write_text("")
    (tmp_path / "NoGame").mkdir()
    shutil.copytree(logs, tmp_path / "Pong" / "01")
    (logs / "$store$_action_ckpt.0.gz (copy)").write_text("")
    shutil.copytree(tmp_path / "Pong" / "1", tmp_path / "pong" / "2")
    source = open_source(str(tmp_path))
    inspection = inspect_source(source, source.games())
    assert [report.run for report in inspection.runs] == [1]
    text = str(inspection)
    for name in (
        "(copy)",
        "results.csv",
        "NoGame",
        "Pong/01: found another copy",
        "pong: found another folder",
    ):
        assert name in text
    assert text.count("not taken: ") == 5


@pytest.mark.parametrize("inner", ["", "Pong", "Pong/1", "Pong/notes"])
def test_a_source_without_logs_never_ends_well(inner: str, tmp_path: Path) -> None:
    (tmp_path / "source" / inner).mkdir(parents=True)
    done = run("inspect", tmp_path / "source")
    assert "expected" in done.stdout + done.stderr
    assert done.returncode == 1


def test_a_server_without_a_listing_may_lack_add_counts(log: Played, tmp_path: Path) -> None:
    rename(log, tmp_path, "Pong/1/replay_logs/$store$_{array}_ckpt.{number}.gz")
    with running_web(tmp_path, listing=False) as server:
        opened = open_source(server.url).open_run(PONG, 1)
        assert opened.checkpoints == list(log.files)
        assert any("no add_count" in remark for remark in opened.remarks())


def test_an_unknown_layout_is_answered_with_the_known_ones(log: Played) -> None:
    with pytest.raises(UnknownNameError, match=", ".join(layout_names())):
        open_source(str(log.root), {"layout": "bukket"})
    with pytest.raises(SourceError, match="Pong"):
        open_source(str(log.root), {"layout": "flat"}).open_run(PONG, 1)


@pytest.mark.parametrize("out", [".", "Pong", "Pong/1/built"])
def test_a_dataset_is_not_built_into_its_source(log: Played, tmp_path: Path, out: str) -> None:
    root = Path(shutil.copytree(log.root, tmp_path / "source"))
    with pytest.raises(OutputError, match="lies in the source"):
        built(root, root / out)


def test_rewards_beyond_the_originals_are_said(tmp_path: Path) -> None:
    log = write_log(tmp_path, [40, 50], capacity=200)
    path = log.folder / "$store$_reward_ckpt.0.gz"
    rewards = np.load(io.BytesIO(gzip.decompress(path.read_bytes())))
    rewards[10], rewards[20] = 5, -3
    content = io.BytesIO()
    np.save(content, rewards)
    path.write_bytes(gzip.compress(content.getvalue()))
    reader = open_source(str(tmp_path)).open_run(PONG, 1).reader()
    checkpoint = reader.checkpoint(0)
    assert sum(len(episode) for episode in checkpoint.episodes()) == 90
    assert checkpoint.remarks() == ("rewards from -3 to 5: not clipped to [-1, 1] as the original's are",)
    reader.close()
