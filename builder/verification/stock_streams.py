"""Streams that plain `datasets` reads from Parquet: their threads must end before Python does."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def ending_streams() -> Iterator[None]:
    """Garbage-collect the streams that a function leaves behind; used as a decorator.

    Parts of pyarrow's scanner that still exist when Python ends may abort the process, although all is done
    (apache/arrow#45214).
    """
    try:
        yield
    finally:
        gc.collect()
