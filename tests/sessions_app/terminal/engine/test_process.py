"""The engine's processes: what they answer, and what happens when they hang, die or are left alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psutil  # type: ignore[import-untyped]  # its types are a package of their own
import pytest

from sessions_app.terminal.engine.child import MAX_DERIVERS
from sessions_app.terminal.engine.deriver import Deriver
from sessions_app.terminal.engine.model import EngineBusy, EngineError, Keyframe, Output, Resize, Style
from sessions_app.terminal.engine.process import EngineProcess
from sessions_app.terminal.engine.shared_memory import SIZE, SharedMemory
from tests.sessions_app.terminal.engine.recordings import sampled

# Nothing here reaches a database. Children are started as they are where nothing is tested.
pytestmark = [pytest.mark.once, pytest.mark.usefixtures("installed_program")]

DEADLINE_S = 30.0


@pytest.fixture
def engine() -> Iterator[EngineProcess]:
    # The one that screens of other tests came from may still be there.
    _others.clear()
    _others.update(_children())
    engine = EngineProcess(deadline_s=DEADLINE_S)
    yield engine
    engine.stop()


_others: set[psutil.Process] = set()


def _children() -> set[psutil.Process]:
    """The engine processes that this process started since the test began."""
    return {
        child
        for child in psutil.Process().children()
        if "sessions_app.terminal.engine.child" in child.cmdline()
    } - _others


def _wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


# Answers.


def test_a_child_derives_what_a_deriver_does(engine: EngineProcess) -> None:
    recording = sampled("recorded", "agent-tui.cast")
    items, half = recording.items, len(recording.items) // 2
    here = Deriver(recording.cols, recording.rows)
    assert engine.derive("a", None, recording.cols, recording.rows, items[:half], finish=False) == here.take(
        items[:half]
    )
    there = engine.derive("a", None, 1, 1, items[half:], finish=True)
    taken, finished = here.take(items[half:]), here.finish()
    assert there.keyframes == taken.keyframes + finished.keyframes
    assert there.lines == taken.lines + finished.lines
    assert (there.offset, there.event) == (finished.offset, finished.event)


@pytest.mark.parametrize(
    "way", ["memory", "socket: there is no memory", "socket: it is not known here", "socket: it is too large"]
)
def test_a_request_goes_over_whole(engine: EngineProcess, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    def refused(*_: object) -> int:
        raise PermissionError

    put: list[bool] = []
    puts = SharedMemory.put

    def noted(memory: SharedMemory, parts: list[bytes], length: int) -> bool:
        put.append(puts(memory, parts, length))
        return put[-1]

    monkeypatch.setattr(SharedMemory, "put", noted)
    if way == "socket: there is no memory":
        monkeypatch.setattr(os, "memfd_create", refused, raising=False)
    elif way == "socket: it is not known here":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    line = b"all of it comes, whatever its size\r\n"
    items = [
        Output(at, at, line * 400)
        for at in range(0, SIZE if way == "socket: it is too large" else SIZE // 4, 400 * len(line))
    ]
    items.append(Output(items[-1].offset + 400 * len(line), 0, b"end"))
    derived = engine.derive("a", None, 80, 24, items, finish=True)
    assert derived.offset == 400 * len(line) * (len(items) - 1) + 3
    assert put == [way == "memory" and sys.platform == "linux"]
    assert derived.runs[-1].text.endswith(b"end")


def test_a_child_draws_the_screen_of_any_keyframe_and_what_follows(engine: EngineProcess) -> None:
    keyframe = Keyframe(100, 3, 5, 20, 5, False, b"\x1b[1;31mred\x1b[0m plain\x1b[3")
    items: list[Output | Resize] = [
        Output(100, 6, b"m italic"),
        Resize(4, 108, 7, 30, 6),
        Output(108, 8, b"\r\n\x1b[?25l"),
    ]
    screen = engine.screen(keyframe, 1, 1, items)
    assert (screen.cols, screen.rows) == (30, ("red plain italic", "", "", "", "", ""))
    assert (screen.cursor_column, screen.cursor_row, screen.cursor_visible) == (0, 1, False)
    styled = engine.styled(keyframe, 1, 1, items)
    assert styled.rows[0] == (
        ("red", Style(foreground=1, bold=True)),
        (" plain", Style()),
        (" italic", Style(italic=True)),
    )


def test_colours_and_styles_of_all_kinds_are_told(engine: EngineProcess) -> None:
    output = b"\x1b[38;2;1;2;255;48;5;200mA\x1b[0;95;107mB\x1b[0;2;4:3;7;8;9mC\x1b[0;44m\x1b[K"
    assert engine.styled(None, 10, 1, [Output(0, 0, output)]).rows == (
        (
            ("A", Style(foreground="#0102ff", background=200)),
            ("B", Style(foreground=13, background=15)),
            ("C", Style(faint=True, underline=True, inverse=True, invisible=True, strike=True)),
            (" " * 7, Style(background=4)),
        ),
    )


def test_a_child_forgets_the_terminals_used_least_and_says_so(engine: EngineProcess) -> None:
    for key in range(MAX_DERIVERS + 1):
        engine.derive(str(key), None, 80, 24, [Output(0, 0, b"hello")], finish=False)
    assert engine.derive("1", None, 80, 24, [Output(5, 0, b"x")], finish=False).offset == 6
    keyframe = Keyframe(5, 0, 0, 80, 24, False, b"hello")
    assert engine.derive("0", None, 80, 24, [Output(5, 0, b"x")], finish=False).offset == 1
    assert engine.derive("new", keyframe, 80, 24, [Output(5, 0, b"x")], finish=False).offset == 6


def test_a_child_keeps_few_terminals_with_huge_windows(engine: EngineProcess) -> None:
    for key in range(20):
        engine.derive(str(key), None, 4_000, 1_000, [Output(0, 0, b"hello\r\n" * 10_000)], finish=False)
    (child,) = _children()
    assert child.memory_info().rss < 1_000_000_000
    assert engine.derive("0", None, 80, 24, [Output(5, 0, b"x")], finish=False).offset == 1
    assert engine.derive("19", None, 80, 24, [Output(5, 0, b"x")], finish=False).offset == 70_001


def test_many_threads_may_ask(engine: EngineProcess) -> None:
    def ask(number: int) -> tuple[str, int]:
        text = f"thread {number}"
        derived = engine.derive(text, None, 80, 24, [Output(0, 0, text.encode())], finish=True)
        return engine.screen(None, 80, 2, [Output(0, 0, text.encode())]).rows[0], len(derived.lines)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(64))) == [(f"thread {number}", 1) for number in range(64)]


# Trouble.


def test_a_child_that_hangs_is_killed_in_time_and_another_one_answers() -> None:
    engine = EngineProcess(deadline_s=0.5)
    try:
        engine.screen(None, 80, 24, [])
        (child,) = _children()
        child.suspend()
        began = time.monotonic()
        with pytest.raises(EngineError, match=r"0\.5 s"):
            engine.screen(None, 80, 24, [Output(0, 0, b"x" * 10_000_000)])
        assert time.monotonic() - began < 5
        assert _is_gone(child)
        assert engine.screen(None, 80, 1, [Output(0, 0, b"again")]).rows == ("again",)
    finally:
        engine.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the time of another process is not to be had")
def test_a_child_that_others_keep_from_working_is_waited_for() -> None:
    engine = EngineProcess(deadline_s=0.5)
    try:
        engine.screen(None, 80, 24, [])
        (child,) = _children()
        child.suspend()
        resuming = threading.Timer(1.2, child.resume)
        resuming.start()
        assert engine.screen(None, 80, 1, [Output(0, 0, b"late")]).rows == ("late",)
        resuming.join()
    finally:
        engine.stop()


def test_whoever_can_do_without_waits_for_no_screen_of_others(engine: EngineProcess) -> None:
    engine.screen(None, 80, 1, [])
    (child,) = _children()
    child.suspend()
    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(engine.screen, None, 80, 1, [Output(0, 0, b"long")])
        _wait_until(engine._screens._lock.locked)
        with pytest.raises(EngineBusy):
            engine.redraw(None, 80, 1, [], scrollback_rows=0, deadline_s=DEADLINE_S, turn_s=0.25)
        child.resume()
        assert long.result().rows == ("long",)
    assert engine.redraw(None, 80, 1, [], scrollback_rows=0, deadline_s=DEADLINE_S, turn_s=0.25).cols == 80
    assert _children() == {child}


def test_a_child_that_works_too_long_is_killed_though_it_is_not_at_its_end() -> None:
    engine = EngineProcess(deadline_s=0.2)
    try:
        engine.screen(None, 80, 24, [])
        (child,) = _children()
        with pytest.raises(EngineError, match=r"0\.2 s"):
            # A second and more for any processor.
            engine.screen(None, 2_000, 2_000, [Output(0, 0, b"\x1b[10000S" * 20_000)])
        assert _is_gone(child)
    finally:
        engine.stop()


def test_a_child_that_dies_is_told_of_and_another_one_answers(engine: EngineProcess) -> None:
    engine.derive("a", None, 80, 24, [], finish=False)
    (child,) = _children()
    child.kill()
    with pytest.raises(EngineError, match="exit status -9"):
        engine.derive("a", None, 80, 24, [Output(0, 0, b"x" * 1_000_000)], finish=False)
    assert engine.derive("a", None, 80, 24, [Output(0, 0, b"x")], finish=False).offset == 1


def test_whoever_wants_a_screen_does_not_wait_for_what_is_derived(engine: EngineProcess) -> None:
    engine.derive("a", None, 80, 24, [], finish=False)
    (child,) = _children()
    child.suspend()
    deriving = threading.Thread(
        target=engine.derive, args=("a", None, 80, 24, [Output(0, 0, b"x")]), kwargs={"finish": False}
    )
    deriving.start()
    try:
        assert engine.screen(None, 80, 1, [Output(0, 0, b"now")]).rows == ("now",)
        assert deriving.is_alive()
    finally:
        child.resume()
        deriving.join()


def test_an_interrupt_from_the_keyboard_is_not_for_a_child(engine: EngineProcess) -> None:
    engine.screen(None, 80, 24, [])
    (child,) = _children()
    child.send_signal(signal.SIGINT)
    assert engine.screen(None, 80, 1, [Output(0, 0, b"still")]).rows == ("still",)
    assert _children() == {child}
    assert os.getpgid(child.pid) != os.getpgid(0)


@pytest.mark.parametrize("busy", [False, True])
def test_a_child_ends_with_its_parent_however_that_ends(busy: bool) -> None:
    program = """
