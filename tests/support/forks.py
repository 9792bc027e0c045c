"""Kills tasks in forks of the tests' process, which begin at once, without importing anything."""

import itertools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from waiting import PATIENCE


def forked(task: Callable[[], object]) -> BaseProcess:
    """Begin a task in a fork of this process, and return the fork."""
    process = multiprocessing.get_context("fork").Process(target=task)
    process.start()
    return process


def killed_at(n: int, task: Callable[[], object]) -> None:
    """Do a task in a fork of this process that is killed at its n-th change of a folder named `published`.

    A change is to create, rename or remove a file there; the kill comes right before it.
    """

    def kill_at_the_nth() -> None:
        changes = itertools.count(1)

        def watch(event: str, arguments: tuple[Any, ...]) -> None:
            changing = event in ("os.rename", "os.remove") or (event == "open" and "w" in str(arguments[1]))
            if changing and "/published/" in str(arguments[0]) and next(changes) == n:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(watch)
        task()

    process = forked(kill_at_the_nth)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


def killed_in_call(n: int, owner: object, name: str, task: Callable[[], object]) -> None:
    """Do a task in a fork of this process that is killed right before its n-th call of a function.

    Args:
        n: 1, 2, …
        owner: the module or the class that has the function.
        name: the function's name there.
        task: what to do.
    """

    def kill_in_the_nth() -> None:
        calls, function = itertools.count(1), getattr(owner, name)

        def call(*arguments: Any, **options: Any) -> Any:
            if next(calls) == n:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*arguments, **options)

        setattr(owner, name, call)
        task()

    process = forked(kill_in_the_nth)
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


def killed_after(seconds: float, task: Callable[[], object]) -> None:
    """Begin a task in a fork of this process, and kill it after so many seconds, unless it is quicker."""
    process = forked(task)
    time.sleep(seconds)
    process.kill()
    process.join()
