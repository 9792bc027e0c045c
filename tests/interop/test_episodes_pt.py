"""Episodes in `.pt` files: exact there and back, and nothing that would have to be unpickled is read."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from atari_dqn_replay.builder.assembly.build import build, plan_build
from atari_dqn_replay.builder.errors import SourceError
from atari_dqn_replay.builder.files import sha256_of
from atari_dqn_replay.builder.format.configs import parse_config_name
from atari_dqn_replay.builder.format.episodes_pt import path_of
from atari_dqn_replay.builder.sources.episode_files.episodes_pt import EpisodesPt
from atari_dqn_replay.builder.sources.open import Form, open_source
from atari_dqn_replay.builder.stores.store import Store
from atari_dqn_replay.interop.export.episodes_pt.export import EpisodesPtFormat
from atari_dqn_replay.interop.export.selection import Selection
from crafter_datasets import CRAFTER, crafter_dataset, episodes_of

from atari_dqn_replay import export

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("episodes")
    export(crafter_dataset(), "crafter-full", format="episodes-pt", out=out)
    return out / "crafter/run_1"


def test_paths_are_those_of_the_collection() -> None:
    assert [path_of(number) for number in (3, 123, 1045)] == [
        "000/00/3/3.pt",
        "100/20/3/123.pt",
        "000/40/5/1045.pt",
    ]


def test_files_hold_the_dataset_s_own_bytes(exported: Path) -> None:
    for number, episode in enumerate(episodes_of(crafter_dataset())):
        saved = torch.load(exported / path_of(number), weights_only=True)
        assert list(saved) == ["obs", "act", "rew", "end", "trunc"]
        kinds = [(each.dtype, each.ndim) for each in saved.values()]
        assert kinds == [
            (torch.uint8, 4),
            (torch.int64, 1),
            (torch.float32, 1),
            (torch.uint8, 1),
            (torch.uint8, 1),
        ]
        np.testing.assert_array_equal(saved["obs"].numpy().transpose(0, 2, 3, 1), episode["observation"])
        np.testing.assert_array_equal(saved["act"], episode["action"])
        np.testing.assert_array_equal(saved["rew"], episode["reward"])
        np.testing.assert_array_equal(saved["end"].bool(), episode["terminated"])


def test_info_sums_them_up(exported: Path) -> None:
    info = torch.load(exported / "info.pt", weights_only=False)  # our own file, a moment ago
    lengths = [len(episode["action"]) for episode in episodes_of(crafter_dataset())]
    assert info["num_episodes"] == len(lengths)
    assert info["num_steps"] == sum(lengths) == sum(info["counter_rew"].values())
    assert info["lengths"].tolist() == lengths
    assert info["start_idx"].tolist() == (np.cumsum(lengths) - lengths).tolist()
    assert info["counter_end"].total() == sum(lengths)


def test_a_killed_export_goes_on_to_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    def export_again() -> None:
        export(crafter_dataset(), "crafter-full", format="episodes-pt", out=tmp_path)

    export_again()
    (tmp_path / "crafter/run_1" / path_of(1)).unlink()
    (tmp_path / "crafter/run_1/info.pt").unlink()
    export_again()
    for path in exported.rglob("*.pt"):
        assert sha256_of(path) == sha256_of(tmp_path / "crafter/run_1" / path.relative_to(exported))


def test_a_dataset_built_from_them_has_the_same_steps(exported: Path, tmp_path: Path) -> None:
    source = open_source(str(exported.parents[1]))
    assert source.games() == [CRAFTER]
    build(plan_build(source, [CRAFTER], tmp_path / "dataset"), tmp_path / "dataset")
    pairs = zip(episodes_of(crafter_dataset()), episodes_of(tmp_path / "dataset"), strict=True)
    for episode, again in pairs:
        for name in ("observation", "action", "reward", "terminated"):
            np.testing.assert_array_equal(again[name], episode[name])
    export(tmp_path / "dataset", "crafter-full", format="episodes-pt", out=tmp_path / "again")
    for path in exported.rglob("*.pt"):
        assert sha256_of(path) == sha256_of(tmp_path / "again/crafter/run_1" / path.relative_to(exported))


class _Program:
    def __reduce__(self) -> Any:
        return Path.touch, (Path("was-run"),)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"obs": _Program()}, "holds objects that would have to be unpickled"),
        ([1], "expected a dict of the tensors obs, act, rew, end, trunc"),
        (
            {
                "obs": torch.zeros(2, 3, 8, 8, dtype=torch.uint8),
                "act": torch.zeros(3, dtype=torch.int64),
                "rew": torch.zeros(2),
                "end": torch.zeros(2, dtype=torch.uint8),
                "trunc": torch.zeros(2, dtype=torch.uint8),
            },
            r"act is int64 of shape \(3,\), expected int64 for each of 2 steps",
        ),
    ],
)
def test_what_is_no_episode_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "played" / path_of(0)
    path.parent.mkdir(parents=True)
    torch.save(content, path)
    run = open_source(str(tmp_path / "played")).open_run(CRAFTER, 1)
    with pytest.raises(SourceError, match=message) as caught:
        list(run.reader().checkpoint(1).episodes())
    assert str(path) in str(caught.value)
    assert not Path("was-run").exists()


def episode_of(**others: torch.Tensor) -> dict[str, torch.Tensor]:
    """An episode of two steps."""
    zeros = {"act": torch.int64, "rew": torch.float32, "end": torch.uint8, "trunc": torch.uint8}
    rest = {key: torch.zeros(2, dtype=dtype) for key, dtype in zeros.items()}
    return {"obs": torch.full((2, 3, 8, 8), 7, dtype=torch.uint8), **rest, **others}


def read_episodes(folder: Path) -> None:
    list(open_source(str(folder)).open_run(CRAFTER, 1).reader().checkpoint(1).episodes())


def test_a_pixel_that_has_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / path_of(0)
    path.parent.mkdir(parents=True)
    torch.save(episode_of(), path)
    read_episodes(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b"\7" * 384) + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"cannot be read by torch \(.*data/0 has changed\)"):
        read_episodes(tmp_path)


@pytest.mark.parametrize("content", [b"", b".", b"\x80\x02K", b"<!DOCTYPE html>", b"PK\5\6" + b"\xff" * 18])
def test_what_is_no_file_of_torch_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / path_of(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"0\.pt: cannot be read by torch \(.+\); copy it again"):
        read_episodes(tmp_path)


@pytest.mark.parametrize(
    ("rewards", "found"),
    [
        (torch.zeros(2, dtype=torch.bfloat16), "rew is bfloat16 of shape"),
        (torch.ones(2).to_sparse(), "rew is sparse_coo float32 of shape"),
        (torch.zeros(2, requires_grad=True), None),
    ],
)
def test_tensors_that_numpy_does_not_have(tmp_path: Path, rewards: torch.Tensor, found: str | None) -> None:
    path = tmp_path / path_of(0)
    path.parent.mkdir(parents=True)
    torch.save(episode_of(rew=rewards), path)
    if found is None:
        read_episodes(tmp_path)
        return
    with pytest.raises(SourceError, match=found):
        read_episodes(tmp_path)


def test_other_sources_are_told_apart_by_their_first_game(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for game in ("Asterix", "Breakout", "Pong"):
        (tmp_path / game / "1/replay_logs").mkdir(parents=True)
    listed: list[str] = []
    names = Store._names
    monkeypatch.setattr(Store, "_names", lambda store, folder: listed.append(folder) or names(store, folder))
    assert not Form("episodes-pt", EpisodesPt).recognises(Store(str(tmp_path)))
    assert {*listed} == {"", "Asterix"}
    assert EpisodesPt(Store(str(tmp_path))).describe() == str(tmp_path)
    with pytest.raises(SourceError, match="holds no episodes; expected files such as"):
        EpisodesPt(Store(str(tmp_path))).games()


def test_a_plan_goes_by_the_size_of_the_frames(tmp_path: Path) -> None:
    path = tmp_path / path_of(0)
    path.parent.mkdir(parents=True)
    torch.save(episode_of(obs=torch.zeros(2, 3, 128, 128, dtype=torch.uint8)), path)
    run = open_source(str(tmp_path)).open_run(CRAFTER, 1)
    part = EpisodesPtFormat().plan(Selection(parse_config_name("crafter-full"), run, (1,), False), tmp_path)
    assert part.rows == run.rows(1) == 2
    assert part.size == part.rows * 128 * 128 * 3
    path.write_bytes(b"damaged")
    assert open_source(str(tmp_path)).open_run(CRAFTER, 1).rows(1) == 0


def test_missing_episodes_are_found_without_counting_to_the_last(tmp_path: Path) -> None:
    for number in (1, 2, 9_999_999):
        (tmp_path / path_of(number)).parent.mkdir(parents=True)
        (tmp_path / path_of(number)).touch()
    source = open_source(str(tmp_path))
    assert source.open_run(CRAFTER, 1).remarks() == ["no episode 0, 3-9999998"]
    (tmp_path / path_of(999_999_999_999)).touch()
    with pytest.raises(SourceError, match=r"999999999999\.pt: an episode of number 999,999,999,999"):
        source.open_run(CRAFTER, 1)


def test_a_plain_pickle_is_refused_as_well(tmp_path: Path) -> None:
    path = tmp_path / path_of(0)
    path.parent.mkdir(parents=True)
    path.write_bytes(pickle.dumps({"obs": _Program()}))
    with pytest.raises(SourceError, match=r"unpickled|cannot be read by torch"):
        list(open_source(str(tmp_path)).open_run(CRAFTER, 1).reader().checkpoint(1).episodes())
