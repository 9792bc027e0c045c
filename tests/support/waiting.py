"""Waiting for what must come, however slow the machine is."""

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds after which a test gives up: a machine can be busy with other things for long."""


def wait_until(condition: Callable[[], bool], what: str = "what the test waits for") -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"{what} never came"
        time.sleep(0.002)
