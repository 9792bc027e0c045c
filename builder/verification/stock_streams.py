"""Streams that plain `datasets` reads from Parquet: their threads must end before Python does."""

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def ending_streams() -> Iterator[None]:
    """For functions that read such streams, as a decorator: collect what they leave.

    What of pyarrow's scanner is still there when Python ends may abort the process, although all is done
    (apache/arrow#45214).
    """
    try:
        yield
    finally:
        gc.collect()
