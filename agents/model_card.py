"""The card of a run: what was trained on what, how well it plays, and how to play it again."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from ..builder.format.games import Game
from .run_folder import RunRecord
from .scores import SOURCE

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parents[1] / "cards"),
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # Markdown, not HTML
)


def model_card(
    record: RunRecord,
    game: Game,
    *,
    updates: int,
    scores: Mapping[str, float | None],
    episodes: int,
    protocol: str,
) -> str:
    """Returns the text of a model card, with the YAML that the Hub reads."""
    head = yaml.safe_dump(_metadata(record, game, scores), sort_keys=False, allow_unicode=True)
    body = _TEMPLATES.get_template("model_card.md.jinja").render(
        record=record,
        game=game,
        hyperparameters=asdict(record.hyperparameters),
        updates=updates,
        scores=scores,
        episodes=episodes,
        protocol=protocol,
        source=SOURCE,
    )
    return f"---\n{head}---\n\n{body}"


def _metadata(record: RunRecord, game: Game, scores: Mapping[str, float | None]) -> dict[str, object]:
    metadata: dict[str, object] = {
        "library_name": "atari-dqn-replay",
        "tags": ["reinforcement-learning", "offline-rl", "atari", record.agent],
    }
    if record.dataset.count("/") == 1 and not record.dataset.startswith((".", "/", "~")):
        metadata["datasets"] = [record.dataset]
    result = {
        "task": {"type": "reinforcement-learning", "name": "reinforcement-learning"},
        "dataset": {"name": f"{game} (ALE)", "type": game.name},
        "metrics": [{"type": "mean_reward", "name": "mean return", "value": round(scores["mean"] or 0.0, 2)}],
    }
    metadata["model-index"] = [{"name": f"{record.agent}-{record.game}", "results": [result]}]
    return metadata
