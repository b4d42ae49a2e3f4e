"""Viewers behind a bad network and a server that is killed: nothing is missing, nothing comes twice."""

import json
import signal
import time
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import cycle

import pytest
from django.conf import settings

from benchmarks.terminal_corpus import COLS, MIXED, ROWS, stream
from benchmarks.terminal_corpus import TURN_BYTES as TURN_BYTES_OF_CORPUS
from benchmarks.websocket import WebSocket
from sessions_app.actions.terminals.starting import NEAR_BYTES
from sessions_app.models import Role, TerminalKeyframe
from sessions_app.terminal.asciicast.model import Event, Exit, Output, Resize
from sessions_app.terminal.engine import model
from tests.browser.running import Server
from tests.endurance.proxy import FaultyProxy
from tests.endurance.recording import wait_until
from tests.endurance.sizes import full_or
from tests.endurance.viewer import PATIENCE_S, Attaches, Showing, Step, Viewer
from tests.factories import make_person, signed_in
from tests.sessions_app.terminal.engine.judge import Judge, Look, State, judging
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

REATTACHES = full_or(1_000, 40)
KILLS = full_or(20, 2)
VIEWERS = 6
BYTES_PER_S = 400_000
DEADLINE_S = full_or(3_600, 240)
# Who is so much behind is not given every byte.
AHEAD_BYTES = 1_500_000
TURN_BYTES = full_or(TURN_BYTES_OF_CORPUS, 60_000)
RESIZE_EVERY_BYTES = full_or(1_000_000, 120_000)
# Who is told of another size draws everything anew. Until then the engine may show other rows than xterm.js does.
_REDRAWS = b"\x1b[2J\x1b[H"
SIZES = ((100, 30), (160, 50), (COLS, ROWS), (81, 25))
# What a person sees. Rows above the screen are fewer where it began with a keyframe.
_SEEN = ("cols", "rows", "cursor", "visible", "region", "is_alternate", "styles")


def test_reattaching_misses_nothing_and_repeats_nothing(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    cookie = signed_in(make_person(Role.OPERATOR)).cookies[settings.SESSION_COOKIE_NAME].value
    headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}
    recorder = start_recorder(cols=COLS, rows=ROWS)
    path = f"/live/terminals/{recorder.terminal.pk}/?offset="
    attached = Attaches(REATTACHES)
    program = _Program(recorder)
    # Who comes now begins with a screen, drawn or at least kept.
    while len(program.written) < AHEAD_BYTES:
        program.write_some()
    kept = TerminalKeyframe.objects.filter(terminal=recorder.terminal, offset__gt=AHEAD_BYTES - NEAR_BYTES)
    wait_until(kept.exists, "no screen was kept")
    with FaultyProxy(server.port, seed=3) as proxy:

        def connect(offset: int) -> WebSocket:
            return WebSocket(
                server.port, f"{path}{offset}", headers, timeout_s=PATIENCE_S, through=proxy.port
            )

        viewers = [
            Viewer(connect, program.written, (COLS, ROWS), seed=seed, attached=attached)
            for seed in range(VIEWERS)
        ]
        for viewer in viewers:
            viewer.start()
        killed = _until_enough(server, program, attached)
        proxy.is_faulty = False
        program.end()
        for viewer in viewers:
            viewer.join(60)
        faults = proxy.faults

    assert [viewer.failure for viewer in viewers] == [None] * VIEWERS
    assert not any(viewer.is_alive() for viewer in viewers), "a viewer did not come to the end"
    wrong, told = Counter[str](), Counter[str]()
    for viewer in viewers:
        wrong.update(viewer.wrong)
        for showing in viewer.showings:
            wrong.update(_wrong_sizes(program, showing))
        told.update(viewer.told)
    with judging() as judge:
        judged, different = _judged(judge, program, [each for viewer in viewers for each in viewer.showings])
    _tell(capsys, server, program, attached, killed, faults, told, wrong, judged, different)
    assert wrong == {}
    assert different == []
    assert len(program.resizes) >= full_or(20, 3)
    assert told["screen"] >= VIEWERS
    assert judged >= told["screen"] // 2
    # The network was bad indeed.
    assert {"lost", "repeated", "cut in the middle"} <= faults.keys()
    assert killed == KILLS


