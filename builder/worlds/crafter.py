"""Crafter (Hafner, 2021): survival in a procedurally generated world, by the package `crafter` 1.8.

The package is not reproducible by itself: it keeps the creatures of each chunk in a set, whose order depends
on memory addresses, and draws one of them by its place. Here they are kept in the order in which they came.
Everything else is as in the package: its pictures, rewards and random numbers.
"""

import contextlib
import copy
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from ..errors import AtariReplayError
from .crafter_views import quicken, whole_view
from .world import Environment, Policy, RandomPolicy, State, World

ACTIONS = (
    "noop",
    "move_left",
    "move_right",
    "move_up",
    "move_down",
    "do",
    "sleep",
    "place_stone",
    "place_table",
    "place_furnace",
    "place_plant",
    "make_wood_pickaxe",
    "make_stone_pickaxe",
    "make_iron_pickaxe",
    "make_wood_sword",
    "make_stone_sword",
    "make_iron_sword",
)

ITEMS = (
    "health",
    "food",
    "drink",
    "energy",
    "sapling",
    "wood",
    "stone",
    "coal",
    "iron",
    "diamond",
    "wood_pickaxe",
    "stone_pickaxe",
    "iron_pickaxe",
    "wood_sword",
    "stone_sword",
    "iron_sword",
)
"""The items of the inventory, of each of which the player has 0 to 9."""

ACHIEVEMENTS = (
    "collect_coal",
    "collect_diamond",
    "collect_drink",
    "collect_iron",
    "collect_sapling",
    "collect_stone",
    "collect_wood",
    "defeat_skeleton",
    "defeat_zombie",
    "eat_cow",
    "eat_plant",
    "make_iron_pickaxe",
    "make_iron_sword",
    "make_stone_pickaxe",
    "make_stone_sword",
    "make_wood_pickaxe",
    "make_wood_sword",
    "place_furnace",
    "place_plant",
    "place_stone",
    "place_table",
    "wake_up",
)

AREA = (64, 64)
"""The columns and rows of a world's map."""
TILE = 16
"""Pixels of a field of the map in its picture."""
SIGHT = (4, 3)
"""The columns and rows that a player sees each way."""
TIME_LIMIT = 10_000
_CHANCE_OF_SLEEP = 0.1
"""How often the heuristic policy sleeps when it has drawn that."""
_MOST_MOVES = 6
"""How often the heuristic policy repeats a move, at most."""
_MOST_DEEDS = 3
"""How often the heuristic policy repeats `do`, at most."""


class HeuristicPolicy(Policy):
    """A random policy that covers more ground, with the numbers of Zenchiyu's static Crafter collection.

    Actions are drawn uniformly; `sleep` is kept one time in ten and drawn again otherwise; a move is
    repeated for 0 to 6 more steps, and `do` for 1 to 3.
    """

    def __init__(self, actions: int, random: np.random.Generator) -> None:
        super().__init__(actions, random)
        self._action = 0
        self._repeats = 0

    def act(self) -> int:
        """Returns the next action."""
        if self._repeats:
            self._repeats -= 1
            return self._action
        self._action = int(self.random.integers(self.actions))
        while ACTIONS[self._action] == "sleep" and self.random.random() >= _CHANCE_OF_SLEEP:
            self._action = int(self.random.integers(self.actions))
        name = ACTIONS[self._action]
        if name.startswith("move_"):
            self._repeats = int(self.random.integers(0, _MOST_MOVES + 1))
        elif name == "do":
            self._repeats = int(self.random.integers(1, _MOST_DEEDS + 1))
        return self._action


