"""What users rely on wherever they work: importing is light, and clashes with nothing of theirs."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from atari_dqn_replay.commands.main import COMMANDS
from command import COMMAND, run
from paths import THREE_LAPS


def python(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
def test_a_users_own_modules_called_like_our_folders_break_nothing(tmp_path: Path) -> None:
    for name in ("builder", "replay_reader", "cards", "frames", "games"):
        (tmp_path / f"{name}.py").write_text(f"mine = {name!r}\n")
    code = (
        "import builder, replay_reader, atari_dqn_replay\n"
        "from atari_dqn_replay import AtariDQNReplay, Transitions, decode_frames\n"
        f"builder_ = AtariDQNReplay('breakout-mixed', source={str(THREE_LAPS)!r})\n"
        "steps = builder_.as_streaming_dataset(split='run_1')\n"
        "print(builder.mine, replay_reader.mine, next(iter(steps))['observation'].size)"
    )
    done = python(code, tmp_path, USE_TORCH="0")  # which `datasets` would import
    assert done.stdout == "builder replay_reader (84, 84)\n", done.stderr
    command = [
        COMMAND,
        "build",
        "breakout",
        "--source",
        str(THREE_LAPS),
        "--checkpoints",
        "3",
        "--out",
        "out",
    ]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_importing_brings_in_nothing_heavy(tmp_path: Path) -> None:
    heavy = "torch", "tensorflow", "jax", "ray", "ale_py", "cv2", "gcsfs", "jinja2", "matplotlib"
    code = f"import sys, atari_dqn_replay; print([name for name in {heavy} if name in sys.modules])"
    assert python(code, tmp_path).stdout == "[]\n"


def loaded_by(code: str, folder: Path) -> set[str]:
    """The packages beyond Python's own that this code imports."""
    script = (
        "import sys\nbefore = set(sys.modules)\n"
        f"try:\n    {code}\nexcept SystemExit:\n    pass\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print('loaded:', *sorted(new - sys.stdlib_module_names))"
    )
    done = python(script, folder)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split("loaded:")[1].split())


def test_importing_the_package_loads_nothing_else(tmp_path: Path) -> None:
    assert loaded_by("import atari_dqn_replay", tmp_path) == {"atari_dqn_replay"}


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], *([command, "--help"] for command in COMMANDS), ["x"]])
def test_help_and_mistakes_load_nothing_else(arguments: list[str], tmp_path: Path) -> None:
    code = f"sys.argv[1:] = {arguments}; import atari_dqn_replay_command; atari_dqn_replay_command.main()"
    assert loaded_by(code, tmp_path) == {"atari_dqn_replay", "atari_dqn_replay_command"}


NOT_NEEDED = {"datasets", "pandas", "torch", "aiohttp"}
"""Packages that take long to import; aiohttp is for web servers."""


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        f"'build', 'breakout', '--checkpoints', '0', '--source', {str(THREE_LAPS)!r}, '--out', 'out'",
        f"'inspect', {str(THREE_LAPS)!r}",
    ],
)
def test_a_build_and_an_inspection_need_no_datasets(command: str, tmp_path: Path) -> None:
    code = f"sys.argv[1:] = [{command}]; import atari_dqn_replay_command; atari_dqn_replay_command.main()"
    # Pictures as well, for which this dataset is too small.
    draw = "from atari_dqn_replay.builder.publishing import picture_material; picture_material.SHARE = 1.0"
    assert not loaded_by(f"{draw}; {code}", tmp_path) & NOT_NEEDED
    assert "build" not in command or list((tmp_path / "out").rglob("learning.webp"))


@pytest.mark.slow
def test_reading_needs_neither_datasets_nor_pandas(tmp_path: Path) -> None:
    run("build", "breakout", "--source", THREE_LAPS, "--checkpoints", "3", "--out", tmp_path / "out")
    opened = "Transitions('out', 'breakout-full', split='run_1')"
    code = f"from atari_dqn_replay import Transitions; next(iter({opened}))"
    assert not loaded_by(code, tmp_path) & NOT_NEEDED


def test_every_public_name_is_there_and_listed() -> None:
    import atari_dqn_replay

    for name in atari_dqn_replay.__all__:
        assert name in dir(atari_dqn_replay)
        assert getattr(atari_dqn_replay, name).__class__
    with pytest.raises(AttributeError, match="no attribute 'Transition'"):
        _ = atari_dqn_replay.Transition  # pyright: ignore[reportAttributeAccessIssue]


def test_what_is_pickled_is_found_under_its_public_name() -> None:
    import atari_dqn_replay

    assert atari_dqn_replay.AtariDQNReplay.__module__ == "atari_dqn_replay"
    assert pickle.loads(pickle.dumps(atari_dqn_replay.AtariDQNReplay)) is atari_dqn_replay.AtariDQNReplay


def test_the_code_of_the_package_is_one_top_level_name() -> None:
    from atari_dqn_replay.builder.format import frames

    import atari_dqn_replay

    assert frames.decode_frames is atari_dqn_replay.decode_frames
    assert "builder" not in sys.modules


@pytest.mark.slow
def test_a_stream_that_is_left_midway_ends_without_a_word(tmp_path: Path) -> None:
    code = (
        "from atari_dqn_replay import AtariDQNReplay\n"
        f"builder = AtariDQNReplay('breakout-full', source={str(THREE_LAPS)!r})\n"
        "steps = iter(builder.as_streaming_dataset(split='run_1'))\n"
        "next(steps)"
    )
    done = python(code, tmp_path, USE_TORCH="0")
    assert (done.returncode, done.stderr) == (0, "")
