"""Runs a slow generator on a thread, one item ahead of its consumer."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def read_ahead(
    items: Generator[Item, None, None], abandon: Callable[[], object] = lambda: None
) -> Generator[Item, None, None]:
    """Yield the generator's items in order; its exceptions are raised at the same place.

    Args:
        items: the generator, run on the thread.
        abandon: called when the rest is not wanted, to end a long wait of the thread.
    """
    try:
        with ThreadPoolExecutor(1, thread_name_prefix="read-ahead") as executor:
            try:
                ahead = executor.submit(next, items, _END)
                while (item := ahead.result()) is not _END:
                    ahead = executor.submit(next, items, _END)
                    yield item  # type: ignore[misc]
            except BaseException:
                abandon()
                raise
    finally:
        items.close()
