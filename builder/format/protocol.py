"""The protocol under which the DQN Replay Dataset was played and logged.

Sources: Dopamine's `AtariPreprocessing` and `OutOfGraphReplayBuffer` with the settings of
Agarwal et al. (2020).
"""

FRAME_SHAPE = (84, 84)
"""Height and width of an observation, in pixels."""

FRAME_SKIP = 4
"""Emulated frames per agent step; the reward is their sum."""

STICKY_ACTION_PROBABILITY = 0.25
"""The probability that an emulated frame repeats the last action, whatever the agent asks for."""

TIME_LIMIT = 27_000
"""Agent steps after which an episode is truncated: half an hour of play at 60 frames a second."""

STACK_SIZE = 4
"""Frames that the agent sees at once."""

PADDING_ROWS = STACK_SIZE - 1
"""Blank rows that the replay buffer adds before each episode, so that its first stack has frames to hold."""
