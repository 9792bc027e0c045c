"""How pages of frames are compressed: zstd, with parameters that suit frames; whoever reads zstd reads it.

Nearly all of a frame was there in some of the thousands before it. So the window spans a page, where that of
zstd's level 9 spans a quarter of one; and as what is found is long, and is found many times over, a lazy
search of a table that fits a core's cache finds no less than a thorough one of tables that do not. See
benchmarks/storage.py for what that is worth.
"""

from collections.abc import Callable

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


def frames_compressor() -> Compress:
    """Compresses pages of frames."""
    compressor = zstandard.ZstdCompressor(compression_params=PARAMETERS)
    return lambda page: compressor.compress(page.data)
