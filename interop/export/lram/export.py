"""Exports a file per episode: `<out>/<game>/000000000.hdf5` and so on."""

import operator
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ....builder.errors import OutputError, UnknownNameError
from ....builder.files import writing_alone
from ....builder.format.games import Game
from ....builder.sources.dataset_repo.run import RepoRun
from ....builder.sources.run import describe_numbers
from ....builder.terminal.progress import progress_bar
from ....replay_reader.grey84 import check_grey84
from ....replay_reader.preprocessing import Preprocessing
from ...selection import ALL_THAT_IS_KNOWN
from ..bucket.rebuilt_log import RebuiltLog
from ..format import ExportFormat
from ..record import FILE_NAME, ExportRecord, made_from
from ..report import ExportedPart
from ..selection import Selection
from .episode_file import SAVE_FORMATS, Fields, require_library, write_episode
from .episodes import Played, padded_episodes, whole_episodes
from .slices import SLICES, Limits, chosen_files
from .statistics import SliceCounts, episode_name, write_statistics

_SHARE = {"hdf5": 0.06, "npzc": 0.05, "npz": 1.0, "pkl": 1.0}
"""About how many bytes a file has for each of its arrays'."""


@dataclass(frozen=True)
class LRAMFormat(ExportFormat):
    """A file per episode with states, actions, rewards and dones, as LRAM's download script writes them.

    The options have that script's names and defaults. Its slices are the files 1 to 50 of a run, so the
    first million is not among them; other configs than `full`, and checkpoints named by number, are taken as
    they are. Run 1 is read unless another is named (run 2 of Asterix, as there).

    Args:
        num_slices: how many of the 50.
        quality: `mixed`, `random` or `expert`: which, where fewer.
        max_episodes: the last number of a file.
        max_transitions: counted in whole slices.
        a_to_full_space: number actions among ALE's 18.
        save_format: `hdf5`, `npz`, `npzc` (compressed) or `pkl`.
        add_rtgs: add returns_to_go.
        to_rgb: repeat the grey channel three times.
        crop_dim: height and width to resize to, by area interpolation.
        padding: cut the dumps' rows after each terminal one, as that script does, so that padding is among
            them and episodes are cut at the dumps' ends; else whole episodes of play.

    Raises:
        AtariReplayError: an option is impossible, or its library is not installed.
    """

    num_slices: int = SLICES
    quality: str = "mixed"
    max_episodes: int | None = None
    max_transitions: int | None = None
    a_to_full_space: bool = False
    save_format: str = "hdf5"
    add_rtgs: bool = False
    to_rgb: bool = False
    crop_dim: int = 84
    padding: bool = False

    def __post_init__(self) -> None:
        chosen_files(self.num_slices, self.quality)
        if self.save_format not in SAVE_FORMATS:
            raise UnknownNameError(
                f"unknown save format {self.save_format!r}: expected one of {', '.join(SAVE_FORMATS)}"
            )
        for name, least in (("max_episodes", 0), ("max_transitions", 1), ("crop_dim", 1)):
            value = getattr(self, name)
            if value is not None and operator.index(value) < least:
                raise OutputError(f"{name} {value} is too small: expected {least} or more")
        require_library(self.save_format)

    def default_runs(self, game: Game) -> list[int]:
        """Returns the run that the script takes: its index 0, or 1 for Asterix."""
        return [2] if game.name == "Asterix" else [1]

    def plan(self, selection: Selection, out: Path) -> ExportedPart:
        """Returns what would be written of a run."""
        return _GameExport(self, selection, out).plan()

    def write(self, selection: Selection, out: Path) -> ExportedPart:
        """Write the episodes of a run that are not there yet."""
        export = _GameExport(self, selection, out)
        with writing_alone(export.folder):
            return export.write()

    @property
    def limits(self) -> Limits:
        """Where it stops."""
        return Limits(self.max_episodes, self.max_transitions)


