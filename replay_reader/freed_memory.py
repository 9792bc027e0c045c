"""Keeps freed memory for what comes next."""

import numpy as np

LARGE_BLOCK = 31 << 20
"""The size in bytes that raises glibc's limits, which follow the largest freed block below 32 MiB."""


def keep_freed_memory() -> None:
    """Let the process keep the memory of a batch or a gradient for the next one.

    Otherwise glibc returns it to the system and requests it anew each time, and its pages are zeroed: half of
    what a batch costs, and a thousand page faults in each update of an agent. Freeing one large block raises
    its limits ("dynamic mmap threshold" in mallopt(3)); elsewhere this changes nothing.
    """
    np.empty(LARGE_BLOCK, np.uint8)
