"""Where replay logs came from: a record that travels from the logs to the card."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import ReplayLogError

FILE_NAME = "provenance.json"
"""Lies in a run's folder, beside the log files."""

COLLECTED = "collected"
UNRECORDED = "unrecorded"
RL_UNPLUGGED = "rl_unplugged"
"""Whole episodes in the form of RL Unplugged, which were exported from the DQN Replay Dataset's runs."""


@dataclass(frozen=True)
class Provenance:
    """Who made a replay log, and how.

    A copy of the original dataset carries no such record; that is all that can be said of it, so
    `UNRECORDED` never claims that the data is the original, and `COLLECTED` says that it is not.
    """

    origin: str = UNRECORDED
    details: dict[str, Any] = field(default_factory=dict)
    """For COLLECTED: collector, policy, schedule, seed, versions and protocol."""

    @property
    def time_limit(self) -> int | None:
        """Steps after which the collector ended an episode, if the record says."""
        protocol = self.details.get("protocol")
        limit = protocol.get("time_limit_steps") if isinstance(protocol, dict) else None
        return limit if isinstance(limit, int) else None

    def to_json(self) -> str:
        """The record as the file's text."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: str, where: str) -> "Provenance":
        """Read the record back.

        Raises:
            ReplayLogError: `text`, found at `where`, is no such record.
        """
        try:
            record = json.loads(text)
            return cls(origin=str(record["origin"]), details=dict(record["details"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ReplayLogError(
                f"{where}: not a provenance record ({error}); "
                f"restore the file that was collected with the logs"
            ) from None
