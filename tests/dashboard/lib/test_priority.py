"""A thread that lets others go first."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from dashboard.lib.priority import let_others_go_first


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process has one niceness")
def test_one_thread_lets_others_go_first() -> None:
    usual = niceness()
    with ThreadPoolExecutor(1) as thread:
        thread.submit(let_others_go_first, 2).result()
        assert thread.submit(niceness).result() == min(usual + 2, 19)
        thread.submit(let_others_go_first, 40).result()
        assert thread.submit(niceness).result() == 19
    assert niceness() == usual
