"""Draws what a player of Crafter sees as the package does, to the byte, in less than half of the time.

The package draws a view field by field. Here all fields are taken from a table of textures at once, and a
drawn inventory is kept for the next step, which mostly has the same.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

_INVENTORIES = 1024
"""Drawn inventories that are kept, 2.6 KB each."""


def quicken(env: Any) -> None:
    """Let an environment of the package draw by the views of this module.

    Args:
        env: a `crafter.Env`.
    """
    kinds = _view_classes()
    local, item = env._local_view, env._item_view
    local.__class__, item.__class__ = kinds
    item.drawn = functools.lru_cache(_INVENTORIES)(item.draw)


def whole_view(env: Any, grid: np.ndarray) -> Any:
    """Returns a view of a larger part of an environment's world.

    Args:
        env: a `crafter.Env`.
        grid: how many columns and rows of fields it shows.
    """
    local, _ = _view_classes()
    return local(env._world, env._textures, grid)


@functools.cache
def _view_classes() -> tuple[type, type]:
    from crafter import engine

    class QuickLocalView(engine.LocalView):
        """The fields around the player, and what is on them."""

        def __call__(self, player: Any, unit: Any) -> np.ndarray:
            """Returns the picture, with columns first as everywhere in the package."""
            world, (columns, rows) = self._world, self._grid.tolist()
            left, top = (np.array(player.pos) - self._offset).tolist()
            table = self._table(tuple(unit.tolist()))
            fields = np.full((columns, rows), len(table) - 1)
            x, y = slice(max(left, 0), left + columns), slice(max(top, 0), top + rows)
            there = world._mat_map[x, y]
            to_x, to_y = max(-left, 0), max(-top, 0)
            fields[to_x : to_x + there.shape[0], to_y : to_y + there.shape[1]] = there
            canvas = table[fields].transpose(0, 2, 1, 3, 4).reshape(*(self._grid * unit), 3)
            for thing in world.objects:
                column, row = int(thing.pos[0]) - left, int(thing.pos[1]) - top
                if 0 <= column < columns and 0 <= row < rows:
                    texture = self._textures.get(thing.texture, unit)
                    engine._draw_alpha(canvas, np.array((column, row)) * unit, texture)
            canvas = self._light(canvas, world.daylight)
            return self._sleep(canvas) if player.sleeping else canvas

        def _table(self, unit: tuple[int, int]) -> np.ndarray:
            """Returns the textures by their material, and last the grey of what lies outside."""
            kept = self.__dict__.setdefault("_tables", {})
            if unit not in kept:
                names = self._world._mat_names
                textures = [self._textures.get(names[number], unit)[..., :3] for number in range(len(names))]
                kept[unit] = np.stack([*textures, np.full((*unit, 3), 127, np.uint8)])
            return kept[unit]

    class QuickItemView(engine.ItemView):
        """The inventory."""

        drawn: Callable[..., np.ndarray]
        """What `draw` returns, kept for some inventories."""

        def __call__(self, inventory: dict[str, int], unit: Any) -> np.ndarray:
            """Returns the picture."""
            return self.drawn(tuple(inventory.items()), tuple(unit.tolist()))

        def draw(self, inventory: tuple[tuple[str, int], ...], unit: tuple[int, int]) -> np.ndarray:
            """Returns the picture, drawn by the package."""
            return super().__call__(dict(inventory), unit)

    return QuickLocalView, QuickItemView
