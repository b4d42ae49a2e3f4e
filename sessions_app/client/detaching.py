"""What processes do that run beside the recorder."""

import os
import signal

#: The program that is recorded comes first on a machine that is busy.
_NICENESS = 5


def detach(*kept: int) -> None:
    """Let go of the terminal and the recorder's files, but for the descriptors `kept`: who waits for their end must
    not wait for us. And take the processor only from nobody who has something to show.
    """
    os.setsid()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)
    # It does not interrupt whoever wakes it, which is the one that passes on what the program shows.
    if hasattr(os, "SCHED_BATCH"):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
