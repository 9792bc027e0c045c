"""What users rely on wherever they work: importing is light, and clashes with nothing of theirs."""

import subprocess
import sys
from pathlib import Path

from command import COMMAND
from paths import THREE_LAPS


def python(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


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
    done = python(code, tmp_path)
    assert done.stdout == "builder replay_reader (84, 84)\n", done.stderr
    command = [COMMAND, "build", "breakout", "--source", str(THREE_LAPS), "--out", "out"]
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0


def test_importing_brings_in_nothing_heavy(tmp_path: Path) -> None:
    heavy = "torch", "tensorflow", "jax", "ray", "ale_py", "cv2", "gcsfs", "jinja2", "matplotlib"
    code = f"import sys, atari_dqn_replay; print([name for name in {heavy} if name in sys.modules])"
    assert python(code, tmp_path).stdout == "[]\n"


def test_the_code_of_the_package_is_one_top_level_name() -> None:
    from atari_dqn_replay.builder.format import frames

    import atari_dqn_replay

    assert frames.decode_frames is atari_dqn_replay.decode_frames
    assert "builder" not in sys.modules


def test_a_stream_that_is_left_midway_ends_without_a_word(tmp_path: Path) -> None:
    code = (
        "from atari_dqn_replay import AtariDQNReplay\n"
        f"builder = AtariDQNReplay('breakout-full', source={str(THREE_LAPS)!r})\n"
        "steps = iter(builder.as_streaming_dataset(split='run_1'))\n"
        "next(steps)"
    )
    done = python(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
