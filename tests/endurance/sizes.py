"""How long these tests take: seconds, unless SCROLLBACK_TEST_ENDURANCE asks for more.

`SCROLLBACK_TEST_ENDURANCE=full python -m pytest tests/endurance` is what docs/benchmarks.md gives the figures of.
"""

import os

VARIABLE = "SCROLLBACK_TEST_ENDURANCE"
IS_FULL = os.environ.get(VARIABLE) == "full"


def full_or(full: int, quick: int) -> int:
    return full if IS_FULL else quick
