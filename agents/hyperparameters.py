"""The agents' hyperparameters: those of the papers by default, in one table with their sources."""

from dataclasses import dataclass, fields, replace
from typing import Any

from ..builder.errors import UnknownNameError
from .errors import AgentError, check_least

OPTIMIZERS = ("rmsprop", "adam")
NETWORK_NAMES = ("nature", "small", "tiny")


@dataclass(frozen=True)
class Hyperparameters:
    """What an agent learns with; the defaults are what batch_rl's gin files have in common."""

    optimizer: str
    """`rmsprop`, the Nature DQN's (centred, decay 0.95), or `adam`."""
    learning_rate: float
    optimizer_epsilon: float
    """The term that keeps the optimizer from dividing by zero."""
    outputs_per_action: int = 1
    """The heads of an ensemble and of REM, the quantiles of QR-DQN, the atoms of C51."""
    discount: float = 0.99
    n_step: int = 1
    """The number of rewards summed before the value of what follows."""
    batch_size: int = 32
    target_update_period: int = 2_000
    """Updates between copies of the network to the target network: 8,000 steps with an update every 4."""
    network: str = "nature"
    """`nature`, `small` (that of 2013), or `tiny`."""
    value_limit: float = 10.0
    """C51's atoms lie evenly from minus this to this."""
    cql: float = 0.0
    """The weight of the CQL penalty; 0 is none."""

    def check(self) -> None:
        """Check that the values can be learned with.

        Raises:
            AgentError: one of them cannot.
        """
        if self.optimizer not in OPTIMIZERS:
            raise UnknownNameError(f"optimizer {self.optimizer!r}: expected {' or '.join(OPTIMIZERS)}")
        if self.network not in NETWORK_NAMES:
            raise UnknownNameError(f"network {self.network!r}: expected {' or '.join(NETWORK_NAMES)}")
        for name in ("learning_rate", "optimizer_epsilon", "value_limit"):
            if not 0 < getattr(self, name) < float("inf"):
                raise AgentError(f"{name} is {getattr(self, name)}: expected a number above 0")
        check_least(
            self,
            dict.fromkeys(("outputs_per_action", "n_step", "batch_size", "target_update_period"), 1),
        )
        if not 0 <= self.discount <= 1:
            raise AgentError(f"discount is {self.discount}: expected 0 to 1")
        if not 0 <= self.cql < float("inf"):
            raise AgentError(f"cql is {self.cql}: expected 0 or more")


_ADAM = Hyperparameters("adam", learning_rate=5e-5, optimizer_epsilon=0.01 / 32)

HYPERPARAMETERS: dict[str, Hyperparameters] = {
    # batch_rl's dqn.gin; Mnih et al. (2015), extended data table 1.
    "dqn": Hyperparameters("rmsprop", learning_rate=2.5e-4, optimizer_epsilon=1e-5),
    # Agarwal et al. (2020), section 5: Adam with the values of QR-DQN.
    "dqn-adam": _ADAM,
    # As dqn-adam; the target is van Hasselt et al. (2016)'s.
    "double-dqn": _ADAM,
    # The n-step returns of n17s's fork of batch_rl; the rest as dqn-adam.
    "off-policy-dqn": replace(_ADAM, n_step=5),
    # batch_rl's multi_head_dqn.gin.
    "ensemble-dqn": replace(_ADAM, outputs_per_action=200),
    # batch_rl's rem.gin.
    "rem": replace(_ADAM, outputs_per_action=200),
    # batch_rl's quantile.gin; Dabney et al. (2018), section 5.
    "qr-dqn": replace(_ADAM, outputs_per_action=200),
    # batch_rl's c51.gin; Bellemare et al. (2017), section 5.
    "c51": Hyperparameters("adam", learning_rate=2.5e-4, optimizer_epsilon=0.01 / 32, outputs_per_action=51),
    # Nothing of batch_rl's: as dqn-adam, with the learning rate of examples/behaviour_cloning.py.
    "behaviour-cloning": replace(_ADAM, learning_rate=1e-4),
}
"""The hyperparameters of each agent, by its name."""

LEARN_FROM_LOGS = ("behaviour-cloning", "off-policy-dqn")
"""The agents that cannot learn while they play."""


def hyperparameters_of(agent: str, **changes: Any) -> Hyperparameters:
    """Returns an agent's hyperparameters, with those changed that are not None.

    Raises:
        UnknownNameError: there is no such agent, optimizer or network.
        AgentError: a value cannot be learned with.
    """
    if agent not in HYPERPARAMETERS:
        raise UnknownNameError(f"unknown agent {agent!r}: expected one of {', '.join(HYPERPARAMETERS)}")
    given = {name: value for name, value in changes.items() if value is not None}
    unknown = given.keys() - {field.name for field in fields(Hyperparameters)}
    if unknown:
        raise AgentError(f"unknown hyperparameter {min(unknown)!r}")
    changed = replace(HYPERPARAMETERS[agent], **given)
    changed.check()
    return changed
