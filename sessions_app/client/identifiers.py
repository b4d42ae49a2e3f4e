"""UUIDv7 (RFC 9562) out of the standard library, which has it from Python 3.14 on only."""

import os
import time
import uuid


def uuid7() -> uuid.UUID:
    """A new identifier that sorts by the time it was made."""
    milliseconds = time.time_ns() // 1_000_000
    number = (milliseconds & (1 << 48) - 1) << 80 | int.from_bytes(os.urandom(10))
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=number)
