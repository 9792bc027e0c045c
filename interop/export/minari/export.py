"""Exports to Minari: `<out>/<dataset id>/data`, which `minari.load_dataset` finds."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....builder.errors import OutputError
from ....builder.files import TEMPORARY_SUFFIX, replacing, writing_alone
from ....builder.format.features import UNCLIPPED_REWARD
from ....builder.format.games import Game
from ....builder.format.provenance import COLLECTED
from ....builder.sources.dataset_repo.run import RepoRun
from ....builder.terminal.progress import progress_bar
from ....replay_reader.episode_filter import EpisodeFilter
from ..choice import ChosenEpisodes, choose_episodes
from ..format import ExportFormat
from ..record import FILE_NAME, ExportRecord, made_from
from ..report import ExportedPart
from ..selection import Selection
from .environment import environment_spec
from .episode_buffer import RULE, episode_buffer, episode_facts, steps_kept

if TYPE_CHECKING:
    from minari.dataset.minari_storage import MinariStorage

DATASET_ID = "atari-dqn-replay/{game}/{view}-run{run}-v0"
"""What a dataset is called if nobody says otherwise."""

_BYTES_PER_STEP = 200
"""About what Minari's Parquet files take; the frames decide."""


@dataclass(frozen=True)
class MinariFormat(ExportFormat):
    """A Minari dataset of exact frames: Parquet files, not JPEG, which is Minari's default.

    Args:
        dataset_id: its name; `{game}`, `{view}` and `{run}` stand for those of each run.
        top: the best share of the episodes by return, e.g. 0.01.
        min_return: only episodes with at least this return.
        max_return: only episodes with at most this return.
        complete: True: only episodes that began at a reset and were ended by the game or the time limit.
        algorithm_name: to be stated; of newly played data the recorded policy if None.
        author: to be stated.
        author_email: to be stated.
        code_permalink: to be stated.

    Raises:
        OutputError: Minari is not installed, or the id cannot be one.
    """

    dataset_id: str = DATASET_ID
    top: float | None = None
    min_return: float | None = None
    max_return: float | None = None
    complete: bool | None = None
    algorithm_name: str | None = None
    author: str | None = None
    author_email: str | None = None
    code_permalink: str | None = None

    def __post_init__(self) -> None:
        try:
            from minari.dataset.minari_dataset import parse_dataset_id
        except ImportError as error:
            raise OutputError(
                f"Minari cannot be imported ({error}): pip install 'atari-dqn-replay[minari]'"
            ) from None
        try:
            _, _, version = parse_dataset_id(self.name_of(Game("Pong"), "expert", 1))
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise OutputError(
                f"dataset id {self.dataset_id!r}: {error}; an example is {DATASET_ID}"
            ) from None
        assert version is not None

    def name_of(self, game: Game, view: str, run: int) -> str:
        """Returns the id of one run's dataset."""
        return self.dataset_id.format(game=game.slug, view=view, run=run)

    @property
    def episode_filter(self) -> EpisodeFilter | None:
        """Which episodes; all if None."""
        chosen = EpisodeFilter(
            top=self.top, min_return=self.min_return, max_return=self.max_return, complete=self.complete
        )
        return None if chosen == EpisodeFilter() else chosen

    def plan(self, selection: Selection, out: Path) -> ExportedPart:
        """Returns what would be written of a run."""
        return _RunExport(self, selection, out).plan()

    def write(self, selection: Selection, out: Path) -> ExportedPart:
        """Write the dataset of a run, if it is not there yet."""
        export = _RunExport(self, selection, out)
        export.require_episodes()
        with writing_alone(export.folder.parent):
            return export.write()


