"""How much a thread lets others have a processor first."""

import os
import sys
import threading

_MOST = 19


def let_others_go_first(niceness: int) -> None:
    """For the thread that calls this, for as long as it lives, and for what it starts from then on.

    Only Linux knows the niceness of a thread; elsewhere nothing happens.
    """
    if sys.platform == "linux":
        thread = threading.get_native_id()
        before = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, min(before + niceness, _MOST))
