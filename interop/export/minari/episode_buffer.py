"""One episode as Minari wants it: with one observation more than actions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ....builder.sources.run import Episode

if TYPE_CHECKING:
    from minari.data_collector import EpisodeBuffer

RULE = (
    "Minari wants the observation after an episode's last step, which replay logs do not hold. Where the "
    "source has it, it is given. Else, if the game was over, a black frame stands in its place, which no "
    "target depends on, and infos['observation_known'] is False there; if the episode was truncated or cut, "
    "its last step is left out, so that nobody bootstraps from a frame that was never seen."
)


def steps_kept(length: int, terminated: bool, has_final: bool) -> int:
    """Returns how many steps of an episode are written; see RULE."""
    return length if terminated or has_final else length - 1


def episode_buffer(episode: Episode, number: int) -> "EpisodeBuffer":
    """Returns an episode for Minari's storage, under this number.

    Observations are (T + 1, *shape of a frame) uint8, actions (T,) int64, rewards (T,) float32.
    """
    from minari.data_collector import EpisodeBuffer

    steps = steps_kept(len(episode), episode.terminated, episode.final_observation is not None)
    known = episode.final_observation is not None or steps < len(episode)
    frames = list(episode.frames)
    if steps == len(episode):
        last = episode.final_observation
        frames.append((np.zeros_like(frames[0][0]) if last is None else last)[None])
    ends = np.arange(steps) == steps - 1
    return EpisodeBuffer(
        id=number,
        observations=np.concatenate(frames),  # pyright: ignore[reportArgumentType]
        actions=episode.action[:steps].astype(np.int64),  # pyright: ignore[reportArgumentType]
        rewards=episode.reward[:steps],  # pyright: ignore[reportArgumentType]
        terminations=ends & episode.terminated,  # pyright: ignore[reportArgumentType]
        truncations=ends & (not episode.terminated),  # pyright: ignore[reportArgumentType]
        infos={"observation_known": np.append(np.ones(steps, bool), known).tolist()},
    )


def episode_facts(episode: Episode) -> dict[str, Any]:
    """Returns what Minari keeps of an episode besides its steps."""
    return {
        "checkpoint": episode.checkpoint,
        "episode": episode.number,
        "return": float(episode.reward.sum(dtype=np.float64)),
        "length": len(episode),
        "complete": episode.complete,
    }
