"""Streams that plain `datasets` reads from Parquet: their threads must end before Python does."""

import atexit
import functools
import gc


@functools.cache
def end_streams_before_python() -> None:
    """Have the streams that are left by then garbage-collected before Python ends.

    Parts of pyarrow's scanner that still exist when Python ends may abort the process, although all is done
    (apache/arrow#45214).
    """
    atexit.register(gc.collect)