class _GameExport:
    """The export of one run into a game's folder."""

    def __init__(self, options: LRAMFormat, selection: Selection, out: Path) -> None:
        self._options, self._selection, self._run = options, selection, selection.run
        self.folder = out / self._run.game.slug
        check_grey84(self._run.frame_format, self._run.where, ALL_THAT_IS_KNOWN)
        self._suffix = SAVE_FORMATS[options.save_format][0]
        self._log = RebuiltLog(self._run) if options.padding else None
        size = None if options.crop_dim == 84 else (options.crop_dim, options.crop_dim)
        self._preprocessing = Preprocessing(
            size=size, rgb=options.to_rgb, full_action_space=options.a_to_full_space
        ).bind(self._run.game.actions, channel_axis=False)
        self._wanted = self._numbers_wanted()
        self._there = self._numbers_there()

    def _numbers_wanted(self) -> list[int]:
        """Numbers of the checkpoints or files to read, in order."""
        selection, options = self._selection, self._options
        if selection.are_named or selection.config.view != "full":
            if (options.num_slices, options.quality) != (SLICES, "mixed"):
                raise OutputError(
                    f"{selection.config}: num_slices and quality choose from a whole run; name "
                    f"{selection.config.game.slug}-full, without checkpoints"
                )
            return list(selection.checkpoints)
        return chosen_files(options.num_slices, options.quality)

    def _numbers_there(self) -> list[int]:
        there = self._run.checkpoints if self._log is None else self._log.layout.files
        found = [number for number in self._wanted if number in there]
        if not found:
            raise OutputError(
                f"{self._selection}: has none of the files {describe_numbers(sorted(self._wanted))} that "
                f"LRAM's script reads, but {describe_numbers(sorted(there))}; name checkpoints"
            )
        return found

    def plan(self) -> ExportedPart:
        options, run = self._options, self._run
        row = options.crop_dim**2 * (3 if options.to_rgb else 1) * _SHARE[options.save_format]
        if not isinstance(run, RepoRun):
            rows = sum(run.rows(number) for number in self._there)
            return self._part(None, rows, row * rows)
        number = collected = rows = 0
        for checkpoint in self._there:
            lengths = self._ended_lengths(run, checkpoint)
            for length in lengths:
                if options.limits.ends_slice(number, collected, length):
                    break
                number, rows = number + 1, rows + length
            collected += sum(lengths)
            if options.limits.ends_export(number, collected):
                break
        return self._part(number, rows, row * rows)

    def write(self) -> ExportedPart:
        record = ExportRecord.open(
            self.folder / FILE_NAME, self._settings(), SliceCounts, others=self._others()
        )
        slices: list[SliceCounts] = []
        number = collected = written = 0
        description = f"export {self._selection}"
        try:
            with progress_bar(self._there, description=description, unit=" slices") as bar:
                for checkpoint in bar:
                    counts = record.parts.get(str(checkpoint))
                    if counts is None:
                        counts, new = self._write_slice(checkpoint, number, collected)
                        written += new
                        record.add(str(checkpoint), counts)
                    slices.append(counts)
                    number, collected = number + counts.saved, collected + sum(counts.lengths)
                    if self._options.limits.ends_export(number, collected):
                        break
        finally:
            if self._log is not None:
                self._log.close()
        write_statistics(self.folder, self._options.num_slices, slices)
        record.remarks = list(self._remarks())
        record.save()
        size = sum(self._path(each).stat().st_size for each in range(number))
        rows = sum(sum(each.lengths[: each.saved]) for each in slices)
        return self._part(number, rows, size, written=written)

    def _write_slice(self, checkpoint: int, number: int, collected: int) -> tuple[SliceCounts, int]:
        """Save the episodes of a slice, and count them all."""
        counts, written, saving = SliceCounts(), 0, True
        with closing(self._episodes(checkpoint)) as episodes:
            for episode in episodes:
                saving = saving and not self._options.limits.ends_slice(
                    number + counts.saved, collected, len(episode)
                )
                if saving:
                    path = self._path(number + counts.saved)
                    if not path.exists():
                        write_episode(path, self._fields(episode), self._options.save_format)
                        written += 1
                    counts.saved += 1
                counts.lengths.append(len(episode))
                counts.returns.append(float(episode.rewards.sum(dtype=np.float64)))
        return counts, written

    def _episodes(self, checkpoint: int) -> Generator[Played]:
        if self._log is None:
            return whole_episodes(self._run, checkpoint)
        return padded_episodes(self._log, checkpoint)

    def _fields(self, episode: Played) -> Fields:
        changed = self._preprocessing({"observation": episode.states, "action": episode.actions})
        states = changed["observation"]
        fields: Fields = {
            "states": states if self._options.to_rgb else states[:, None],
            "actions": changed["action"],
            "rewards": episode.rewards,
            "dones": np.float32(1),
        }
        if self._options.add_rtgs:
            fields["returns_to_go"] = np.flip(np.cumsum(np.flip(episode.rewards))).astype(np.float32)
        return fields

    def _path(self, number: int) -> Path:
        return self.folder / f"{episode_name(number)}{self._suffix}"

    def _others(self) -> Iterator[Path]:
        return (path for path in self.folder.iterdir() if not path.name.endswith(".incomplete"))

    def _settings(self) -> dict[str, Any]:
        return {
            "format": "lram",
            "config": str(self._selection.config),
            "run": self._run.number,
            "files": self._there,
            **asdict(self._options),
            "made_from": made_from(self._run, self._there),
        }

    @staticmethod
    def _ended_lengths(run: RepoRun, checkpoint: int) -> list[int]:
        return [each.length for each in run.recorded(checkpoint) if each.terminated or each.truncated]

    def _remarks(self) -> Iterator[str]:
        missing = [number for number in self._wanted if number not in self._there]
        if missing:
            yield f"no checkpoint {describe_numbers(sorted(missing))}; these slices are skipped"
        if 0 in self._run.checkpoints and 0 not in self._wanted:
            yield "checkpoint 0 is not among them, since that script begins with file 1"

    def _part(self, number: int | None, rows: int, size: float, *, written: int = 0) -> ExportedPart:
        return ExportedPart(
            what=str(self._selection),
            files=number,
            episodes=number,
            rows=rows,
            size=size,
            written=written,
            remarks=tuple(self._remarks()),
            record=self.folder / FILE_NAME,
        )
