"""Draws an online agent's batches from the ring that is also its log."""

import numpy as np

from ..builder.collecting.ring_buffer import UPDATE_HORIZON, RingBuffer
from ..builder.format.protocol import STACK_SIZE
from .errors import AgentError

MOST_TRIES = 1_000
"""Draws of twice the batch after which no more is to be hoped for."""


class ReplayMemory:
    """Uniform samples of the transitions that a ring holds, drawn as Dopamine's replay buffer does.

    A row can be drawn if neither its stack nor its next observation touches the cursor, where the oldest rows
    meet the newest, and if no earlier row of its stack ends an episode. So each draw is a transition of play,
    whose stack reaches back into the padding before its episode but never into the episode before that.

    Args:
        ring: the ring.
        discount: per step.
    """

    def __init__(self, ring: RingBuffer, discount: float) -> None:
        self._ring, self._discount = ring, discount

    def sample(self, size: int, random: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns `size` transitions, in the form of `Transitions`; the ring needs to hold some.

        As in the original, an episode that the time limit cut off counts as terminated.

        Raises:
            AgentError: hardly a row can be drawn, because the ring is tiny.
        """
        rows = np.empty(0, np.int64)
        for _ in range(MOST_TRIES):
            drawn = random.integers(min(self._ring.add_count, self._ring.capacity), size=2 * size)
            rows = np.concatenate([rows, drawn[self.can_be_drawn(drawn)]])
            if len(rows) >= size:
                break
        else:
            raise AgentError(
                f"of the ring's {self._ring.capacity:,} rows hardly one is a transition that can be drawn: "
                f"choose a larger --checkpoint-size"
            )
        rows = rows[:size]
        stacks = self._stack_rows(rows)
        terminated = self._ring.terminal[rows] != 0
        return {
            "observation": self._ring.observation[stacks],
            "action": self._ring.action[rows].astype(np.int64),
            "reward": self._ring.reward[rows],
            "next_observation": self._ring.observation[(stacks + 1) % self._ring.capacity],
            "terminated": terminated,
            "discount": np.where(terminated, 0, np.float32(self._discount)).astype(np.float32),
        }

    def can_be_drawn(self, rows: np.ndarray) -> np.ndarray:
        """Returns which of these rows, all of them written, are transitions with a stack and a next row."""
        ring = self._ring
        before_cursor = (ring.cursor - rows - 1) % ring.capacity
        """How many rows were written after each."""
        written = min(ring.add_count, ring.capacity)
        near = (before_cursor < UPDATE_HORIZON) | (before_cursor > written - STACK_SIZE)
        crosses = ring.terminal[self._stack_rows(rows)[:, :-1]].any(1)
        return ~(near | crosses)

    def _stack_rows(self, rows: np.ndarray) -> np.ndarray:
        return (rows[:, None] - np.arange(STACK_SIZE - 1, -1, -1)) % self._ring.capacity
