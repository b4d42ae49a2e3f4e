"""Why a live socket was closed.

The server sends 1000 and codes from 3000 on, and nothing else: what the standard has below 3000 is for the
protocol's own layers.
"""

from enum import IntEnum


class CloseCode(IntEnum):
    UNAUTHENTICATED = 4001
    FORBIDDEN = 4003
    UNKNOWN = 4004
    TOO_SLOW = 4008
    REVOKED = 4009
    # What is stored cannot be read, now or ever.
    DAMAGED = 4010
    # The row has less than the viewer was given: an older database was restored.
    TAKEN_BACK = 4011
    # A message or an address that the protocol does not have.
    MISTAKE = 4400
    # The server failed; it may work the next time.
    FAILED = 4500

    @property
    def reason(self) -> str:
        return _REASONS[self]


_REASONS = {
    CloseCode.UNAUTHENTICATED: "not signed in",
    CloseCode.FORBIDDEN: "not allowed",
    CloseCode.UNKNOWN: "unknown",
    CloseCode.TOO_SLOW: "too slow",
    CloseCode.REVOKED: "access was revoked",
    CloseCode.DAMAGED: "what is stored is damaged",
    CloseCode.TAKEN_BACK: "there is less of it than there was",
    CloseCode.MISTAKE: "not in the protocol",
    CloseCode.FAILED: "the server failed",
}
