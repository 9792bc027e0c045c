"""Items of a slow generator, the next one made on a thread while the last one is used."""

from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
_END = object()


def read_ahead(
    items: Generator[Item, None, None], abandon: Callable[[], object] = lambda: None
) -> Generator[Item, None, None]:
    """Yield the same items in the same order; what the generator raises is raised in its place.

    Args:
        items: used on the thread.
        abandon: called when nobody wants the rest, to end a long wait of the thread.
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
