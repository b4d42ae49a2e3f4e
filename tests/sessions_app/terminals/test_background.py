"""The thread that derives while a server runs or an import goes on."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from dashboard.lib.clock import now_ms
from dashboard.lib.db import ChangeDetector
from dashboard.lib.errors import CorruptData
from dashboard.lib.only_one import OnlyOne
from sessions_app.actions.terminals import background
from sessions_app.actions.terminals.background import BackgroundDeriving, deriving_meanwhile
from sessions_app.actions.terminals.deriving import derivable, derive, derive_all
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.terminal.engine import process
from sessions_app.terminal.engine.process import EngineProcess
from tests.factories import make_terminal
from tests.samples import sample
from tests.sessions_app.terminals.recorder import start_recorder
from tests.sessions_app.terminals.test_deriving import (
    assert_done,
    assert_words_agree,
    found,
    lines_of,
    log_of,
    recorded,
)

pytestmark = pytest.mark.django_db(transaction=True)

DEADLINE_S = 120


@pytest.fixture
def deriving() -> Iterator[BackgroundDeriving]:
    thread = BackgroundDeriving()
    thread.start()
    yield thread
    thread.stop()


def wait_until(is_so: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_waits_from_before_is_derived(deriving: BackgroundDeriving) -> None:
    terminal = recorded(log_of(3_000))
    wait_until(lambda: not derivable().exists())
    assert len(lines_of(terminal)) == 3_000
    assert TerminalKeyframe.objects.filter(terminal=terminal).exists()


def test_live_output_is_found_within_a_second(deriving: BackgroundDeriving) -> None:
    recorder = start_recorder()
    recorder.write(b"begin\r\n")
    # The engine's process has started then.
    wait_until(lambda: lines_of(recorder.terminal))
    for number in range(5):
        began = time.monotonic()
        recorder.write(f"unique{number}\r\n".encode())
        wait_until(partial(found, recorder.terminal, f"unique{number}"))
        assert time.monotonic() - began < 2


def test_a_live_terminal_is_not_kept_waiting_by_a_long_one(deriving: BackgroundDeriving) -> None:
    live = start_recorder()
    live.write(b"begin\r\n")
    wait_until(lambda: lines_of(live.terminal))
    long = recorded(log_of(400_000))
    live.write(b"hello\r\n")
    wait_until(lambda: "hello" in lines_of(live.terminal))
    assert Terminal.objects.get(pk=long.pk).derived_size < long.size
    wait_until(lambda: not derivable().exists())


def test_one_of_several_does_the_work(deriving: BackgroundDeriving) -> None:
    wait_until(lambda: deriving._has_turn)
    other = BackgroundDeriving()
    other.start()
    try:
        recorded(log_of(10))
        wait_until(lambda: not derivable().exists())
        wait_until(lambda: other._has_turn is not None)
        assert other._has_turn is False
        assert other._workshop._places == {}
    finally:
        other.stop()


def test_the_next_takes_over_when_the_first_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "TURN_EVERY_S", 0.05)
    first, second = BackgroundDeriving(), BackgroundDeriving()
    first.start()
    wait_until(lambda: first._has_turn)
    second.start()
    wait_until(lambda: second._has_turn is False)
    first.stop()
    try:
        recorded(log_of(10))
        wait_until(lambda: not derivable().exists())
    finally:
        second.stop()


def test_a_damaged_recording_is_told_once_and_holds_nobody_up(
    deriving: BackgroundDeriving, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_RETRY_S", 0.05)
    # No bytes at any time: the thread may look before the next line of this test.
    damaged = make_terminal(size=6)
    with caplog.at_level(logging.WARNING):
        sound = recorded(log_of(10))
        wait_until(lambda: lines_of(sound))
        wait_until(lambda: damaged.pk in deriving._troubles and deriving._troubles[damaged.pk].pause_s > 0.1)
    assert [str(damaged.pk) in record.getMessage() for record in caplog.records] == [True]
    assert isinstance(caplog.records[0].exc_info, tuple)
    assert isinstance(caplog.records[0].exc_info[1], CorruptData)


def test_finishing_waits_for_what_was_changed_since(deriving: BackgroundDeriving) -> None:
    wait_until(lambda: deriving._has_turn)
    started_ms = now_ms()
    terminal = recorded(log_of(60_000))
    left: list[int] = []
    deriving.finish(started_ms, left.append)
    assert not derivable().exists()
    assert left
    assert left == sorted(left, reverse=True)
    assert len(lines_of(terminal)) == 60_000


def test_at_rest_it_asks_nothing(deriving: BackgroundDeriving, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    waiting = background._waiting

    def counted() -> Any:
        asked.append(None)
        return waiting()

    monkeypatch.setattr(background, "_waiting", counted)
    recorded(log_of(10))
    wait_until(lambda: not derivable().exists())
    # Other databases of the same Postgres, and its own housekeeping, would be news too.
    answers: list[bool] = []
    is_news = False

    def looked(_: Any) -> bool:
        answers.append(is_news)
        return is_news

    monkeypatch.setattr(ChangeDetector, "changed", looked)
    # By then all that was answered before was acted on.
    wait_until(lambda: len(answers) >= 1)
    before = len(asked)
    wait_until(lambda: len(answers) >= 4)
    assert len(asked) == before
    is_news = True
    wait_until(lambda: len(asked) > before)


def test_stopping_takes_no_time() -> None:
    thread = BackgroundDeriving()
    thread.start()
    recorded(log_of(200_000))
    wait_until(lambda: Terminal.objects.filter(derived_size__gt=0).exists())
    began = time.monotonic()
    thread.stop()
    assert time.monotonic() - began < 5
    assert thread._thread is None or not thread._thread.is_alive()


def test_the_turn_is_one_process_s_at_a_time() -> None:
    first, second = OnlyOne("test"), OnlyOne("test")
    try:
        assert first.take()
        assert first.take()
        assert not second.take()
        assert OnlyOne("another").take()
        first.release()
        assert second.take()
    finally:
        first.release()
        second.release()


def test_an_engine_that_does_not_start_is_told_once_and_waited_for(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "_RETRY_S", 0.05)
    started = subprocess.Popen
    is_broken = True

    def start(arguments: list[str], **options: Any) -> Any:
        return started([sys.executable, "-c", "raise SystemExit(3)"] if is_broken else arguments, **options)

    monkeypatch.setattr("sessions_app.terminal.engine.process.subprocess.Popen", start)
    thread = BackgroundDeriving()
    thread.start()
    try:
        with caplog.at_level(logging.WARNING):
            terminal = recorded(log_of(10))
            wait_until(lambda: caplog.records)
            thread.finish(0)
            assert Terminal.objects.get().derived_size == 0
            is_broken = False
            wait_until(lambda: lines_of(terminal))
        assert len(caplog.records) == 1
    finally:
        thread.stop()


KILLED = """
import django, sys
django.setup()
from sessions_app.actions.terminals.deriving import derive_all
derive_all(sys.argv[1])
"""


def test_a_process_that_is_killed_in_the_middle_leaves_nothing_twice() -> None:
    data = log_of(150_000)
    terminal = recorded(data)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "dashboard.settings",
        "SCROLLBACK_DATABASE_URL": database_url(),
    }
    killed = subprocess.Popen([sys.executable, "-c", KILLED, str(terminal.pk)], env=environment)
    try:
        wait_until(lambda: Terminal.objects.get().derived_size > 0)
    finally:
        killed.kill()
        killed.wait()
    terminal.refresh_from_db()
    assert 0 < terminal.derived_size < len(data)
    workshop = Workshop()
    try:
        derive_all(terminal.pk, workshop)
    finally:
        workshop.stop()
    assert_done(terminal)
    assert lines_of(terminal) == data.decode().split("\r\n")[:-1]
    assert_words_agree(terminal)


def database_url() -> str:
    """That of the test's own database, for a program that a test starts."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    return urlsplit(os.environ["SCROLLBACK_DATABASE_URL"])._replace(path=f"/{name}").geturl()


