"""Slow requests to a server about many items, several at once, which Ctrl-C ends without waiting."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from typing import TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def at_once(ask: Callable[[Item], Answer], items: Sequence[Item], threads: int) -> Iterator[Answer]:
    """Yield the answers in the order of the items; an exception of a request is raised in its place.

    Unlike a ThreadPoolExecutor's, the threads are abandoned when nobody wants the rest: a request that a
    silent server leaves open does not delay the end of the command.

    Args:
        ask: sends one request; called on the threads.
        items: what to ask about.
        threads: maximum number of simultaneous requests.
    """
    answers: list[Future[Answer]] = [Future() for _ in items]
    waiting: queue.SimpleQueue[tuple[Item, Future[Answer]]] = queue.SimpleQueue()
    for pair in zip(items, answers, strict=True):
        waiting.put(pair)

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                item, answer = waiting.get_nowait()
                if answer.set_running_or_notify_cancel():
                    try:
                        answer.set_result(ask(item))
                    except BaseException as error:  # raised where the answer is awaited
                        answer.set_exception(error)

    for _ in range(min(threads, len(items))):
        threading.Thread(target=work, name="at-once", daemon=True).start()
    try:
        for answer in answers:
            yield answer.result()
    finally:
        for answer in answers:
            answer.cancel()
