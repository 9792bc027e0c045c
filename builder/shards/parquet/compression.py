"""How pages of frames are compressed: zstd, with parameters that suit frames; whoever reads zstd reads it.

Nearly all of a frame was there in some of the thousands before it. So the window spans a page, where that of
zstd's level 9 spans a quarter of one; and as what is found is long, and is found many times over, a lazy
search of a table that fits a core's cache finds no less than a thorough one of tables that do not. See
benchmarks/storage.py for what that is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import zstandard

PARAMETERS = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_LAZY,
    window_log=24,
    hash_log=19,
    chain_log=16,
    search_log=5,
    min_match=6,
    target_length=32,
    write_content_size=True,
)

Compress = Callable[[np.ndarray], bytes]
"""Compresses a page; for one thread at a time."""


@dataclass(frozen=True)
class Compression:
    """A way to compress frames."""

    name: str
    level: int
    """The nearest of pyarrow's levels of zstd, for a file that pyarrow writes alone."""
    compressor: Callable[[], Compress]
    """Makes what compresses pages on one thread."""


def _compressor(parameters: zstandard.ZstdCompressionParameters) -> Compress:
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return lambda page: compressor.compress(page.data)


SMALL = Compression("small", 9, partial(_compressor, PARAMETERS))
