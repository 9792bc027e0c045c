"""Runs tasks where only a command line can be handed over: `python -m … FUNCTION WORK NUMBER…`."""

import sys
import traceback
from collections.abc import Sequence

from .engine import run_task


def main(arguments: Sequence[str]) -> int:
    """Run all the tasks, and return 1 if any failed."""
    function, work, *numbers = arguments
    failed = 0
    for number in map(int, numbers):
        try:
            run_task(function, work, number)
        except Exception:
            traceback.print_exc()
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
