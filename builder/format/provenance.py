"""Where replay logs came from: a record that travels from the logs to the card."""

from typing import Annotated, Any

from msgspec import Meta, field

from ..errors import ReplayLogError
from .records import Record, read_record, to_json

FILE_NAME = "provenance.json"
"""Lies in a run's folder, beside the log files."""

COLLECTED = "collected"
UNRECORDED = "unrecorded"
RL_UNPLUGGED = "rl_unplugged"
"""Whole episodes in the form of RL Unplugged, which were exported from the DQN Replay Dataset's runs."""


class Provenance(Record, frozen=True):
    """Who made a replay log, and how.

    A copy of the original dataset carries no such record; that is all that can be said of it, so
    `UNRECORDED` never claims that the data is the original, and `COLLECTED` says that it is not.
    """

    origin: Annotated[str, Meta(max_length=100)] = UNRECORDED
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
        return to_json(self, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Provenance":
        """Read the record back.

        Raises:
            ReplayLogError: `text`, found at `where`, is no such record.
        """
        try:
            return read_record(text, cls)
        except ValueError as error:
            raise ReplayLogError(
                f"{where}: not a provenance record ({error}); "
                f"restore the file that was collected with the logs"
            ) from None