def test_the_engine_starts_before_there_is_output(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = threading.Event()
    prepare = EngineProcess.prepare

    def prepare_and_tell(engine: EngineProcess) -> None:
        prepare(engine)
        prepared.set()

    monkeypatch.setattr(EngineProcess, "prepare", prepare_and_tell)
    with deriving_meanwhile() as deriving:
        deriving.prepare()
        assert prepared.wait(DEADLINE_S)
        recorded(log_of(10))
        deriving.finish(None)
    assert not derivable().exists()


def test_the_command_starts_it_for_a_recording_and_lets_it_go_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared, priorities = list[bool](), set[int]()
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def seen(*arguments: Any) -> Any:
        priorities.add(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return derive(*arguments)

    monkeypatch.setattr(BackgroundDeriving, "prepare", lambda _: prepared.append(True))
    monkeypatch.setattr(background, "derive", seen)
    call_command("import", str(sample("asciicast/v2-markers.cast")), "--json")
    assert prepared == [True]
    # Elsewhere threads have no niceness of their own.
    assert priorities == {min(usual + 5, 19) if sys.platform == "linux" else usual}


def test_an_engine_that_does_not_start_is_no_trouble_until_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **_options: object) -> None:
        raise FileNotFoundError("no such interpreter")

    monkeypatch.setattr(process._Child, "_start", fail)
    Workshop()._prepare()
    assert not caplog.records
    with deriving_meanwhile() as deriving:
        deriving.prepare()
        recorded(log_of(10))
        wait_until(lambda: "does not start: no process: no such interpreter" in caplog.text)


def test_whoever_waits_for_its_end_is_told_that_the_database_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(background, "_GIVE_UP_S", 1.0)
    with monkeypatch.context() as patch, deriving_meanwhile() as deriving:
        patch.setattr(background, "derive", fail)
        recorded(log_of(10))
        with pytest.raises(OperationalError, match="disk is full"):
            deriving.finish(None)
    with deriving_meanwhile() as deriving:
        Terminal.objects.update(updated_ms=now_ms())
        deriving.finish(None)
    assert not derivable().exists()


def test_a_database_that_fails_for_a_moment_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    real, failed = derive, list[bool]()

    def fail_once(*arguments: Any) -> Any:
        if not failed:
            failed.append(True)
            raise OperationalError("database is locked")
        return real(*arguments)

    monkeypatch.setattr(background, "derive", fail_once)
    with deriving_meanwhile() as deriving:
        recorded(log_of(10))
        deriving.finish(None)
    assert failed
    assert not derivable().exists()
