"""The pipe through which programs that are recorded name moments.

A named pipe, as any shell can write to it; one line is one label. A line is short enough to be written in one
piece, however many write at once.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

#: Where the pipe is, for the programs that are recorded.
VARIABLE = "SCROLLBACK_MARKERS"

#: Whoever sets a marker copies what was shown before it first. A terminal holds less than this many blocks; a program
#: that goes on writing meanwhile must not keep a marker waiting.
MOST_BLOCKS_BEFORE = 8

_MAX_LABEL_BYTES = 1_000
_MAX_LINE_BYTES = 4_096


def encode_label(label: str) -> bytes | None:
    """A line of the pipe, None for a label that shows nothing."""
    words = " ".join(label.split()).encode("utf-8", "replace")
    return words[:_MAX_LABEL_BYTES] + b"\n" if words else None


class MarkerPipe:
    """The recorder's end, which the keeper holds as well.

    `descriptor` becomes readable when there is something to `read`.
    """

    def __init__(self, path: Path) -> None:
        """Make the pipe. Raises OSError, and then leaves none."""
        self.path = path
        os.mkfifo(path, 0o600)
        try:
            # Open for writing too: else it would be at its end whenever nobody writes.
            self.descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        except OSError:
            path.unlink()
            raise
        self._unfinished = b""

    def read(self) -> Iterator[str]:
        """The labels that were written by now."""
        with contextlib.suppress(BlockingIOError):
            self._unfinished += os.read(self.descriptor, 65_536)
        *lines, rest = self._unfinished.split(b"\n")
        # What is longer than a label can be was written by something else.
        self._unfinished = rest[:_MAX_LINE_BYTES]
        for line in lines:
            label = " ".join(line[:_MAX_LABEL_BYTES].decode("utf-8", "replace").split())
            if label:
                yield label

    def close(self) -> None:
        """Close the pipe and take it away."""
        os.close(self.descriptor)
        self.path.unlink(missing_ok=True)
