"""Draws how a game's agents learned: the returns and the actions of each checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .webp import still

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = (8.8, 3.4)
"""Width and height in inches."""


@dataclass(frozen=True)
class Learning:
    """What is drawn of a game."""

    returns: Mapping[int, Mapping[int, float]]
    """The mean return of complete episodes by run and checkpoint."""
    actions: Mapping[int, NDArray[np.int64]]
    """How often each action was taken, by checkpoint; a sample."""
    action_names: Sequence[str]


def learning(shown: Learning, dots_per_inch: int = 100) -> bytes:
    """Returns a picture of the curves and the shares of actions as a WebP file."""
    # Half a second, and only for those who draw.
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # whatever this user's configuration says, the picture is the same
        matplotlib.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
        figure = Figure(SIZE, dots_per_inch, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        _draw(figure, shown)
        canvas.draw()
        pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    # Few colours, which take half the bytes.
    return still(Image.fromarray(pixels.copy()).quantize(64).convert("RGB"))


def _draw(figure: "Figure", shown: Learning) -> None:
    returns, actions = figure.subplots(1, 2)
    _draw_returns(returns, shown.returns)
    _draw_actions(actions, shown)


def _draw_returns(axes: Any, of_runs: Mapping[int, Mapping[int, float]]) -> None:
    numbers = sorted({number for of_run in of_runs.values() for number in of_run})
    means = [[of_run[number] for of_run in of_runs.values() if number in of_run] for number in numbers]
    if len(of_runs) > 1:
        lowest, highest = [min(each) for each in means], [max(each) for each in means]
        axes.fill_between(numbers, lowest, highest, color="0.9", linewidth=0, label="spread of the runs")
    marker = "o" if len(numbers) < 3 else None
    for run, of_run in of_runs.items():
        axes.plot([*of_run], [*of_run.values()], linewidth=1, marker=marker, label=f"run_{run}")
    if len(of_runs) > 1:
        mean = [sum(each) / len(each) for each in means]
        axes.plot(numbers, mean, color="0.15", linewidth=2, marker=marker, label="mean of the runs")
    axes.set_title("Mean return of complete episodes", fontsize=10, loc="left")
    axes.set_xlabel("checkpoint")
    axes.grid(axis="y", color="0.92")
    axes.set_axisbelow(True)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=7, frameon=False)


def _draw_actions(axes: Any, shown: Learning) -> None:
    import matplotlib

    numbers = [*shown.actions]
    counts = np.stack([*shown.actions.values()]).astype(float)
    shares = counts / counts.sum(axis=1, keepdims=True)
    bottom = np.zeros(len(numbers))
    for action, name in enumerate(shown.action_names):
        colour = matplotlib.colormaps["tab20"](action)
        axes.bar(range(len(numbers)), shares[:, action], 1.0, bottom, color=colour, label=name)
        bottom += shares[:, action]
    ticks = range(0, len(numbers), max(1, len(numbers) // 6))
    axes.set_xticks([*ticks], [str(numbers[tick]) for tick in ticks])
    axes.set_xlabel("checkpoint")
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], ["0 %", "50 %", "100 %"])
    axes.margins(x=0)
    axes.set_title("Actions", fontsize=10, loc="left")
    axes.legend(fontsize=6, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
