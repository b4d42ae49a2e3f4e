"""Content that is stored once, named by its hash."""

import hashlib

from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.compression import LEVEL, compress, decompress
from dashboard.lib.errors import CorruptData

# A body longer than this is kept whole in a blob; its row holds the beginning for lists and folds.
INLINE_CHARS = 4096
PREVIEW_CHARS = 1024


class Codec(models.TextChoices):
    RAW = "raw", "as it is"
    ZSTD = "zstd", "zstd"


class Blob(models.Model):
    """Bytes by their SHA-256. `size` is that of the plain bytes."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField()
    codec = models.CharField(max_length=8, choices=Codec)
    data = models.BinaryField()
    created_ms = models.BigIntegerField(default=now_ms)

    def __str__(self) -> str:
        return f"{self.sha256[:12]} ({self.size} bytes)"

    def read(self) -> bytes:
        """The plain bytes. Raises CorruptData."""
        return unpack(bytes(self.data), self.codec, self.size)


def pack(plain: bytes, level: int = LEVEL) -> tuple[str, bytes]:
    """(codec, stored bytes): compressed when that saves at least an eighth."""
    packed = compress(plain, level)
    if len(packed) < len(plain) * 7 // 8:
        return Codec.ZSTD, packed
    return Codec.RAW, plain


def unpack(stored: bytes, codec: str, size: int) -> bytes:
    """The `size` plain bytes. Raises CorruptData."""
    if codec == Codec.ZSTD:
        return decompress(stored, size)
    if len(stored) != size:
        raise CorruptData(f"{len(stored)} bytes where {size} were recorded")
    return stored


def sha256_of(plain: bytes) -> str:
    return hashlib.sha256(plain).hexdigest()
