"""d4rl-atari's environments and data sets, on a built dataset: importing this registers them with Gymnasium.

```python
import gymnasium
import atari_dqn_replay.interop.d4rl_atari

env = gymnasium.make("breakout-mixed-v0", stack=True, dataset="me/atari-dqn-replay")
env.get_dataset()["observations"][0].shape  # (4, 84, 84)
```
"""

from ..libraries import require

require("gymnasium", "1.0", extra="gymnasium")

from .environment import OfflineAtariEnv
from .registration import register_environments

__all__ = ["OfflineAtariEnv", "register_environments"]

register_environments()
