"""What users of TorchRL's Atari dataset rely on when they change its import."""

# pyright: reportCallIssue=false, reportArgumentType=false, reportOperatorIssue=false, reportAttributeAccessIssue=false
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from played_games import PlayedGame

from atari_dqn_replay import AtariReplayError

pytestmark = pytest.mark.slow  # which importing torchrl is, in whichever test comes first

torch.set_num_threads(1)  # tests run side by side, and batches are small

PONG, ASTERIX = "Pong/4", "Asterix/1"
SLICES: list[dict[str, int]] = [{}, {"slice_len": 8}, {"num_slices": 2}]
KEYS = (
    *[("next", name) for name in ("observation", "truncated", "terminated", "done", "reward")],
    *("observation", "action", "done", "truncated", "terminated"),
)


@pytest.fixture(autouse=True)
def _where_the_data_are(
    dataset: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATARI_DQN_REPLAY_DATASET", str(dataset))
    monkeypatch.setenv("HF_ASSETS_CACHE", str(tmp_path_factory.getbasetemp() / "assets"))
    torch.manual_seed(0)  # what is sampled is the same in every run


def replay_of(*arguments: Any, **options: Any) -> Any:
    from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay

    return AtariDQNExperienceReplay(*arguments, **options)


class TestAtariDQN:
    """The cases of TorchRL's own test class of this name, as its CI ran them before the bucket was closed."""

    @pytest.fixture(autouse=True)
    def _three_checkpoints(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay

        monkeypatch.setattr(AtariDQNExperienceReplay, "_max_runs", 3)

    @pytest.mark.parametrize("dataset_id", [ASTERIX, PONG])
    @pytest.mark.parametrize("slices", SLICES)
    def test_single_dataset(self, dataset_id: str, slices: dict[str, int]) -> None:
        sample = replay_of(dataset_id, **slices).sample(64)
        for key in KEYS:
            assert key in sample.keys(True)
        assert sample.shape == (64,)
        assert sample.get_non_tensor("metadata")["dataset_id"] == dataset_id

    @pytest.mark.parametrize("slices", SLICES)
    def test_double_dataset(self, slices: dict[str, int]) -> None:
        from torchrl.data import ReplayBufferEnsemble

        replays = [replay_of(name, **slices) for name in (PONG, ASTERIX)]
        sample = ReplayBufferEnsemble(*replays, sample_from_all=True, batch_size=128).sample()
        assert sample.shape == (2, 64)
        assert sample[0].get_non_tensor("metadata")["dataset_id"] == PONG
        assert sample[1].get_non_tensor("metadata")["dataset_id"] == ASTERIX

    def test_atari_preproc(self, tmp_path: Path) -> None:
        from torchrl.data import ReplayBuffer
        from torchrl.envs import Compose, RenameTransform, Resize, UnsqueezeTransform

        replay = replay_of(PONG, num_slices=8, batch_size=64, num_procs=0)
        pictures: Any = ["observation", ("next", "observation")]
        transform = Compose(
            UnsqueezeTransform(dim=-3, in_keys=pictures),
            Resize(32, in_keys=pictures),
            RenameTransform(in_keys=["action"], out_keys=["other_action"]),
        )

        def preproc(data: Any) -> Any:
            return transform(data)

        storage = replay.preprocess(
            preproc,
            num_workers=max(1, (os.cpu_count() or 1) - 4),
            num_chunks=1000,
            pbar=True,
            mp_start_method="fork",
            dest=tmp_path,
            num_frames=100,
        )
        assert len(ReplayBuffer(storage=storage, batch_size=32)) == 100
        assert storage[:]["observation"].shape == (100, 1, 32, 32)
        assert (storage[:]["other_action"] == replay[:100]["action"]).all()


def assert_rows_of(sample: Any, game: PlayedGame) -> None:
    """Each row is the step that its index names; the next frame is zeros after an episode's end."""
    index, record = sample["index"].numpy(), game.record
    terminal = record["terminal"][index].astype(bool)
    following = record["observation"][np.minimum(index + 1, len(game) - 1)].copy()
    following[terminal | (index == len(game) - 1)] = 0
    assert (sample["observation"].numpy() == record["observation"][index]).all()
    assert (sample["next", "observation"].numpy() == following).all()
    assert (sample["action"].numpy() == record["action"][index]).all()
    assert (sample["next", "reward"].numpy() == record["reward"][index]).all()
    assert (sample["next", "terminated"].numpy() == terminal).all()


@pytest.mark.parametrize("slices", SLICES)
def test_rows_are_the_steps_that_index_names(pong: PlayedGame, slices: dict[str, int]) -> None:
    replay = replay_of(PONG, batch_size=64, **slices)
    assert len(replay) == len(pong)  # no padding, no stale or repeated rows
    for _ in range(20):
        assert_rows_of(replay.sample(), pong)


@pytest.mark.parametrize("memory_bytes", [0, 1 << 30])
def test_all_rows_in_order_of_play(asterix: PlayedGame, memory_bytes: int) -> None:
    replay = replay_of(ASTERIX, memory_bytes=memory_bytes)
    everything = replay[:]
    everything["index"] = torch.arange(len(replay))
    assert_rows_of(everything, asterix)
    assert (replay.episodes.numpy() == asterix.episode).all()


@pytest.mark.parametrize("replacement", [True, False])
def test_slices_lie_within_an_episode_and_may_contain_its_end(asterix: PlayedGame, replacement: bool) -> None:
    replay = replay_of(ASTERIX, batch_size=400, slice_len=8, replacement=replacement)
    ends = 0
    for _ in range(60):
        sample = replay.sample().reshape(-1, 8)  # without replacement, an epoch's last batch may be short
        assert (sample["index"].diff(dim=1) == 1).all()
        episode = asterix.episode[sample["index"].numpy()]
        assert (episode == episode[:, :1]).all()
        ends += int(sample["next", "terminated"].sum())
        assert (sample["next", "done"] == sample["next", "truncated"]).all()
        assert (sample["next", "truncated"].sum(1) == 1).all()
        assert sample["next", "truncated"][:, -1].all()
    assert ends


@pytest.mark.parametrize("slices", SLICES)
def test_shapes_and_dtypes_are_the_same_with_slices(slices: dict[str, int]) -> None:
    sample = replay_of(PONG, batch_size=16, **slices).sample()
    for key in KEYS:
        value = sample[key]
        assert value.shape == ((16, 84, 84) if "observation" in key else (16,)), key
    assert sample["index"].shape == (16,)
    flags = [key for key in KEYS if key[-1] in ("terminated", "truncated", "done") or isinstance(key, str)]
    dtypes = {sample[key].dtype for key in flags if "observation" not in key and key != "action"}
    assert dtypes == {torch.bool}
    assert (sample["observation"].dtype, sample["action"].dtype) == (torch.uint8, torch.int32)
    assert sample["next", "reward"].dtype == torch.float32


def test_without_replacement_each_step_or_episode_comes_once_per_epoch(asterix: PlayedGame) -> None:
    replay = replay_of(ASTERIX, batch_size=512, replacement=False)
    for _ in range(2):
        seen = torch.cat([sample["index"] for sample in replay])
        assert (seen.sort().values == torch.arange(len(asterix))).all()
    slices = replay_of(ASTERIX, batch_size=32, slice_len=8, replacement=False)
    seen = torch.cat([sample["index"][::8] for sample in slices])
    assert sorted(asterix.episode[seen.numpy()]) == sorted(set(asterix.episode))


def test_short_episodes_make_short_slices_if_the_length_is_not_strict(asterix: PlayedGame) -> None:
    longest = int(np.bincount(asterix.episode).max())
    with pytest.raises(AtariReplayError, match=f"the longest has {longest}"):
        replay_of(ASTERIX, batch_size=longest + 1, slice_len=longest + 1).sample()
    replay = replay_of(ASTERIX, batch_size=longest + 1, num_slices=1, strict_len=False)
    index = replay.sample()["index"].numpy()
    assert len(index) == (asterix.episode == asterix.episode[index[0]]).sum()


def test_a_seed_repeats_the_samples() -> None:
    samples = []
    for _ in range(2):
        replay = replay_of(PONG, batch_size=40, slice_len=8)
        replay.set_rng(torch.Generator().manual_seed(3))
        samples.append(replay.sample()["index"])
    assert (samples[0] == samples[1]).all()


def test_single_steps_and_lists_of_them(pong: PlayedGame) -> None:
    replay = replay_of(PONG)
    one = replay[5]
    assert one.shape == ()
    assert (one["observation"].numpy() == pong.record["observation"][5]).all()
    for index in ([3, 1], torch.tensor([3, 1]), np.array([3, 1]), range(3, 0, -2)):
        assert (replay[index]["observation"].numpy() == pong.record["observation"][[3, 1]]).all()


INDICES = ([-1, -2, 5], [], np.array([250, 0], np.uint8), torch.tensor([7, 7]), slice(None, None, 9))


@pytest.mark.parametrize("index", INDICES, ids=repr)
def test_frames_in_memory_change_no_batch(index: Any) -> None:
    stored, held = (replay_of(PONG, memory_bytes=size)[index] for size in (0, 1 << 30))
    for key in KEYS:
        assert (stored[key].dtype, stored[key].shape) == (held[key].dtype, held[key].shape), key
        assert (stored[key] == held[key]).all(), key


@pytest.mark.parametrize("memory_bytes", [0, 1 << 30])
def test_wrong_indices_are_errors(memory_bytes: int) -> None:
    replay = replay_of(PONG, memory_bytes=memory_bytes)
    for index in ([len(replay)], [-len(replay) - 1]):
        with pytest.raises(IndexError, match="out of"):
            replay[index]
    with pytest.raises(TypeError):
        replay[[1.5]]


def test_frames_in_memory_stay_in_their_process() -> None:
    replay = replay_of(PONG, memory_bytes=1 << 30)
    pickled = pickle.dumps(replay.storage)
    assert len(pickled) < 100_000
    assert (pickle.loads(pickled).get([3])["observation"] == replay[[3]]["observation"]).all()


def test_load_dataset_gives_this_class_once_it_is_registered() -> None:
    from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay, register
    from torchrl.data.datasets import load_dataset
    from torchrl.data.datasets.utils import _DATASET_REGISTRY

    before = dict(_DATASET_REGISTRY)
    try:
        register()
        replay = load_dataset("atari_dqn:Pong/4", batch_size=8)
        assert isinstance(replay, AtariDQNExperienceReplay)
        assert replay.sample().shape == (8,)
    finally:
        _DATASET_REGISTRY.clear()
        _DATASET_REGISTRY.update(before)


def test_torchrls_own_loss_trains_on_it() -> None:
    from tensordict.nn import TensorDictModule
    from torchrl.envs import Compose, UnsqueezeTransform
    from torchrl.modules import QValueActor
    from torchrl.objectives import DQNLoss

    pictures: Any = ["observation", ("next", "observation")]
    columns: Any = [("next", name) for name in ("reward", "done", "terminated", "truncated")]
    transform = Compose(
        UnsqueezeTransform(dim=-3, in_keys=pictures), UnsqueezeTransform(dim=-1, in_keys=columns)
    )
    replay = replay_of(PONG, batch_size=16, transform=transform)
    network = torch.nn.Sequential(torch.nn.Flatten(-3), torch.nn.Linear(84 * 84, 6))
    module = TensorDictModule(
        lambda observation: network(observation.float() / 255), ["observation"], ["action_value"]
    )
    module.network = network  # so that its parameters are found
    loss = DQNLoss(
        QValueActor(module, in_keys=["observation"], action_space="categorical"), action_space="categorical"
    )
    optimiser = torch.optim.Adam(network.parameters(), 1e-5)
    fixed = replay.sample()
    before = float(loss(fixed.clone())["loss"])
    for _ in range(20):
        optimiser.zero_grad()
        loss(fixed.clone())["loss"].backward()
        optimiser.step()
    assert float(loss(fixed.clone())["loss"]) < before


def test_delete_removes_prepared_frames_and_nothing_else(dataset: Path, tmp_path: Path) -> None:
    before = sorted(dataset.rglob("*"))
    replay = replay_of(PONG, root=tmp_path)
    assert list(replay.dataset_path.glob("*.frames"))
    replay.delete()
    assert not list(tmp_path.glob("*.frames"))
    assert sorted(dataset.rglob("*")) == before


def test_there_are_all_sixty_games() -> None:
    from atari_dqn_replay.interop.torchrl import AtariDQNExperienceReplay

    assert len(AtariDQNExperienceReplay.available_datasets) == 300
    assert "Zaxxon/5" in AtariDQNExperienceReplay.available_datasets


@pytest.mark.parametrize(
    ("dataset_id", "options", "message"),
    [
        ("Pong/6", {}, "unknown dataset_id 'Pong/6'"),
        ("pong", {}, "expected <Game>/<run>"),
        ("Breakout/1", {}, "breakout-full"),
        ("Pong/1", {}, "no split 'run_1'; it has run_4"),
        (PONG, {"download": "never"}, "expected True, False or 'force'"),
        (PONG, {"download": False, "dataset": "me/atari"}, "download=False forbids"),
        (PONG, {"dataset": "no/such/folder"}, "no/such/folder"),
    ],
)
def test_what_is_not_there_is_said(dataset_id: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(AtariReplayError, match=message):
        replay_of(dataset_id, **options)


def test_no_dataset_at_all_is_said(monkeypatch: pytest.MonkeyPatch, pong: PlayedGame) -> None:
    monkeypatch.delenv("ATARI_DQN_REPLAY_DATASET")
    with pytest.raises(AtariReplayError, match="set the environment variable ATARI_DQN_REPLAY_DATASET"):
        replay_of(PONG)
    with pytest.raises(AtariReplayError, match="holds replay logs; expected a dataset built from them"):
        replay_of(PONG, dataset=pong.logs)


def test_an_unknown_name_is_a_value_error_as_torchrl_has_it() -> None:
    with pytest.raises(ValueError, match="available_datasets"):
        replay_of("Pong/9")


def test_a_batch_is_a_tensordict_that_can_be_stacked_and_sent(pong: PlayedGame) -> None:
    from tensordict import TensorDict

    replay = replay_of(PONG, batch_size=4)
    both = torch.stack([replay.sample(), replay.sample()])
    assert both.shape == (2, 4)
    assert isinstance(replay.sample().to("cpu"), TensorDict)
