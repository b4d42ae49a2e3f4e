"""Why a live socket was closed. A browser does not reconnect by itself after one of these."""

from enum import IntEnum


class CloseCode(IntEnum):
    UNAUTHENTICATED = 4001
    FORBIDDEN = 4003
    UNKNOWN = 4004
    TOO_SLOW = 4008
    REVOKED = 4009

    @property
    def reason(self) -> str:
        return _REASONS[self]


_REASONS = {
    CloseCode.UNAUTHENTICATED: "not signed in",
    CloseCode.FORBIDDEN: "not allowed",
    CloseCode.UNKNOWN: "unknown",
    CloseCode.TOO_SLOW: "too slow",
    CloseCode.REVOKED: "access was revoked",
}