class _Program:
    """Writes the generated output into a terminal at its own pace, whatever becomes of the server."""

    def __init__(self, recorder: Recorder) -> None:
        self.written = bytearray()
        self.steps: list[Step] = []
        self.resizes: list[model.Resize] = []
        self._recorder = recorder
        # Endless, and so without resizes of its own: they are spread over all of it.
        self._events = stream(MIXED, 10**10, turn_bytes=TURN_BYTES)
        self._sizes = cycle(SIZES)
        self._started = time.monotonic()

    def write_some(self) -> None:
        """As much as is due by now, at least a little."""
        due = len(self.written) + max(
            2_000, int((time.monotonic() - self._started) * BYTES_PER_S) - len(self.written)
        )
        batch: list[Event] = []
        while len(self.written) < due and len(batch) < 200:
            event = next(self._events)
            if not isinstance(event, Output):
                continue
            if len(self.written) >= (len(self.resizes) + 1) * RESIZE_EVERY_BYTES:
                batch.append(self._resize(event.time_us))
                event = replace(event, data=_REDRAWS + event.data)
            batch.append(event)
            # Before anybody can be sent it.
            self.written += event.data
            self.steps.append(event.data)
        self._recorder.send(*batch)
        self._recorder.time_us = batch[-1].time_us

    def _resize(self, time_us: int) -> Resize:
        cols, rows = next(self._sizes)
        resize = model.Resize(len(self.resizes) + 1, len(self.written), time_us, cols, rows)
        self.resizes.append(resize)
        self.steps.append(resize)
        return Resize(time_us, cols, rows)

    def end(self) -> None:
        self._recorder.send(Exit(self._recorder.time_us, 0))


def _until_enough(server: Server, program: _Program, attached: Attaches) -> int:
    """Write until all have attached often enough; how often the server was killed meanwhile."""
    killed = 0
    deadline = time.monotonic() + DEADLINE_S
    while not attached.is_over or killed < KILLS:
        assert time.monotonic() < deadline, (
            f"{attached.count} of {REATTACHES} times attached, {killed} times killed"
        )
        program.write_some()
        attached.rest(0.02)
        if killed < KILLS and attached.count >= (killed + 1) * REATTACHES // (KILLS + 1):
            server.stop(signal.SIGKILL)
            program.write_some()
            server.start()
            killed += 1
    return killed


def _wrong_sizes(program: _Program, showing: Showing) -> Counter[str]:
    """Whether a viewer was not told of each change of size once; one at either end may be in the next screen it got."""
    told, happened = (
        [
            (step.offset, step.cols, step.rows)
            for step in steps
            if isinstance(step, model.Resize) and showing.begun < step.offset < showing.end
        ]
        for steps in (showing.steps, program.resizes)
    )
    return Counter() if told == happened else Counter({"other sizes": 1})


def _judged(
    judge: Judge, program: _Program, showings: Sequence[Showing]
) -> tuple[int, list[dict[str, object]]]:
    """How many showings were looked at, and what of them a terminal does not show which was given all in order.

    Of each the first such place: before a change of size, or its end.
    """
    # Of two screens at such a place it is not told which is meant.
    changes = {resize.offset for resize in program.resizes}
    ends = {showing.end for showing in showings} - changes
    linear = _shown(judge, Showing((COLS, ROWS), steps=program.steps), ends)
    judged, different = 0, list[dict[str, object]]()
    for showing in showings:
        shown = _shown(judge, showing, {showing.end} - changes)
        judged += any(offset > showing.begun for offset in shown)
        for offset in sorted(shown):
            if offset > showing.begun and _seen(shown[offset]) != _seen(linear[offset]):
                names = [name for name in _SEEN if shown[offset][name] != linear[offset][name]]
                different.append(
                    {"begun": showing.begun, "end": showing.end, "at": offset}
                    | {name: (shown[offset][name], linear[offset][name]) for name in names}
                )
                break
    return judged, different


def _shown(judge: Judge, showing: Showing, wanted: Set[int]) -> dict[int, State]:
    """The screens before each change of size and after each `wanted` number of bytes, by that number."""
    looking: list[Step | Look] = [showing.screen]
    offsets: list[int] = []
    at = showing.begun
    for step in showing.steps:
        if isinstance(step, model.Resize):
            looking += [Look(), step]
            offsets.append(step.offset)
            continue
        assert isinstance(step, bytes)
        parts = sorted(offset for offset in wanted if at < offset <= at + len(step))
        for offset in parts:
            looking += [step[: offset - at], Look()]
            offsets.append(offset)
            step, at = step[offset - at :], offset
        looking.append(step)
        at += len(step)
    return dict(zip(offsets, judge.replay(*showing.size, looking), strict=True))


def _seen(state: State) -> list[object]:
    return [state[name] for name in _SEEN]


def _tell(
    capsys: pytest.CaptureFixture[str],
    server: Server,
    program: _Program,
    attached: Attaches,
    killed: int,
    faults: Counter[str],
    told: Counter[str],
    wrong: Counter[str],
    judged: int,
    different: list[dict[str, object]],
) -> None:
    """The figures, one line of JSON."""
    figures = {
        "name": "reattaching",
        "engine": "sqlite" if "sqlite" in server.environment["SCROLLBACK_DATABASE_URL"] else "postgres",
        "reattaches": attached.count,
        "server_killed": killed,
        "mb": round(len(program.written) / 1e6, 1),
        "faults": faults,
        "told": told,
        "shown_wrong": wrong,
        "showings_judged": judged,
        "different": len(different),
    }
    with capsys.disabled():
        print(json.dumps(figures))
