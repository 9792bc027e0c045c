"""Records where replay logs came from; the record travels from the logs to the card."""

from typing import Annotated, Any

from msgspec import Meta, field

from ..errors import ReplayLogError
from .records import Record, read_record, to_json

FILE_NAME = "provenance.json"
"""The record's file name; the file lies in a run's folder, beside the log files."""

COLLECTED = "collected"
UNRECORDED = "unrecorded"
RL_UNPLUGGED = "rl_unplugged"
"""The origin of whole episodes in RL Unplugged's form, exported from the DQN Replay Dataset's runs."""


class Provenance(Record, frozen=True):
    """A record of who made a replay log, and how.

    A copy of the original dataset has no such record, so nothing more is known about it: `UNRECORDED` does
    not claim that the data is the original, and `COLLECTED` states that it is not.
    """

    origin: Annotated[str, Meta(max_length=100)] = UNRECORDED
    details: dict[str, Any] = field(default_factory=dict)
    """For COLLECTED: collector, policy, schedule, seed, versions and protocol."""

    @property
    def time_limit(self) -> int | None:
        """The number of steps after which the collector truncated an episode, if recorded."""
        protocol = self.details.get("protocol")
        limit = protocol.get("time_limit_steps") if isinstance(protocol, dict) else None
        return limit if isinstance(limit, int) else None

    def to_json(self) -> str:
        """Returns the record as the text of its file."""
        return to_json(self, sort_keys=True)

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "Provenance":
        """Parse a provenance record.

        Raises:
            ReplayLogError: `text`, found at `where`, is not a provenance record.
        """
        try:
            return read_record(text, cls)
        except ValueError as error:
            raise ReplayLogError(
                f"{where}: not a provenance record ({error}); "
                f"restore the file that was collected with the logs"
            ) from None
