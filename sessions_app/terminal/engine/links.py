"""Links (OSC 8), which the library is not told of.

It copies a link for every character: a long one lets it take seconds for a line, and a listing with links is
twenty times as slow as one without. The link that goes on at a keyframe is remembered here instead.
"""

import re

_LINK = b"\x1b]8;"
#: What the library is given instead, which it ignores.
UNKNOWN_LINK = b"\x1b]7788;"
_MAX_BYTES = 4_096
# The second part is the address; without one, a link ends.
_WHOLE = re.compile(rb"\x1b\]8;[^;\x07\x1b]*;([^\x07\x1b]*)(?:\x07|\x1b\\)")


class Links:
    """Follows the links of one terminal. `current` is the sequence that began the one that goes on, or empty."""

    def __init__(self) -> None:
        self.current = b""
        # A sequence that is not ended yet.
        self._begun = b""

    @property
    def is_begun(self) -> bool:
        """Whether a sequence is begun and not ended, so that all output has to be looked at."""
        return bool(self._begun)

    def hide(self, data: bytes) -> bytes:
        """Output without links, for the library."""
        if self._begun:
            self._begun = (self._begun + data)[:_MAX_BYTES]
            self._look_at_begun()
        if _LINK not in data:
            return data
        before, _, last = data.rpartition(_LINK)
        if not _WHOLE.match(_LINK + last) and _LINK in before:
            # It is not ended yet, and the one before it is the one that goes on.
            self._begun = _LINK + before.rpartition(_LINK)[2]
            self._look_at_begun()
        self._begun = (_LINK + last)[:_MAX_BYTES]
        self._look_at_begun()
        return data.replace(_LINK, UNKNOWN_LINK)

    def _look_at_begun(self) -> None:
        whole = _WHOLE.match(self._begun)
        if whole is not None:
            self.current = whole[0] if whole[1] else b""
        if whole is not None or len(self._begun) >= _MAX_BYTES:
            self._begun = b""


def shown(unfinished: bytes) -> bytes:
    """An unfinished sequence as it was printed."""
    return unfinished.replace(UNKNOWN_LINK, _LINK, 1)
