"""The collector of cycles, where much is made that has none."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# By default it looks after every 2,000 objects.
_AFTER = 200_000


@contextmanager
def seldom_collecting() -> Iterator[None]:
    """Let the collector look seldom, and never at what is there already; for one thread of a process at a time."""
    usual = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_AFTER, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)
        gc.unfreeze()
