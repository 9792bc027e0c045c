"""Exports a `.pt` file for each episode: `<out>/crafter/run_1/000/00/0/0.pt` and so on."""

import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....builder.errors import AtariReplayError, OutputError
from ....builder.files import replacing, writing_alone
from ....builder.format.episodes_pt import INFO, path_of
from ....builder.format.layout import split_name
from ....builder.format.records import Record
from ....builder.sources.run import Episode
from ....builder.terminal.progress import progress_bar
from ..format import ExportFormat
from ..record import FILE_NAME, ExportRecord, made_from
from ..report import ExportedPart
from ..selection import Selection


class _Written(Record, frozen=True):
    """What `info.pt` must know of an episode."""

    length: int
    signs: dict[str, int]
    """How many rewards are negative, zero and positive: of `-1`, `0` and `1`."""
    terminated: bool


@dataclass(frozen=True)
class EpisodesPtFormat(ExportFormat):
    """A file per episode, and `info.pt`, as Zenchiyu's static Crafter collection has them.

    The frames are the very bytes of the dataset, RGB with the channels first; grey ones come three times. An
    episode that was cut has neither `end` nor `trunc` on its last step.

    Raises:
        AtariReplayError: torch is not installed.
    """

    def __post_init__(self) -> None:
        try:
            import torch  # noqa: F401
        except ImportError:
            raise AtariReplayError("episodes-pt needs torch: pip install 'atari-dqn-replay[torch]'") from None

    def plan(self, selection: Selection, out: Path) -> ExportedPart:
        """Returns what would be written of a run."""
        rows = sum(selection.run.rows(number) for number in selection.checkpoints)
        frame = selection.run.frame_format
        return ExportedPart(str(selection), None, None, rows, float(rows * frame.height * frame.width * 3))

    def write(self, selection: Selection, out: Path) -> ExportedPart:
        """Write the episodes of a run that are not there yet, and then `info.pt`."""
        folder = out / selection.config.game.slug / split_name(selection.run.number)
        with writing_alone(folder):
            others = (path for path in folder.iterdir() if not path.name.endswith(".incomplete"))
            record = ExportRecord.open(folder / FILE_NAME, _settings(selection), _Written, others=others)
            written = _write_episodes(selection, folder, record)
            size = sum(path.stat().st_size for path in folder.rglob("*.pt"))
        lengths = [part.length for part in record.parts.values()]
        return ExportedPart(
            what=str(selection),
            files=len(lengths) + 1,
            episodes=len(lengths),
            rows=sum(lengths),
            size=size,
            written=written,
            record=folder / FILE_NAME,
        )


def _settings(selection: Selection) -> dict[str, Any]:
    return {
        "format": "episodes-pt",
        "config": str(selection.config),
        "run": selection.run.number,
        "checkpoints": list(selection.checkpoints),
        "made_from": made_from(selection.run, selection.checkpoints),
    }


def _write_episodes(selection: Selection, folder: Path, record: ExportRecord[_Written]) -> int:
    """Write what is missing; return the number of files that were written."""
    written, number = 0, 0
    bar = progress_bar(_episodes(selection), description=f"export {selection}", unit=" episodes")
    for number, episode in enumerate(bar):
        path = folder / path_of(number)
        if str(number) in record.parts and path.exists():
            continue
        _save(path, _fields(episode))
        signs = Counter(np.sign(episode.reward).astype(int).tolist())
        record.parts[str(number)] = _Written(
            len(episode), {str(sign): count for sign, count in sorted(signs.items())}, episode.terminated
        )
        written += 1
        if written % 100 == 0:
            record.save()
    record.save()
    if not record.parts:
        raise OutputError(f"{selection}: has no episodes")
    _save(folder / INFO, _info([record.parts[str(each)] for each in range(number + 1)]))
    return written + 1


def _episodes(selection: Selection) -> Iterator[Episode]:
    reader = selection.run.reader()
    try:
        for number in selection.checkpoints:
            yield from reader.checkpoint(number).episodes()
    finally:
        reader.close()


def _fields(episode: Episode) -> dict[str, Any]:
    import torch

    frames = np.concatenate(list(episode.frames))
    channels_first = frames[:, None].repeat(3, 1) if frames.ndim == 3 else frames.transpose(0, 3, 1, 2)
    ends = np.zeros((2, len(episode)), np.uint8)
    ends[:, -1] = episode.terminated, episode.truncated
    return {
        "obs": torch.from_numpy(np.ascontiguousarray(channels_first)),
        "act": torch.from_numpy(episode.action.astype(np.int64)),
        "rew": torch.from_numpy(episode.reward.astype(np.float32)),
        "end": torch.from_numpy(ends[0].copy()),
        "trunc": torch.from_numpy(ends[1].copy()),
    }


def _info(episodes: list[_Written]) -> dict[str, Any]:
    lengths = np.array([each.length for each in episodes], np.int64)
    signs: Counter[int] = Counter()
    for each in episodes:
        signs.update({int(sign): count for sign, count in each.signs.items()})
    ended = sum(each.terminated for each in episodes)
    return {
        "num_episodes": len(episodes),
        "num_steps": int(lengths.sum()),
        "start_idx": np.cumsum(lengths) - lengths,
        "lengths": lengths,
        "counter_rew": Counter({float(sign): count for sign, count in sorted(signs.items())}),
        "counter_end": Counter({0: int(lengths.sum()) - ended, 1: ended}),
    }


def _save(path: Path, content: dict[str, Any]) -> None:
    import torch

    # Into memory first: a file saved by its name has that name, which is a temporary one, inside.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
