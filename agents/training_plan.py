"""What a training from fixed replay would do, for `--dry-run`."""

from dataclasses import dataclass

from .training_settings import TrainingSettings


@dataclass(frozen=True)
class PlannedData:
    """What of one game would be learned from."""

    config: str
    transitions: int
    mean_return: float
    episodes: int


@dataclass(frozen=True)
class TrainingPlan:
    """What a training would do."""

    settings: TrainingSettings
    data: list[PlannedData]

    @property
    def transitions(self) -> int:
        """The number of transitions of all games."""
        return sum(data.transitions for data in self.data)

    def __str__(self) -> str:
        settings = self.settings
        total = settings.iterations * settings.updates_per_iteration
        passes = total * settings.hyperparameters.batch_size / self.transitions
        lines = "".join(
            f"  data: {data.transitions:,} transitions in {data.episodes:,} episodes of {data.config}, "
            f"{settings.split}, mean return {data.mean_return:.1f}\n"
            for data in self.data
        )
        return (
            f"would train {settings.agent} (network {settings.hyperparameters.network}) in {settings.out}:\n"
            f"{lines}"
            f"  {settings.iterations:,} iterations of {settings.updates_per_iteration:,} updates, "
            f"{total:,} in all: {passes:,.1f} passes over the data\n"
            f"  an evaluation of {settings.evaluation_steps:,} steps after each"
        )


def plan_training(settings: TrainingSettings) -> TrainingPlan:
    """Returns what `train` would do; reads the episodes tables, and of each game one frame.

    Raises:
        AtariReplayError: the dataset or what is asked of it does not exist, or cannot be learned from; or a
            number is too small.
    """
    settings.check()
    planned = []
    for config, catalog in zip(settings.configs, settings.catalogs(), strict=True):
        returns = catalog.episodes["return"]
        planned.append(PlannedData(config, catalog.steps, float(returns.mean()), len(returns)))
    return TrainingPlan(settings, planned)
