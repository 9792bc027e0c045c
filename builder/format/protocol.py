"""The protocol of the DQN Replay Dataset in numbers: its frames, its padding, its time limit of 27,000 steps.

Sources: Dopamine's `AtariPreprocessing` and `OutOfGraphReplayBuffer` with the settings of
Agarwal et al. (2020).
"""

FRAME_SHAPE = (84, 84)
"""The height and width of an observation, in pixels."""

FRAME_SKIP = 4
"""The number of emulated frames per agent step; the step's reward is their sum."""

STICKY_ACTION_PROBABILITY = 0.25
"""The probability that an emulated frame repeats the last action, whatever the agent chooses."""

TIME_LIMIT = 27_000
"""The number of agent steps after which an episode is truncated: half an hour at 60 frames a second."""

STACK_SIZE = 4
"""The number of frames in the agent's observation."""

PADDING_ROWS = STACK_SIZE - 1
"""The number of blank rows before each episode in the replay buffer, which fill its first stack."""

BLACK_FRAMES = {"Amidar": 1}
"""The number of black frames with which a game begins in ALE after a reset; the other games have none."""
