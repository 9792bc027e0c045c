"""Waits for expected events, however slow the machine is."""

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which a test gives up: a machine can be busy for a long time."""


def wait_until(condition: Callable[[], bool], what: str = "what the test waits for") -> None:
    """Poll until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.002)