class CrafterEnvironment(Environment):
    """One player in Crafter.

    Episode k is what `crafter.Env(seed=seed)` plays after k + 1 resets, except for the order in which the
    creatures of a chunk are kept.

    This is an adapter of its own because shimmy's, for environments of Gym 0.21, would call an episode that
    the time limit ends `terminated`: Crafter says which it was by `discount` alone.

    Args:
        seed: the seed of the worlds; from it and an episode's number follows the map.
        time_limit: the number of steps after which an episode is truncated.

    Raises:
        AtariReplayError: the package `crafter` is not installed.
    """

    def __init__(self, seed: int, time_limit: int = TIME_LIMIT) -> None:
        self.seed = seed
        self._env = _package().Env(area=AREA, size=(64, 64), length=time_limit, seed=seed)
        self._env._world.__class__ = _ordered_world()
        quicken(self._env)
        self._made: _MadeWorld | None = None

    def reset(self, episode: int) -> tuple[np.ndarray, State]:
        """Start an episode; return its first observation, (64, 64, 3) uint8, and the state."""
        # Players of the same world come one after another, and making a world takes as long as 70 steps.
        if self._made is None or self._made.episode != episode:
            self._env._episode = episode
            observation = np.ascontiguousarray(self._env.reset())
            self._made = _MadeWorld(episode, observation, _copy_of(self._env), {})
        else:
            _restore(self._env, self._made.state)
        return self._made.observation.copy(), self._state()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, State]:
        """Take an action; see `Environment.step`. The observation is (64, 64, 3) uint8, RGB."""
        observation, reward, done, info = self._env.step(action)
        dead = info["discount"] == 0
        return np.ascontiguousarray(observation), float(reward), dead, done and not dead, self._state()

    def maps(self) -> Mapping[str, np.ndarray]:
        """Returns `terrain` and `map`; call it right after `reset`.

        Both have a field of the world in each place, row by row from the north: `terrain` is (64, 64) uint8,
        with the numbers of Crafter's semantic view (materials, and on them creatures and the player), and
        `map` its picture, (1024, 1024, 3) uint8, as the package draws it if it sees the whole world. Its
        view leaves out the northernmost row, and has the inventory at the bottom.
        """
        assert self._made is not None, "an episode has been started"
        if not self._made.maps:
            self._made.maps.update(self._draw_maps())
        return self._made.maps

    def _draw_maps(self) -> Mapping[str, np.ndarray]:
        env = self._env
        world, player = env._world, env._player
        unit = np.array((TILE, TILE))
        # Drawing may draw random numbers, for darkness; the episode must not notice.
        with _untouched(world):
            local = whole_view(env, np.array(AREA) - (0, 1))(player, unit)
        items = _package().engine.ItemView(env._textures, (AREA[0], 1))(player.inventory, unit)
        picture = np.concatenate([local, items], 1).transpose((1, 0, 2)).astype(np.uint8)
        return {
            "terrain": np.ascontiguousarray(env._sem_view().astype(np.uint8).T),
            "map": np.ascontiguousarray(picture),
        }

    def _state(self) -> State:
        player = self._env._player
        x, y = player.pos
        return {
            "player_x": int(x),
            "player_y": int(y),
            **{f"inventory_{item}": player.inventory[item] for item in ITEMS},
            **{f"achievement_{name}": player.achievements[name] for name in ACHIEVEMENTS},
        }


@dataclass(frozen=True)
class _MadeWorld:
    """A world as it was made for an episode."""

    episode: int
    observation: np.ndarray
    state: dict[str, Any]
    """A copy of what the environment and its world had then."""
    maps: dict[str, np.ndarray]
    """Its maps, once they are drawn."""


_OF_EPISODE = ("_episode", "_step", "_player", "_last_health", "_unlocked")
"""What a `crafter.Env` holds of an episode, besides its world."""


def _copy_of(env: Any) -> dict[str, Any]:
    """Returns a copy of what an environment and its world hold of an episode."""
    held = {"world": env._world.__dict__, **{name: getattr(env, name) for name in _OF_EPISODE}}
    # Creatures keep their world, of which there is only one.
    return copy.deepcopy(held, {id(env._world): env._world})


def _restore(env: Any, state: dict[str, Any]) -> None:
    """Let an environment and its world hold again what was copied, which stays as it is."""
    held = copy.deepcopy(state, {id(env._world): env._world})
    env._world.__dict__.update(held.pop("world"))
    for name, value in held.items():
        setattr(env, name, value)


@contextlib.contextmanager
def _untouched(world: Any) -> Iterator[None]:
    before = world.random.get_state()
    try:
        yield
    finally:
        world.random.set_state(before)


class _InOrder(dict[Any, None]):
    """A set that keeps the order in which its members were added."""

    def add(self, member: Any) -> None:
        self[member] = None

    def remove(self, member: Any) -> None:
        del self[member]


@functools.cache
def _ordered_world() -> type:
    class OrderedWorld(_package().engine.World):
        """A world whose chunks keep their objects in order."""

        def reset(self, seed: int | None = None) -> None:
            super().reset(seed)
            self._chunks = defaultdict(_InOrder)

    return OrderedWorld


def _package() -> Any:
    try:
        import crafter
        import crafter.engine
    except ImportError as error:
        raise AtariReplayError(
            f"Crafter cannot be played here ({error}): pip install 'atari-dqn-replay[crafter]'"
        ) from None
    return crafter


def _versions() -> Mapping[str, str]:
    return {name: version(name) for name in ("crafter", "numpy", "opensimplex", "pillow")}


CRAFTER = World(
    name="Crafter",
    requirement="crafter",
    actions=ACTIONS,
    frame_shape=(64, 64, 3),
    time_limit=TIME_LIMIT,
    environment=CrafterEnvironment,
    policies={"heuristic": HeuristicPolicy, "random": RandomPolicy},
    versions=_versions,
    state_columns={
        "player_x": "int16",
        "player_y": "int16",
        **{f"inventory_{item}": "int8" for item in ITEMS},
        **{f"achievement_{name}": "int16" for name in ACHIEVEMENTS},
    },
    map_columns=("terrain", "map"),
    fields=AREA,
    sight=SIGHT,
)
