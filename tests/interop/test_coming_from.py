"""Every example and every argument in docs/coming-from.md, run."""

import gzip
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from atari_dqn_replay.commands.main import main
from paths import ROOT

import atari_dqn_replay

TEXT = (ROOT / "docs" / "coming-from.md").read_text()
SECTIONS = {part.partition("\n")[0]: part for part in TEXT.split("\n## ")[1:]}
ELSEWHERE = "d3rlpy"
"""Its example runs among d3rlpy_cases.py, where d3rlpy is installed."""


def blocks(section: str) -> list[tuple[str, str]]:
    """The language and the text of each example that is to be run; commands have no language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", SECTIONS[section], re.DOTALL | re.MULTILINE)
    return [(language, text) for language, text in found if language in ("python", "")]


@pytest.fixture(autouse=True)
def _beside_the_dataset(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dataset").symlink_to(dataset)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATARI_DQN_REPLAY_DATASET", "dataset")


SLOW = {"TorchRL": pytest.mark.slow}  # which importing it is


@pytest.mark.parametrize(
    "section",
    [pytest.param(name, marks=SLOW.get(name, ())) for name in SECTIONS if blocks(name) and name != ELSEWHERE],
)
def test_the_examples_run(section: str) -> None:
    names: dict[str, Any] = {}
    for language, block in blocks(section):
        if language == "python":
            exec(compile(block, section, "exec"), names)
        else:
            _, *arguments = shlex.split(block.replace("\\\n", ""))
            assert main(arguments) == 0
    if section.startswith("pandas"):
        assert list(names["curve"]["checkpoint"]) == [0, 1, 2]  # in the partial one no episode began
        assert len(names["steps"].collect()) > len(names["frames"]) > 0
    if section == "d4rl-atari":
        for name in ("observation", "action", "reward", "terminal"):
            with gzip.open(f"d4rl-cache/Pong/4/1/{name}.gz") as file:  # as d4rl-atari reads it
                found = np.load(file, allow_pickle=False)
            assert (found.ravel() == np.asarray(names["rows"][f"{name}s"]).ravel()).all()


@pytest.mark.parametrize("arguments", re.findall(r"^\| .* \| `(.*)` \|$", SECTIONS["Papers"], re.MULTILINE))
def test_the_papers_arguments_give_batches(arguments: str) -> None:
    names: dict[str, Any] = {name: getattr(atari_dqn_replay, name) for name in atari_dqn_replay.__all__}
    names["pong"] = ("dataset", "pong-full", "run_4")
    assert next(iter(eval(arguments, names)))["action"].ndim


def test_the_table_of_numbers_is_right(dataset: Path) -> None:
    from atari_dqn_replay import Episodes, by_file_number

    def checkpoints(name: str) -> set[int]:
        return set(Episodes(dataset, name, "run_4").catalog.episodes["checkpoint"].tolist())

    assert (checkpoints("pong-mixed"), checkpoints("pong-expert")) == ({0}, {2})  # 2 is the last complete one
    assert checkpoints("pong-full") == {0, 1, 2}  # in the partial one, 3, no episode began
    assert checkpoints(by_file_number("pong-mixed")) == checkpoints("pong-epoch-1") == {1}
    assert by_file_number("pong-medium") == "pong-epoch-10"
    assert by_file_number("MsPacman-expert") == "ms-pacman-epoch-50"
    assert by_file_number("pong-full") == "pong-full"
    with pytest.raises(atari_dqn_replay.AtariReplayError, match="unknown config"):
        by_file_number("pong-novice")


def test_the_builder_takes_the_same_names(dataset: Path) -> None:
    builder = atari_dqn_replay.AtariDQNReplay("pong-epoch-1", source=dataset.parent / "logs")
    steps: Any = builder.as_streaming_dataset(split="run_4")
    rows = steps.take(3)
    assert {row["checkpoint"] for row in rows} == {1}
    with pytest.raises(atari_dqn_replay.AtariReplayError, match="checkpoint 50"):
        atari_dqn_replay.AtariDQNReplay("pong-epoch-50", source=dataset.parent / "logs").as_streaming_dataset(
            split="run_4"
        )
