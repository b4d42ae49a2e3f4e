"""Many callers, few transactions: each is answered for its own, and nobody for what is not stored."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError

from dashboard.lib.group_commit import GroupCommit

# What is written to is a list: no database is reached.
pytestmark = pytest.mark.once

PLUG = "plug"


class Deadlock(Exception):
    sqlstate = "40P01"


class Book:
    """What is written goes here. The plug is held until `opened`, so that others gather behind it."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun = threading.Event()
        #: Of each transaction the items that it tried, and the thread.
        self.tries: list[list[str]] = []
        self.threads: list[threading.Thread] = []
        self.stored: list[str] = []
        #: Raised by each transaction that holds such an item.
        self.errors: dict[str, Callable[[], BaseException]] = {}

    def write(self, items: Sequence[str]) -> list[str | Exception]:
        self.tries.append(list(items))
        self.threads.append(threading.current_thread())
        if PLUG in items:
            self.begun.set()
            assert self.opened.wait(20)
        for item in items:
            if item in self.errors and not (item == "deadlock" and len(items) == 1):
                raise self.errors[item]()
        outcomes: list[str | Exception] = [
            LookupError(item) if item.startswith("refused") else item.upper() for item in items
        ]
        self.stored += [item for item in items if not item.startswith("refused")]
        return outcomes


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.001)


@contextmanager
def gathered(
    group: GroupCommit[str, str], book: Book, *items: str, sizes: Sequence[int] = ()
) -> Iterator[list[Future[str]]]:
    """All of them wait behind the plug, in this order; they are written as the block ends."""
    with ThreadPoolExecutor(len(items) + 1) as pool:
        plug = pool.submit(group.commit, PLUG)
        assert book.begun.wait(20)
        sent = []
        for number, item in enumerate(items):
            sent.append(pool.submit(group.commit, item, sizes[number] if sizes else 1))
            until(lambda number=number: len(group._queue) == number + 1)  # type: ignore[misc]
        yield sent
        book.opened.set()
        plug.exception(20)


def test_who_is_alone_writes_at_once_in_its_own_thread() -> None:
    book = Book()
    group = GroupCommit(book.write, most_at_once=10)
    assert [group.commit("a"), group.commit("b")] == ["A", "B"]
    assert book.tries == [["a"], ["b"]]
    assert set(book.threads) == {threading.current_thread()}


def test_what_gathers_is_one_transaction_in_the_order_in_which_it_came() -> None:
    book = Book()
    with gathered(GroupCommit(book.write, most_at_once=10), book, "a", "b", "c") as sent:
        pass
    assert [each.result(20) for each in sent] == ["A", "B", "C"]
    assert book.tries == [[PLUG], ["a", "b", "c"]]


def test_a_transaction_has_its_limit_and_a_larger_item_one_of_its_own() -> None:
    book = Book()
    group = GroupCommit(book.write, most_at_once=10)
    with gathered(group, book, *"abcde", sizes=(4, 6, 1, 50, 2)) as sent:
        pass
    assert [each.result(20) for each in sent] == [*"ABCDE"]
    assert book.tries == [[PLUG], ["a", "b"], ["c"], ["d"], ["e"]]


def test_with_two_writers_one_goes_on_while_the_other_waits() -> None:
    book = Book()
    group = GroupCommit(book.write, most_at_once=10, writers=lambda: 2)
    with ThreadPoolExecutor(5) as pool:
        plug = pool.submit(group.commit, PLUG)
        assert book.begun.wait(20)
        # There is room for one more, and when that is done for the next.
        assert [group.commit("a"), group.commit("b")] == ["A", "B"]
        second = pool.submit(group.commit, PLUG)
        until(lambda: len(book.tries) == 4)
        sent = []
        for number, item in enumerate("cde"):
            sent.append(pool.submit(group.commit, item))
            until(lambda number=number: len(group._queue) == number + 1)  # type: ignore[misc]
        book.opened.set()
        assert [each.result(20) for each in (plug, second, *sent)] == ["PLUG", "PLUG", *"CDE"]
    assert sorted(book.stored) == sorted([PLUG, "a", "b", PLUG, *"cde"])
    assert group._writers == 0


def test_what_is_refused_is_told_to_its_caller_alone() -> None:
    book = Book()
    with gathered(GroupCommit(book.write, most_at_once=10), book, "a", "refused", "b") as sent:
        pass
    assert (sent[0].result(20), sent[2].result(20)) == ("A", "B")
    with pytest.raises(LookupError, match="refused"):
        sent[1].result(20)
    assert book.tries == [[PLUG], ["a", "refused", "b"]]


def test_one_at_fault_does_not_keep_the_others_out() -> None:
    book = Book()
    book.errors["bad"] = lambda: IntegrityError("it is there already")
    with gathered(GroupCommit(book.write, most_at_once=10), book, "a", "bad", "b") as sent:
        pass
    assert (sent[0].result(20), sent[2].result(20)) == ("A", "B")
    with pytest.raises(IntegrityError):
        sent[1].result(20)
    assert book.stored == [PLUG, "a", "b"]


@pytest.mark.parametrize("kind", [OperationalError, InterfaceError])
def test_when_nothing_can_be_committed_everybody_is_told_and_the_next_try_works(
    kind: type[Exception],
) -> None:
    book = Book()
    group = GroupCommit(book.write, most_at_once=10)
    book.errors["a"] = lambda: kind("database or disk is full")
    with gathered(group, book, "a", "b", "c") as sent:
        pass
    errors = [each.exception(20) for each in sent]
    assert [(type(error), str(error)) for error in errors] == [(kind, "database or disk is full")] * 3
    assert len({id(error) for error in errors}) == 3
    assert book.stored == [PLUG]
    # Once for all of them: where no disk or no database is, one look is enough.
    assert book.tries == [[PLUG], ["a", "b", "c"]]
    book.errors.clear()
    assert [group.commit(item) for item in "abc"] == [*"ABC"]


def test_whoever_was_in_a_deadlock_is_tried_alone() -> None:
    def deadlock() -> OperationalError:
        error = OperationalError("deadlock detected")
        error.__cause__ = Deadlock()
        return error

    book = Book()
    book.errors["deadlock"] = deadlock
    with gathered(GroupCommit(book.write, most_at_once=10), book, "a", "deadlock") as sent:
        pass
    assert [each.result(20) for each in sent] == ["A", "DEADLOCK"]


def test_a_writer_that_is_interrupted_leaves_nobody_waiting() -> None:
    book = Book()
    group = GroupCommit(book.write, most_at_once=10)
    book.errors["a"] = KeyboardInterrupt
    with gathered(group, book, "a", "b") as sent:
        pass
    with pytest.raises(KeyboardInterrupt):
        sent[0].result(20)
    with pytest.raises(RuntimeError, match="interrupted"):
        sent[1].result(20)
    assert group.commit("c") == "C"


def test_of_many_at_once_each_gets_its_own_answer() -> None:
    lock, stored = threading.Lock(), list[str]()

    def write(items: Sequence[str]) -> list[str]:
        assert lock.acquire(blocking=False), "two wrote at once"
        try:
            time.sleep(0.0005)
            stored.extend(items)
            return [item.upper() for item in items]
        finally:
            lock.release()

    group = GroupCommit(write, most_at_once=7)
    items = [f"item {number}" for number in range(400)]
    with ThreadPoolExecutor(24) as pool:
        assert [*pool.map(group.commit, items)] == [item.upper() for item in items]
    assert sorted(stored) == sorted(items)
