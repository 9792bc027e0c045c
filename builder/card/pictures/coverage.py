"""Draws where players went in a world: paths on its map, visits of its fields, and how much they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .webp import still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (8.8, 3.2)
"""Width and height in inches."""


@dataclass(frozen=True)
class Coverage:
    """What is drawn of a world."""

    map: NDArray[np.uint8]
    """The picture of one episode's world, (height, width, 3), without the northernmost row of fields."""
    paths: Sequence[NDArray[np.int64]]
    """The places of the players of several episodes in that world, each (length, 2): columns and rows."""
    visits: NDArray[np.int64]
    """How often each field was visited in all worlds, (rows, columns); a sample."""
    sight: tuple[int, int]
    """How many columns and rows a player sees each way."""


def coverage(shown: Coverage, dots_per_inch: int = 100) -> bytes:
    """Returns the picture as a WebP file."""
    # Half a second, and only for those who draw.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever this user's configuration says, the picture is the same
        matplotlib.rcParams.update({"font.size": 9})
        figure = Figure(SIZE, dots_per_inch, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        _draw(figure, shown)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    # Few colours, which take half the bytes.
    return still(Image.fromarray(pixels.copy()).quantize(64).convert("RGB"))


def seen_fields(path: NDArray[np.int64], sight: tuple[int, int], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns which fields of a world a player has seen, (rows, columns)."""
    seen = np.zeros(shape, bool)
    columns, rows = sight
    for x, y in np.unique(path, axis=0):
        seen[max(0, y - rows) : y + rows + 1, max(0, x - columns) : x + columns + 1] = True
    return seen


def overlaps(shown: Coverage) -> NDArray[np.float64]:
    """Returns for each two paths the fields that both players saw, as a share of those that either saw."""
    seen = [seen_fields(path, shown.sight, shown.visits.shape) for path in shown.paths]
    return np.array([[(one & other).sum() / (one | other).sum() for other in seen] for one in seen])


def _draw(figure: "Figure", shown: Coverage) -> None:
    paths, visits, shared = figure.subplots(1, 3)
    _draw_paths(paths, shown)
    rows, columns = shown.visits.shape
    image = visits.imshow(np.log10(1 + shown.visits), cmap="magma", extent=(0, columns, rows, 0))
    visits.set_title(f"Visits: {np.mean(shown.visits > 0):.0%} of the fields", fontsize=10, loc="left")
    figure.colorbar(image, ax=visits, shrink=0.7, label="log10 of 1 + steps")
    image = shared.imshow(overlaps(shown), cmap="viridis", vmin=0, vmax=1)
    shared.set_title("Overlap of what was seen", fontsize=10, loc="left")
    figure.colorbar(image, ax=shared, shrink=0.7)
    ticks = range(len(shown.paths))
    shared.set_xticks(ticks)
    shared.set_yticks(ticks)


def _draw_paths(axes: Any, shown: Coverage) -> None:
    import matplotlib

    rows, columns = shown.visits.shape
    axes.imshow(shown.map, extent=(0, columns, rows + 1, 1))
    for number, path in enumerate(shown.paths):
        colour = matplotlib.colormaps["tab10"](number % 10)
        axes.plot(path[:, 0] + 0.5, path[:, 1] + 0.5, color=colour, linewidth=1.6)
    axes.set_title(f"Paths of {len(shown.paths)} episodes on one map", fontsize=10, loc="left")
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 1)
