"""zstd, as blobs and raw chunks are stored.

One compressor per thread and level: zstandard's objects are not safe to share, and making one per call costs more
than compressing a small chunk.
"""

import threading
from typing import Final

import zstandard

from dashboard.lib.errors import CorruptData

LEVEL: Final = 3
_local = threading.local()


def compress(data: bytes, level: int = LEVEL) -> bytes:
    compressors: dict[int, zstandard.ZstdCompressor] | None = getattr(_local, "compressors", None)
    if compressors is None:
        compressors = _local.compressors = {}
    compressor = compressors.get(level)
    if compressor is None:
        compressor = compressors[level] = zstandard.ZstdCompressor(level=level)
    return compressor.compress(data)


def decompress(data: bytes, size: int) -> bytes:
    """The `size` original bytes. Raises CorruptData; never allocates more than `size`."""
    decompressor: zstandard.ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if decompressor is None:
        decompressor = _local.decompressor = zstandard.ZstdDecompressor()
    try:
        plain = decompressor.decompress(data, max_output_size=max(size, 1))
    except zstandard.ZstdError as error:
        raise CorruptData(str(error)) from error
    if len(plain) != size:
        raise CorruptData(f"{len(plain)} bytes where {size} were recorded")
    return plain
