"""`scrollback mark`: name this moment, from a program that is being recorded."""

import errno
import os
import sys
from collections.abc import Sequence

from sessions_app.client.markers import VARIABLE, encode_label
from sessions_app.client.parsing import Parser


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
    except OSError as error:
        return _refuse(f"the recorder cannot be told: {error.strerror}")
    finally:
        os.close(descriptor)
    return 0


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
