"""Long work beside a server goes on when nobody waits for a page."""

import threading
import time

from dashboard.lib.traffic import Traffic

NEVER = threading.Event()


def test_nobody_waits_when_nothing_was_asked() -> None:
    began = time.monotonic()

    assert not Traffic(longest_s=60).wait_until_quiet(NEVER)

    assert time.monotonic() - began < 10


def test_one_waits_until_the_last_answer_is_a_while_ago() -> None:
    traffic = Traffic(quiet_s=0.1, longest_s=60)
    answered: list[float] = []

    def answer() -> None:
        with traffic.answering():
            entered.set()
            time.sleep(0.1)
            answered.append(time.monotonic())

    entered = threading.Event()
    thread = threading.Thread(target=answer)
    thread.start()
    entered.wait()
    assert not traffic.wait_until_quiet(NEVER)
    waited_until = time.monotonic()
    thread.join()

    assert waited_until - answered[0] >= 0.1
    assert traffic.is_quiet


def test_nobody_waits_for_ever() -> None:
    traffic = Traffic(longest_s=0.1)
    with traffic.answering():
        assert not traffic.wait_until_quiet(NEVER)
        assert not traffic.is_quiet


def test_whoever_is_to_end_does_not_wait_for_quiet() -> None:
    traffic, stopping = Traffic(longest_s=60), threading.Event()
    stopping.set()
    began = time.monotonic()

    with traffic.answering():
        assert traffic.wait_until_quiet(stopping)

    assert time.monotonic() - began < 10
