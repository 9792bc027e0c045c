"""The log of a run: a line of JSON for each record, and the same numbers for TensorBoard."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..builder.files import replacing
from .devices import INSTALL
from .errors import AgentError


class RunLog:
    """Appends to a run's log and to its TensorBoard files.

    What a killed run logged after its last checkpoint is removed, as it is logged again.

    Args:
        path: the file of JSON lines.
        tensorboard: the folder of TensorBoard's files.
        keep: whether a record of the killed run stays.
        next_step: the first step that TensorBoard is to forget, as it is logged again.

    Raises:
        AgentError: tensorboardX is not installed.
    """

    def __init__(
        self, path: Path, tensorboard: Path, *, keep: Callable[[dict[str, Any]], bool], next_step: int
    ) -> None:
        try:
            from tensorboardX.event_file_writer import EventsWriter

            # pyright cannot see what protobuf generates when the module is imported.
            from tensorboardX.proto.event_pb2 import Event, SessionLog  # pyright: ignore[reportAttributeAccessIssue]
        except ImportError:
            raise AgentError(f"training needs tensorboardX, which is not installed: {INSTALL}") from None
        lines = [json.dumps(record) for record in read_log(path) if keep(record)]
        with replacing(path) as temporary:
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        self._file = path.open("a", encoding="utf-8")
        tensorboard.mkdir(parents=True, exist_ok=True)
        # Not a SummaryWriter, whose thread prints a traceback of its own when the disk is full.
        self._events = EventsWriter(str(tensorboard / "events"))
        start = SessionLog(status=SessionLog.START)
        self._events.write_event(Event(step=next_step, wall_time=time.time(), session_log=start))

    def write(self, record: dict[str, Any], scalars: dict[str, float], step: int) -> None:
        """Append a record, and its scalars for TensorBoard at this step."""
        from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]
        from tensorboardX.summary import scalar

        self._file.write(json.dumps(record) + "\n")
        self._file.flush()
        for name, value in scalars.items():
            event = Event(step=step, wall_time=time.time(), summary=scalar(name, value))
            self._events.write_event(event)
        self._events.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self._events.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Returns the records of a log; a last line that was cut off by a kill is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            break
        records.append(record)
    return records