class _RunExport:
    """The export of one run as a dataset."""

    def __init__(self, options: MinariFormat, selection: Selection, out: Path) -> None:
        self._options, self._selection, self._run, self._out = options, selection, selection.run, out
        view = selection.config.view
        if selection.are_named:
            view = "checkpoints-" + "-".join(map(str, selection.checkpoints))
        self.dataset_id = options.name_of(self._run.game, view, self._run.number)
        self.folder = out / self.dataset_id
        self._unfinished = self.folder.with_name(self.folder.name + TEMPORARY_SUFFIX)

    @cached_property
    def episodes(self) -> ChosenEpisodes:
        """The episodes that are exported: of those without a step that could be kept, none."""
        chosen = choose_episodes(self._run, self._selection.checkpoints, self._options.episode_filter)
        kept = np.array([self._steps_kept(entry) > 0 for entry in chosen.entries], bool)
        if not kept.any():
            raise OutputError(f"{self._selection}: no episode is left to export; loosen the filter")
        return ChosenEpisodes(self._run, chosen.entries[kept], chosen.considered)

    def require_episodes(self) -> None:
        """Check that there is something to export.

        Raises:
            OutputError: there is nothing.
        """
        assert len(self.episodes)

    def plan(self) -> ExportedPart:
        return self._part(_BYTES_PER_STEP * self.episodes.steps)

    def write(self) -> ExportedPart:
        if (self.folder / FILE_NAME).exists() or not self.folder.exists():
            place = self.folder if self.folder.exists() else self._unfinished
            record = ExportRecord.open(place / FILE_NAME, self._settings(), dict, others=iter(()))
        else:
            raise OutputError(f"{self.folder}: is there already, and was not exported; name another id")
        written = 0
        if not self.folder.exists():
            written = self._write_dataset(record)
            self._name_spaces()
            self._unfinished.rename(self.folder)
        size = sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())
        return self._part(size, written=written)

    def _write_dataset(self, record: ExportRecord) -> int:
        """Write the episodes that are not there yet, and return their number."""
        storage = self._open_storage()
        # Minari adds up all files after each episode: that is done once, at the end.
        vars(storage)["get_size"] = lambda: 0.0
        first = storage.total_episodes
        total = self.episodes.steps
        with progress_bar(description=f"export {self._selection}", unit=" steps", total=total) as bar:
            bar.update(int(self.episodes.entries["length"][:first].sum()))
            for number, episode in enumerate(self.episodes.read(first), first):
                facts = episode_facts(episode)
                # Before the episode is counted, so that a kill in between leaves nothing half done.
                (storage.data_path / str(number)).mkdir(exist_ok=True)
                storage.update_episode_metadata([facts], [number])
                storage.update_episodes([episode_buffer(episode, number)])
                bar.update(len(episode))
        del vars(storage)["get_size"]
        storage.update_metadata({"dataset_size": float(storage.get_size())})
        record.remarks = list(self._remarks())
        record.save()
        return len(self.episodes) - first

    def _open_storage(self) -> "MinariStorage":
        """What a killed export left, or a new storage."""
        from minari.dataset.minari_storage import MinariStorage

        data = self._unfinished.absolute() / "data"  # Minari joins a relative path to itself
        if data.exists():
            try:
                return MinariStorage.read(data)
            except (ValueError, KeyError):  # killed while it was being made
                shutil.rmtree(data)
        data.mkdir(parents=True)
        return self._new_storage(data)

    def _new_storage(self, data: Path) -> "MinariStorage":
        import gymnasium
        from minari import __version__
        from minari.dataset.minari_storage import MinariStorage

        spec = environment_spec(self._run.game, self._run.frame_format)
        storage = MinariStorage.new(
            data,
            observation_space=gymnasium.spaces.Box(0, 255, self._run.frame_format.shape, np.uint8),
            action_space=gymnasium.spaces.Discrete(len(self._run.game.actions)),
            env_spec=spec,
            data_format="parquet",
            jpeg_encoding=False,
        )
        details = {
            "dataset_id": self.dataset_id,
            "minari_version": __version__,
            "eval_env_spec": None if spec is None else spec.to_json(),
            "description": self._description(),
            "requirements": ["ale-py>=0.11", "gymnasium>=1.1", "opencv-python-headless"],
            "algorithm_name": self._options.algorithm_name or self._policy(),
            "author": _set_of(self._options.author),
            "author_email": _set_of(self._options.author_email),
            "code_permalink": self._options.code_permalink,
        }
        storage.update_metadata({name: value for name, value in details.items() if value is not None})
        return storage

    def _name_spaces(self) -> None:
        """Mark the folders above the dataset, as Minari does."""
        from minari.namespace import NAMESPACE_METADATA_FILENAME

        for folder in self.folder.relative_to(self._out).parents:
            path = self._out / folder / NAMESPACE_METADATA_FILENAME
            if folder.name and not path.exists():
                with replacing(path) as temporary:
                    temporary.write_text(json.dumps({}), encoding="utf-8")

    def _policy(self) -> str | None:
        provenance = self._run.provenance
        policy = provenance.details.get("policy") if provenance.origin == COLLECTED else None
        return policy if isinstance(policy, str) else None

    def _description(self) -> str:
        chosen = "" if len(self.episodes) == self.episodes.considered else "Some episodes of "
        checkpoints = ", ".join(map(str, self._selection.checkpoints))
        origin = self._run.provenance.origin.replace("_", " ")
        return (
            f"{chosen}{self._run.game}, run {self._run.number}, checkpoints {checkpoints}, in the form of "
            f"the DQN Replay Dataset (origin: {origin}). Observations are single grey frames, exact; rewards "
            f"are as logged, which in the original is clipped to [-1, 1]. {RULE}"
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "format": "minari",
            "config": str(self._selection.config),
            "run": self._run.number,
            "checkpoints": list(self._selection.checkpoints),
            **asdict(self._options),
            "made_from": made_from(self._run, self._selection.checkpoints),
        }

    def _steps_kept(self, entry: np.void) -> int:
        return steps_kept(int(entry["length"]), bool(entry["terminated"]), self._has_final(entry))

    def _has_final(self, entry: np.void) -> bool:
        run = self._run
        if isinstance(run, RepoRun):
            counts = run.manifest(int(entry["checkpoint"])).row_counts
            return bool(counts.final_observations and entry["complete"])
        has_final = run.has_final_observations or UNCLIPPED_REWARD in run.optional_columns
        return has_final and bool(entry["complete"])

    def _remarks(self) -> Iterator[str]:
        entries, considered = self.episodes.entries, self.episodes.considered
        if len(entries) < considered:
            yield f"{len(entries):,} of {considered:,} episodes are exported"
        shortened = sum(int(entry["length"]) - self._steps_kept(entry) for entry in entries)
        if shortened:
            yield f"{shortened:,} truncated or cut episodes lack their last step: what came next is not known"
        black = sum(bool(entry["terminated"]) and not self._has_final(entry) for entry in entries)
        if black:
            yield f"{black:,} episodes end with a black frame, since replay logs do not hold what came last"

    def _part(self, size: float, *, written: int = 0) -> ExportedPart:
        return ExportedPart(
            what=f"{self._selection} as {self.dataset_id}",
            files=len(self.episodes),
            episodes=len(self.episodes),
            rows=sum(self._steps_kept(entry) for entry in self.episodes.entries),
            size=size,
            written=written,
            remarks=tuple(self._remarks()),
            record=self.folder / FILE_NAME,
        )


def _set_of(name: str | None) -> set[str] | None:
    return None if name is None else {name}