import sys, threading
from sessions_app.terminal.engine.model import Output
from sessions_app.terminal.engine.process import EngineProcess
engine = EngineProcess(deadline_s=1000)
engine.derive("a", None, 80, 24, [], finish=False)
print("ready", flush=True)
if sys.argv[1] == "True":
    engine.derive("a", None, 80, 24, [Output(0, 0, b"x\\x1b[2J" * 4_000_000) for _ in range(20)], finish=False)
threading.Event().wait()
"""
    parent = subprocess.Popen([sys.executable, "-c", program, str(busy)], stdout=subprocess.PIPE)
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        (child,) = psutil.Process(parent.pid).children()
        if busy:
            before = child.cpu_times().user
            _wait_until(lambda: child.cpu_times().user > before + 0.2)
    finally:
        parent.kill()
        parent.communicate()
    _wait_until(lambda: _is_gone(child))


def test_a_child_has_no_more_memory_than_it_may() -> None:
    engine = EngineProcess(deadline_s=DEADLINE_S, memory_bytes=400 << 20)
    try:
        assert engine.screen(None, 80, 1, [Output(0, 0, b"fine")]).rows == ("fine",)
        with pytest.raises(EngineError):
            engine.screen(None, 80, 1, [Output(0, 0, b"x" * (300 << 20))])
        assert engine.screen(None, 80, 1, [Output(0, 0, b"fine")]).rows == ("fine",)
    finally:
        engine.stop()


def test_a_child_that_was_prepared_takes_the_first_call(engine: EngineProcess) -> None:
    engine.prepare()
    children = _children()
    assert len(children) == 1
    engine.prepare()
    engine.derive("a", None, 80, 24, [], finish=False)
    assert _children() == children


def test_stopping_ends_the_children_and_a_later_call_starts_others(engine: EngineProcess) -> None:
    engine.screen(None, 80, 24, [])
    engine.derive("a", None, 80, 24, [], finish=False)
    children = _children()
    assert len(children) == 2
    engine.stop()
    assert all(map(_is_gone, children))
    assert engine.screen(None, 80, 1, [Output(0, 0, b"new")]).rows == ("new",)


def test_a_child_knows_nothing_of_the_rest_of_the_program() -> None:
    program = "import sys, sessions_app.terminal.engine.child; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    ).stdout.split()
    assert not [name for name in loaded if name.split(".")[0] in ("django", "dashboard", "audit", "asyncio")]
    ours = {name for name in loaded if name.startswith("sessions_app.")}
    assert all(name.startswith("sessions_app.terminal") for name in ours)
