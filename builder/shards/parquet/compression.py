"""Compresses pages of frames into ordinary zstd, with parameters that suit frames.

Nearly all of a frame occurs in one of the thousands before it. So the window spans a page, while that of
zstd's level 9 spans a quarter of one; and since matches are long and plentiful, a lazy search of a small
table finds as much as a thorough search of large tables. For speed, a single lookup in a table of 256 KiB,
which stays in a core's own cache on any machine, finds nearly as much as one in a larger table. See
benchmarks/storage.py for the measurements.
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
"""Compresses a page; used by one thread at a time."""


@dataclass(frozen=True)
class Compression:
    """A way to compress frames."""

    level: int
    """The nearest zstd level in pyarrow, for a file that pyarrow writes alone."""
    compressor: Callable[[], Compress]
    """Returns a function that compresses pages on one thread."""


def _compressor(parameters: zstandard.ZstdCompressionParameters) -> Compress:
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    return lambda page: compressor.compress(page.data)


COMPRESSIONS = {
    SMALL: Compression(9, partial(_compressor, _SMALL)),
    FAST: Compression(1, partial(_compressor, _FAST)),
}
