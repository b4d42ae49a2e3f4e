"""UUIDv7 identifiers (RFC 9562): time-ordered, made by whoever creates the thing."""

import uuid
from hashlib import blake2b

import uuid_utils.compat

_MAX_MS = (1 << 48) - 1


def new_id() -> uuid.UUID:
    return uuid_utils.compat.uuid7()


def first_id(at_ms: int) -> uuid.UUID:
    """Below every id that is made from then on, and above those that were made before."""
    return uuid.UUID(int=min(max(at_ms, 0), _MAX_MS) << 80)


def derived_id(at_ms: int, *parts: str) -> uuid.UUID:
    """A UUIDv7 that is a function of its arguments: the same record always gets the same id.

    The first 48 bits are `at_ms`; the other 74 come from a BLAKE2b digest of the parts. Importers use
    it so that importing a record twice, from whichever file, addresses the same row.
    """
    digest = blake2b("\x1f".join(parts).encode("utf-8", "surrogatepass"), digest_size=10).digest()
    tail = int.from_bytes(digest, "big")
    value = (min(max(at_ms, 0), _MAX_MS) << 80) | tail
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)
