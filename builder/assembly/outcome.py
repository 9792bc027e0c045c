"""The outcome of a publication: what was published, and why the rest was not."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..errors import AtariReplayError, SourceError
from ..format.checkpoint_id import CheckpointId
from ..format.manifest import Manifest
from ..publishing.carry_out import Publication


@dataclass
class Outcome:
    """What a publication has done."""

    published: list[Manifest] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    failures: dict[CheckpointId, AtariReplayError] = field(default_factory=dict)
    """Why each checkpoint that could not be made failed."""
    unreadable: Sequence[SourceError] = ()
    """Why runs could not be read at all."""
    handed_over: str | None = None
    """What to tell the user if an engine continues without this process."""

    def require_success(self) -> None:
        """Raise an error that reports what failed, if anything did.

        Raises:
            AtariReplayError: something failed; the error is of the first failure's class.
        """
        errors = [*self.unreadable, *(self.failures[checkpoint] for checkpoint in sorted(self.failures))]
        if not errors:
            return
        messages = dict.fromkeys(map(str, errors))
        more = f"; {len(messages) - 1} more failures are told above" if len(messages) > 1 else ""
        others = f" ({len(self.published)} other checkpoints were published)" if self.published else ""
        raise type(errors[0])(f"{errors[0]}{more}{others}")
