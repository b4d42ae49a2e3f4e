"""`scrollback mark`: name this moment, from a program that is being recorded."""

import contextlib
import errno
import fcntl
import os
import sys
import termios
import time
from collections.abc import Sequence

from sessions_app.client.markers import VARIABLE, encode_label
from sessions_app.client.parsing import Parser

# A recorder that is so far behind gets the label where it is by then.
_MOST_WAIT_S = 1.0
_LOOK_EVERY_S = 0.002


def main(argv: Sequence[str]) -> int:
    """Tell the recorder that this shell runs in. 0 told, 2 refused."""
    label = " ".join(_parser().parse_args(argv).label)
    path = os.environ.get(VARIABLE)
    if not path:
        return _refuse(f"nothing is being recorded here: {VARIABLE} is not set")
    line = encode_label(label)
    if line is None:
        return _refuse("the label holds nothing to read")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        gone = error.errno in (errno.ENXIO, errno.ENOENT)
        return _refuse("the recorder has gone" if gone else f"the recorder cannot be told: {error.strerror}")
    try:
        os.write(descriptor, line)
        _wait_until_taken(descriptor)
    except OSError as error:
        return _refuse(f"the recorder cannot be told: {error.strerror}")
    finally:
        os.close(descriptor)
    return 0


def _wait_until_taken(descriptor: int) -> None:
    """What the shell shows next may otherwise reach a busy recorder before the label does."""
    deadline = time.monotonic() + _MOST_WAIT_S
    # Not every system tells how much is in a pipe.
    with contextlib.suppress(OSError):
        while any(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)


def _parser() -> Parser:
    parser = Parser(
        prog="scrollback mark",
        description="Name this moment of the recording that this shell runs in.",
        epilog="Example: scrollback mark tests begin",
    )
    parser.add_argument(
        "label", nargs="+", metavar="LABEL", help="what to call it; several words are one label"
    )
    return parser


def _refuse(reason: str) -> int:
    print(f"scrollback mark: {reason}", file=sys.stderr)
    return 2
