"""The agents by their names."""

from typing import Any

from ..builder.errors import UnknownNameError
from .agent import Agent
from .behaviour_cloning import BehaviourCloning
from .c51 import C51
from .dqn import DQN, DoubleDQN
from .ensemble_dqn import REM, EnsembleDQN
from .hyperparameters import Hyperparameters
from .off_policy_dqn import OffPolicyDQN
from .qr_dqn import QRDQN

AGENTS: dict[str, type[Agent]] = {
    "dqn": DQN,
    "dqn-adam": DQN,
    "double-dqn": DoubleDQN,
    "off-policy-dqn": OffPolicyDQN,
    "ensemble-dqn": EnsembleDQN,
    "rem": REM,
    "qr-dqn": QRDQN,
    "c51": C51,
    "behaviour-cloning": BehaviourCloning,
}
"""The class of each agent; `hyperparameters.HYPERPARAMETERS` has the same names."""


def agent_class(name: str) -> type[Agent]:
    """Returns the class of an agent.

    Raises:
        UnknownNameError: there is no such agent.
    """
    if name not in AGENTS:
        raise UnknownNameError(f"unknown agent {name!r}: expected one of {', '.join(AGENTS)}")
    return AGENTS[name]


def new_agent(name: str, actions: int, hyperparameters: Hyperparameters, **options: Any) -> Agent:
    """Returns a new agent; the options are those of `Agent`.

    Raises:
        UnknownNameError: there is no such agent.
    """
    return agent_class(name)(actions, hyperparameters, **options)
