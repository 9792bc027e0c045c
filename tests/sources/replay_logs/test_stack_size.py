"""Logs written with another stack_size than 4: found out and said, or refused; never wrong rows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.collecting import ring_buffer
from atari_dqn_replay.builder.errors import AtariReplayError, ReplayLogError
from atari_dqn_replay.builder.format.games import find_game
from atari_dqn_replay.builder.format.manifest import Manifest
from atari_dqn_replay.builder.sources.open import open_source
from command import run
from logs import Played, write_log

PONG = find_game("Pong")
LENGTHS = [40, 90, 30, 25, 130]


def logged(root: Path, stack_size: int, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Played:
    monkeypatch.setattr(ring_buffer, "PADDING_ROWS", stack_size - 1)
    return write_log(root, LENGTHS, capacity=options.pop("capacity", 150), **options)


def frames(root: Path, **options: Any) -> np.ndarray:
    """All frames that come out, in order of play."""
    opened = open_source(str(root), options).open_run(PONG, 1)
    reader = opened.reader()
    found = [
        block
        for number in opened.checkpoints
        for episode in reader.checkpoint(number).episodes()
        for block in episode.frames
    ]
    reader.close()
    return np.concatenate(found)


@pytest.mark.parametrize("stack_size", [1, 2, 3, 4, 5, 8])
def test_a_stack_size_is_found_out_and_said(
    stack_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = logged(tmp_path, stack_size, monkeypatch)
    recoverable = log.observation[log.recoverable]
    assert np.array_equal(frames(tmp_path), recoverable)
    assert np.array_equal(frames(tmp_path, stack_size=stack_size), recoverable)
    remarks = open_source(str(tmp_path)).open_run(PONG, 1).remarks()
    assert any(f"stack_size {stack_size}" in remark for remark in remarks) == (stack_size != 4)


def test_the_manifest_states_another_stack_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(tmp_path / "logs", 2, monkeypatch)
    build(plan_build(open_source(str(tmp_path / "logs")), [PONG], tmp_path / "out"), tmp_path / "out")
    for path in (tmp_path / "out" / "manifests").rglob("*.json"):
        (remark,) = Manifest.from_json(path.read_bytes(), str(path)).remarks
        assert remark == "1 blank rows before each episode: logged with stack_size 2"


@pytest.mark.slow
def test_a_stack_size_that_does_not_fit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logged(tmp_path, 2, monkeypatch)
    with pytest.raises(ReplayLogError, match=r"begin with 1 blank rows, expected 7.*give --stack-size 2"):
        frames(tmp_path, stack_size=8)
    done = run("inspect", tmp_path, "--stack-size", 8)
    assert "give --stack-size 2" in done.stdout
    for wrong in ("four", 0, 99):
        with pytest.raises(AtariReplayError, match="from 1 to"):
            open_source(str(tmp_path), {"stack_size": wrong})


def test_amidars_black_first_frame_is_play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = logged(tmp_path, 4, monkeypatch, game="Amidar", black=1, capacity=400)
    opened = open_source(str(tmp_path)).open_run(find_game("Amidar"), 1)
    reader = opened.reader()
    lengths = [len(episode) for episode in reader.checkpoint(0).episodes()]
    reader.close()
    assert lengths == LENGTHS
    assert len(log) == sum(LENGTHS)
