"""How pages of frames are compressed: zstd, with parameters that suit frames; whoever reads zstd reads it.

Nearly all of a frame was there in some of the thousands before it. So the window spans a page, where that of
zstd's level 9 spans a quarter of one; and as what is found is long, and is found many times over, a lazy
search of a small table finds no less than a thorough one of large tables. For speed, one look into a table of
256 KiB, which stays in a core's own cache whatever the machine, finds nearly what one into a larger table
does. See benchmarks/storage.py for what that is worth.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import zstandard

from ...format.compression import FAST, SMALL

_SMALL = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_LAZY,
    window_log=24,
    hash_log=19,
    chain_log=16,
    search_log=5,
    min_match=6,
    target_length=32,
    write_content_size=True,
)
_FAST = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    window_log=24,
    hash_log=16,
    min_match=7,
    target_length=1,
    write_content_size=True,
)

Compress = Callable[[np.ndarray], bytes]
"""Compresses a page; for one thread at a time."""


@dataclass(frozen=True)
class Compression:
    """A way to compress frames."""

    level: int
    """The nearest of pyarrow's levels of zstd, for a file that pyarrow writes alone."""
    compressor: Callable[[], Compress]
    """Makes what compresses pages on one thread."""


def _compressor(parameters: zstandard.ZstdCompressionParameters) -> Compress:
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return lambda page: compressor.compress(page.data)


COMPRESSIONS = {
    SMALL: Compression(9, partial(_compressor, _SMALL)),
    FAST: Compression(1, partial(_compressor, _FAST)),
}
