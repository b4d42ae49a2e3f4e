"""A thread of the server outlives whatever a look ends with, and what it ends with is told."""

import logging
import time
from collections.abc import Callable

import pytest
from django.db import OperationalError

from dashboard.lib.background import LONGEST_PAUSE_S, BackgroundThread, faults

pytestmark = pytest.mark.django_db(transaction=True)


class Looking(BackgroundThread):
    """Its looks end with these, and then well."""

    def __init__(self, *ends: Exception, every_s: float = 0.01) -> None:
        super().__init__("looking", every_s)
        self.ends = list(ends)
        #: What was told of it, and how long it had rested, as each look began.
        self.seen: list[tuple[list[str], float]] = []
        self.told: list[Exception] = []

    def look(self) -> None:
        self.seen.append((faults(), self._pause_s))
        if self.ends:
            raise self.ends.pop(0)

    def failed(self, error: Exception) -> None:
        self.told.append(error)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_fault_is_logged_and_told_until_a_look_ends_well(caplog: pytest.LogCaptureFixture) -> None:
    fault, busy = TypeError("unhashable type: 'list'"), OperationalError("locked")
    thread = Looking(fault, fault, busy)
    with caplog.at_level(logging.ERROR, "dashboard.lib.background"):
        thread.start()
        wait_for(lambda: len(thread.seen) > 4)
        thread.stop()
    assert thread.told == [fault, fault, busy]
    said = ["The server's own thread looking fails: unhashable type: 'list'. The server's log says where."]
    assert thread.seen[:5] == [([], 0.01), (said, 0.02), (said, 0.04), (said, 0.01), ([], 0.01)]
    assert caplog.text.count("Traceback") == 2


def test_it_rests_no_longer_than_some_minutes_and_tells_nothing_once_it_ended() -> None:
    thread = Looking(ValueError("x"), every_s=200)
    thread.start()
    wait_for(lambda: bool(faults()))
    wait_for(lambda: thread._pause_s == LONGEST_PAUSE_S)
    thread.stop()
    assert faults() == []
