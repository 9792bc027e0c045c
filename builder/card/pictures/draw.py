"""Draws a game's pictures within their share of the dataset's bytes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...format.numbers import spread
from .contact_sheet import Moments, contact_sheet
from .coverage import Coverage, coverage
from .learning import Learning, learning
from .names import BEST_EPISODE, CONTACT_SHEET, COVERAGE, LEARNING
from .webp import animation

SHARE = 0.01
"""Bytes of the pictures for each byte of the game's Parquet files, at most."""

LEAST_BYTES = 6_000
"""Bytes below which there is room for no picture that shows anything."""

MOST_FRAMES = 400
"""Frames of an animation; of a longer episode, every second or third is shown."""

MILLISECONDS = 50
"""How long each of them is shown."""


@dataclass(frozen=True)
class Material:
    """What pictures are drawn from."""

    learning: Learning
    moments: Sequence[Moments]
    best_episode: Sequence[NDArray[np.uint8]]
    """The frames of an episode, at most MOST_FRAMES of them; empty if there is none."""
    coverage: Coverage | None = None
    """Where players went, in a world with a map."""


def draw(material: Material, most_bytes: int) -> dict[str, bytes]:
    """Returns the pictures by name, each as large as fits into what those before it leave of `most_bytes`."""
    drawn = {}
    for name, forms in (
        (COVERAGE, _forms_of_coverage(material.coverage)),
        (LEARNING, _forms_of_learning(material.learning)),
        (CONTACT_SHEET, _forms_of_sheet(material.moments)),
        (BEST_EPISODE, _forms_of_episode(material.best_episode)),
    ):
        left = most_bytes - sum(map(len, drawn.values()))
        picture = next((picture for picture in (form() for form in forms) if len(picture) <= left), None)
        if picture is not None:
            drawn[name] = picture
    return drawn


Forms = Iterator[Callable[[], bytes]]
"""Functions that draw the same in forms that take fewer and fewer bytes."""


def _forms_of_learning(shown: Learning) -> Forms:
    if shown.returns and shown.actions:
        for dots_per_inch in (100, 70):
            yield lambda dots_per_inch=dots_per_inch: learning(shown, dots_per_inch)


def _forms_of_coverage(shown: Coverage | None) -> Forms:
    if shown is not None:
        for dots_per_inch in (100, 70):
            yield lambda dots_per_inch=dots_per_inch: coverage(shown, dots_per_inch)


def _forms_of_sheet(moments: Sequence[Moments]) -> Forms:
    if moments:
        for columns, rows in ((10, 3), (10, 1), (5, 1)):
            yield lambda columns=columns, rows=rows: contact_sheet(moments, columns=columns, rows=rows)


def _forms_of_episode(frames: Sequence[NDArray[np.uint8]]) -> Forms:
    if frames:
        for count, scale in ((MOST_FRAMES, 2), (MOST_FRAMES, 1), (200, 1), (100, 1)):
            places = spread(len(frames), count)
            longer = MILLISECONDS * len(frames) // len(places)
            yield lambda places=places, scale=scale, longer=longer: animation(
                [frames[place] for place in places], longer, scale
            )
