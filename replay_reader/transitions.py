"""Reads batches of transitions: stacked observations, n-step returns, and next observations."""

import numpy as np

from ..builder.format.features import PROB
from .anchors import Anchors
from .batches import Batches, BatchOptions
from .block_pool import BlockPool
from .catalog import Dataset
from .episode_filter import EpisodeFilter
from .n_step import NStep
from .preprocessing import Batch, Preprocessing
from .selection import Selection
from .stacking import check_stack, stack_rows


class Transitions(Batches):
    """Yields batches of transitions, each step of the selection once per epoch.

    A batch is a dict of arrays, with B samples each:

    | key | shape, dtype | |
    |---|---|---|
    | observation | (B, frame_stack, 84, 84) uint8 | oldest frame first; zeros before the episode's start |
    | action | (B,) int64 | |
    | reward | (B,) float32 | the sum of gamma^k · reward over the steps taken, at most n_step |
    | next_observation | like observation | after those steps; zeros where the episode is over |
    | terminated | (B,) bool | the game ended the episode within n_step steps |
    | truncated | (B,) bool | the time limit or the end of the log cut it off within n_step steps |
    | discount | (B,) float32 | the factor on the value of next_observation: gamma^steps, or 0 |
    | prob | (B,) float32 | the probability with which the action was chosen; only if the dataset has it |

    The order is the same for any number of ranks and DataLoader workers (use `batch_size=None` there), and
    `state_dict` and `load_state_dict` resume exactly at a batch; see `Reader`.

    Bootstrapping: after a termination nothing follows, so `discount` is 0. At a truncation play would have
        gone on: fewer steps are taken, and the value of the last stored observation is bootstrapped from.
        Only the very last step of a truncated episode has no next observation (no log stores it): there
        `discount` is 0 without `terminated`, and a loss that should not learn a value of zero leaves it out.

    Args:
        dataset: a folder, a repo on the Hub, a `Dataset`, or an `IterableDataset` from load_dataset.
        config_name: the config of a folder or a repo, `<game>-<quality>`.
        split: the split of a folder or a repo, `run_1` ….
        batch_size: the number of samples in a batch.
        frame_stack: the number of frames in an observation.
        n_step: the number of steps summed in a reward.
        gamma: the discount per step.
        shuffle: whether to mix samples from the whole selection; if False, they come in order of play.
        seed: the seed of the order.
        drop_last: whether to omit a last batch that is not full.
        episodes: the episodes to read; all if None.
        preprocessing: changes to make to each batch.
        memory: the bytes of frames held; more mixes better. Each worker of a DataLoader has its own.
        rank: this process's rank among `world_size` processes.
        world_size: the number of processes that share the batches.
        revision: a branch, tag or commit of a repo.
        token: the token for a private repo; None uses the usual locations.

    Raises:
        AtariReplayError: the dataset, config or split does not exist, or an option is invalid.

    Example:

    ```python
    >>> from atari_dqn_replay import Transitions
    >>> batches = Transitions("me/atari-dqn-replay", "pong-expert", split="run_1", batch_size=32)
    >>> next(iter(batches))["observation"].shape
    (32, 4, 84, 84)
    ```
    """

    def __init__(
        self,
        dataset: Dataset,
        config_name: str | None = None,
        split: str | None = None,
        *,
        batch_size: int = 32,
        frame_stack: int = 4,
        n_step: int = 1,
        gamma: float = 0.99,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        episodes: EpisodeFilter | None = None,
        preprocessing: Preprocessing | None = None,
        memory: int = 768 << 20,
        rank: int = 0,
        world_size: int = 1,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> None:
        check_stack(frame_stack)
        self._frame_stack, self._n_step = frame_stack, NStep(n_step, gamma)
        self._n_step.check_preprocessing(preprocessing)
        super().__init__(
            BatchOptions(
                Selection(dataset, config_name, split, episodes, revision, token),
                batch_size=batch_size,
                shuffle=shuffle,
                seed=seed,
                drop_last=drop_last,
                preprocessing=preprocessing,
                memory=memory,
                rank=rank,
                world_size=world_size,
            ),
            before=frame_stack - 1,
            after=n_step,
            channel_axis=True,
        )

    def place_anchors(self, episodes: np.ndarray) -> Anchors:
        """Returns every step of the selected episodes as an anchor."""
        return Anchors(episodes, np.zeros(len(episodes), np.int64), episodes["length"], 1)

    def look_up(self, pool: BlockPool, rows: np.ndarray) -> Batch:
        """Returns the transitions that begin in these rows."""
        step = pool.step[rows]
        ahead = self._n_step.look_ahead(pool.remaining[rows], pool.terminates[rows])
        reward_rows, within = self._n_step.rows(rows, ahead.taken)
        next_step = np.where(ahead.exists, step + ahead.taken, -1)
        return {
            "observation": stack_rows(rows, step, self._frame_stack),
            "action": pool.action[rows],
            "reward": self._n_step.sum(pool.reward[reward_rows], within),
            "next_observation": stack_rows(rows + ahead.taken, next_step, self._frame_stack),
            "terminated": ahead.terminated,
            "truncated": ahead.truncated,
            "discount": ahead.discount,
            **({} if pool.prob is None else {PROB: pool.prob[rows]}),
        }
