"""Following a terminal: every byte once and in order, whatever happens in between."""

import asyncio
import logging
import random
import threading
import time
from typing import Any

import pytest
from autobahn.exception import Disconnected
from django.db.models import F

from dashboard.lib import nudges
from dashboard.lib.db import ChangeDetector, write_transaction
from sessions_app.actions.terminals import mark_lost, screens, seal
from sessions_app.actions.terminals.frames import FRAME_BYTES, MAX_EVENTS, SpanKey
from sessions_app.actions.terminals.pieces import Cursor
from sessions_app.actions.terminals.starting import REACH_BYTES, Start
from sessions_app.live import frames, sender
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers import base
from sessions_app.live.consumers import terminal as consumer
from sessions_app.live.facts import Changed, Login, Mailbox
from sessions_app.live.frames import DRAWN_EVERY_BYTES, DRAWN_ROWS
from sessions_app.live.hub import Hub, get_hub
from sessions_app.live.lag import Lag
from sessions_app.live.reading import submit
from sessions_app.live.sender import LAG_BYTES, RESUME_BYTES, STEP_BYTES
from sessions_app.live.watch import Watch
from sessions_app.live.window import WINDOW_BYTES, Window, WrongAck
from sessions_app.models import Terminal, TerminalState
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Marker, Output, Resize
from sessions_app.terminal.engine.ghostty import GhosttyEngine
from sessions_app.terminal.engine.model import MAX_KEYFRAME_BYTES
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.follower import Follower
from tests.factories import make_person
from tests.sessions_app.live.sockets import PATIENCE_S, Socket, Viewer, cookie_of, here, run
from tests.sessions_app.terminals.keyframes import keyframe_text, make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db(transaction=True)


def set_up() -> tuple[str, Recorder]:
    return cookie_of(make_person()), start_recorder()


def lines(count: int, seed: int = 1) -> bytes:
    chooser = random.Random(seed)
    return b"".join(
        b"%06d %s\r\n" % (number, chooser.randbytes(40).hex().encode()) for number in range(count)
    )


@pytest.mark.parametrize(
    "kind", [wire.InfoFrame, wire.GapFrame, wire.KeyframeFrame, wire.OutputFrame, wire.EndFrame]
)
def test_a_viewer_that_goes_while_a_frame_is_sent_is_no_error(
    kind: type[wire.Frame], caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[type[wire.Frame]] = []

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            sent.append(type(wire.decode(message["bytes"])))
            if kind in sent:
                raise Disconnected("Attempt to send on a closed protocol")

    async def follow() -> bool:
        socket = consumer.TerminalConsumer()
        scope = {
            "url_route": {"kwargs": {"terminal_id": recorder.terminal.pk}},
            "query_string": b"offset=0",
        }
        # What the server sets when somebody connects.
        vars(socket).update(base_send=send, scope=scope)
        socket.person = person
        socket.mailbox = Mailbox(Login(person.pk, person.access_version, "key"), socket.interest())
        socket._following = asyncio.create_task(socket._follow(socket.mailbox))
        await asyncio.wait([socket._following], timeout=5)
        return socket._following.cancelled()

    person, recorder = make_person(), start_recorder()
    recorder.write(lines(20_000))
    make_keyframe(recorder.terminal, 1_500_000)
    recorder.exit()
    with caplog.at_level(logging.ERROR):
        assert run(follow)
    assert kind in sent
    assert caplog.records == []


def test_a_viewer_sees_what_was_written_before_and_after() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"before ")
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(7)
            await here(recorder.write, b"after")
            assert await viewer.until(12) == b"before after"
            info = viewer.of_kind(wire.InfoFrame)[0]
            assert (info.members["cols"], info.members["rows"], info.members["state"]) == (80, 24, "live")
            assert [frame.time_us for frame in viewer.of_kind(wire.OutputFrame)] == [1_000, 2_000]

    run(scenario)


def test_events_come_between_the_bytes_where_they_happened() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await here(recorder.write, b"ab")
            await here(recorder.resize, 100, 30)
            await here(recorder.write, b"cd")
            await here(recorder.mark, "half way")
            await here(recorder.exit, 7)
            while not viewer.follower.ended:
                await viewer.step()
            assert await viewer.close_code() == 1000
            kept = [frame for frame in viewer.frames if not isinstance(frame, wire.InfoFrame)]
            assert kept == [
                wire.OutputFrame(0, 1_000, b"ab"),
                wire.ResizeFrame(2, 1_000, 100, 30),
                wire.OutputFrame(2, 2_000, b"cd"),
                wire.MarkerFrame(4, 2_000, "half way"),
                wire.ExitFrame(4, 2_000, 7),
                wire.EndFrame(4, 2_000),
            ]
            assert viewer.of_kind(wire.InfoFrame)[-1].members["state"] == "ended"

    run(scenario)


def test_writes_in_one_frame_are_at_the_time_of_the_last_one() -> None:
    """Who has drawn it is at that moment: what is sought by its time is all of it."""

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await here(
                recorder.send,
                Output(1_000, b"ab"),
                Output(9_000, b"cd"),
                Resize(10_000, 100, 30),
                Output(11_000, b"ef"),
                Output(21_000, b"gh"),
            )
            await viewer.until(8)
            kept = [frame for frame in viewer.frames if not isinstance(frame, wire.InfoFrame)]
            assert kept == [
                wire.OutputFrame(0, 9_000, b"abcd"),
                wire.ResizeFrame(4, 10_000, 100, 30),
                wire.OutputFrame(4, 21_000, b"efgh"),
            ]

    run(scenario)


def test_a_long_write_is_in_no_frame_that_is_later_than_its_bytes() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            long = FRAME_BYTES + 5
            await here(recorder.send, Output(1_000, b"a" * long), Output(9_000, b"b" * FRAME_BYTES))
            await viewer.until(long + FRAME_BYTES)
            times = [(frame.offset, frame.time_us) for frame in viewer.of_kind(wire.OutputFrame)]
            assert times == [(0, 1_000), (FRAME_BYTES, 9_000), (2 * FRAME_BYTES, 9_000)]

    run(scenario)


def test_events_of_history_come_in_their_place_too() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        for number in range(5):
            await here(recorder.write, b"x" * 10)
            await here(recorder.resize, 81 + number, 24)
        async with Viewer(recorder.terminal.pk, cookie, follower=Follower(20)) as viewer:
            await viewer.until(50)
            await viewer.step()
            assert viewer.of_kind(wire.InfoFrame)[0].members["cols"] == 82
            resizes = [(frame.offset, frame.cols) for frame in viewer.of_kind(wire.ResizeFrame)]
            assert resizes == [(20, 82), (30, 83), (40, 84), (50, 85)]

    run(scenario)


def test_without_any_nudge_the_tick_brings_the_news(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a recorder that talks to another process of the server."""
    monkeypatch.setattr(nudges, "_listeners", set())
    monkeypatch.setattr(nudges, "listen", lambda callback: lambda: None)

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.step()
            await here(recorder.write, b"news")
            assert await viewer.until(4) == b"news"

    run(scenario)


def test_what_viewers_at_the_end_will_ask_for_is_read_before_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await here(recorder.write, b"first")
            await viewer.until(5)
            # From here on nobody but the hub may read.
            monkeypatch.setattr(frames, "submit", None)
            await here(recorder.resize, 100, 30)
            await here(recorder.write, b" letter")
            assert await viewer.until(12) == b"first letter"
            assert viewer.of_kind(wire.ResizeFrame) == [wire.ResizeFrame(5, 1_000, 100, 30)]

    run(scenario)


def test_a_damaged_recording_closes_for_good_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with (
            Viewer(damaged.terminal.pk, cookie) as viewer,
            Viewer(sound.terminal.pk, cookie) as other,
        ):
            await other.until(await here(lambda: sound.write(b"three").offset))
            assert await viewer.close_code() == CloseCode.DAMAGED
            assert other.shown == b"onethree"
        async with Viewer(timeless.terminal.pk, cookie) as viewer:
            assert await viewer.close_code() == CloseCode.DAMAGED

    cookie, sound = set_up()
    damaged, timeless = start_recorder(), start_recorder()
    for recorder in (sound, damaged, timeless):
        recorder.write(b"one")
    damaged.terminal.chunks.update(size=4)
    timeless.terminal.chunks.update(timing=b"\x80")
    # Not by caplog: the application sets logging up anew when it is first imported.
    told: list[str] = []
    monkeypatch.setattr(base.logger, "warning", lambda text, *values: told.append(text % values))
    monkeypatch.setattr(base.logger, "exception", lambda *_: told.append("a traceback"))
    run(scenario)
    ids = [str(recorder.terminal.pk) for recorder in (damaged, timeless)]
    assert [pk in line for pk, line in zip(ids, told, strict=True)] == [True, True]


def test_what_the_hub_cannot_read_ahead_is_for_its_own_viewers_to_hear() -> None:
    async def scenario() -> None:
        async with (
            Viewer(damaged.terminal.pk, cookie) as viewer,
            Viewer(sound.terminal.pk, cookie) as other,
        ):
            await viewer.until(3)
            await other.until(3)
            await here(damage_next)
            assert await viewer.close_code() == CloseCode.DAMAGED
            assert await other.until(6) == b"onetwo"

    def damage_next() -> None:
        with write_transaction():
            for recorder in (damaged, sound):
                recorder.write(b"two")
            damaged.terminal.chunks.filter(offset=3).update(timing=b"\x80")

    cookie, sound = set_up()
    damaged = start_recorder()
    for recorder in (sound, damaged):
        recorder.write(b"one")
    run(scenario)


def test_a_burst_arrives_whole() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(300)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            following = asyncio.create_task(viewer.until(len(written)))
            for start in range(0, len(written), 100):
                await here(recorder.write, written[start : start + 100])
            assert await following == written

    run(scenario)


def test_a_viewer_who_comes_and_goes_sees_every_byte_once() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(1_500)
        chooser = random.Random(3)
        follower, shown, sent = Follower(), b"", 0
        while follower.expected < len(written):
            follower.reconnected()
            async with Viewer(recorder.terminal.pk, cookie, follower=follower) as viewer:
                for _ in range(chooser.randint(1, 6)):
                    piece = written[sent : sent + chooser.randint(1, 4_000)]
                    if piece:
                        await here(recorder.write, piece, after_us=300_000)
                        sent += len(piece)
                await viewer.until(chooser.randint(follower.expected, sent))
                shown += viewer.shown
            if chooser.random() < 0.3:
                await here(lambda: seal(recorder.refresh()))
        assert shown == written

    run(scenario)


def write_all(recorder: Recorder, written: bytes) -> None:
    for start in range(0, len(written), 900_000):
        recorder.write(written[start : start + 900_000])


@pytest.mark.usefixtures("undrawn")
def test_a_long_history_starts_near_its_end_where_no_screen_was_made() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(30_000)
        await here(write_all, recorder, written)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            shown = await viewer.until(len(written))
            gap, keyframe = viewer.of_kind(wire.GapFrame)[0], viewer.of_kind(wire.KeyframeFrame)[0]
            assert gap.offset == 0
            assert gap.to_offset == keyframe.offset == len(written) - len(shown)
            assert REACH_BYTES - 100 < len(shown) <= REACH_BYTES
            assert (keyframe.cols, keyframe.rows) == (80, 24)
            assert written.endswith(shown)
            assert shown[6:7] == b" ", "it starts at a line"

    run(scenario)


@pytest.mark.usefixtures("undrawn")
def test_a_long_history_starts_with_the_screen_near_its_end() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(30_000)
        await here(write_all, recorder, written)
        end = len(written)
        for offset, is_heavy in ((end - 1_500_000, True), (end - 500_000, True), (end - 200_000, False)):
            await here(make_keyframe, recorder.terminal, offset, is_heavy=is_heavy)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            screen = keyframe_text(end - 500_000)
            assert await viewer.until(end) == screen + written[-500_000:]
            assert [frame.to_offset for frame in viewer.of_kind(wire.GapFrame)] == [end - 500_000]

    run(scenario)


@pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform")
def test_a_long_history_starts_with_a_screen_that_is_drawn_near_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screens, "_REDRAW_S", 600.0)
    asked: list[type] = []

    def counted(make: Any, key: Any) -> Any:
        asked.append(type(key))
        return submit(make, key)

    monkeypatch.setattr("sessions_app.live.frames.submit", counted)

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(30_000)
        await here(write_all, recorder, written)
        end = len(written)
        # One that is kept, and too far away to be drawn from by a browser.
        await here(make_keyframe, recorder.terminal, end - 500_000, is_heavy=True)
        drawn = []
        for _ in range(2):
            async with Viewer(recorder.terminal.pk, cookie) as viewer:
                shown = await viewer.until(end)
                (keyframe,) = viewer.of_kind(wire.KeyframeFrame)
                assert keyframe.offset == end - end % DRAWN_EVERY_BYTES
                assert shown == keyframe.data + written[keyframe.offset :]
                drawn.append(keyframe.data)
        assert drawn[0] == drawn[1]
        # What follows the screen was read with it.
        assert SpanKey not in asked
        assert asked
        engine = GhosttyEngine(80, 24)
        engine.feed(drawn[0])
        assert engine.native.scrollback_rows == DRAWN_ROWS
        engine.feed(written[end - end % DRAWN_EVERY_BYTES :])
        assert engine.screen() == await here(lambda: screens.screen_at(recorder.refresh(), end))

    run(scenario)


def test_a_screen_that_is_being_drawn_holds_up_no_other_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept is sent meanwhile, and what was drawn before."""
    hostile, plain, drawn = start_recorder(), start_recorder(), start_recorder()
    begun, go_on = threading.Event(), threading.Event()

    def start_drawn_at(terminal: Terminal, place: Cursor, **_: int) -> Start | None:
        if terminal.pk == hostile.terminal.pk:
            begun.set()
            assert go_on.wait(PATIENCE_S)
            return None
        return Start(place.offset, place.event, 0, 80, 24, b"<drawn>", True)

    async def keyframe_of(recorder: Recorder) -> wire.KeyframeFrame:
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(recorder.position.offset)
            return viewer.of_kind(wire.KeyframeFrame)[0]

    async def scenario() -> None:
        assert (await keyframe_of(drawn)).data == b"<drawn>"
        waiting = asyncio.create_task(keyframe_of(hostile))
        try:
            assert await asyncio.to_thread(begun.wait, PATIENCE_S)
            assert (await keyframe_of(plain)).data == keyframe_text(plain.position.offset - 500_000)
            # As many bytes more make it another question, and the same screen.
            await here(drawn.write, b"more")
            assert (await keyframe_of(drawn)).data == b"<drawn>"
            assert not waiting.done()
        finally:
            go_on.set()
        assert (await waiting).data == keyframe_text(hostile.position.offset - 500_000)

    monkeypatch.setattr(frames, "start_drawn_at", start_drawn_at)
    cookie, written = cookie_of(make_person()), lines(17_000)
    for recorder in (hostile, plain, drawn):
        write_all(recorder, written)
        make_keyframe(recorder.terminal, recorder.position.offset - 500_000, is_heavy=True)
    run(scenario)


@pytest.mark.usefixtures("undrawn")
def test_who_was_away_for_long_comes_back_to_a_screen_and_for_short_to_every_byte() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(40_000)
        await here(write_all, recorder, written)
        end = len(written)
        await here(make_keyframe, recorder.terminal, end - 1_000, is_heavy=True)
        for have in (end - 1_000_000, end):
            async with Viewer(recorder.terminal.pk, cookie, follower=Follower(have)) as viewer:
                assert await viewer.until(end) == written[have:]
                assert not viewer.of_kind(wire.GapFrame)
        follower = Follower()
        follower.receive(wire.OutputFrame(0, 0, written[:1_000]))
        async with Viewer(recorder.terminal.pk, cookie, follower=follower) as viewer:
            assert await viewer.until(end) == keyframe_text(end - 1_000) + written[-1_000:]
            assert [frame.offset for frame in viewer.of_kind(wire.GapFrame)] == [1_000]

    run(scenario)


@pytest.mark.usefixtures("undrawn")
def test_a_viewer_who_does_not_answer_gets_one_window_and_then_the_end() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(60_000)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.step()
            await here(write_all, recorder, written)
            await viewer.until(WINDOW_BYTES - STEP_BYTES)
            assert await viewer.is_quiet(), "no more than a window is on its way"
            received = sum(len(frame.data) for frame in viewer.of_kind(wire.OutputFrame))
            assert received <= WINDOW_BYTES
            viewer.acknowledges = True
            await viewer.acknowledge()
            shown = await viewer.until(len(written))
            assert viewer.of_kind(wire.GapFrame)[0].offset == received
            assert len(shown) <= RESUME_BYTES
            assert written.endswith(shown)

    run(scenario)


@pytest.mark.usefixtures("undrawn")
def test_a_screen_takes_room_in_the_window_and_may_be_larger_than_what_is_left() -> None:
    """The viewer has all it was sent and says so: there must always be a way on."""

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(30_000)
        await here(write_all, recorder, written)
        end = len(written)
        await here(make_keyframe, recorder.terminal, end - 900_000, is_heavy=True, size=MAX_KEYFRAME_BYTES)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            while not viewer.of_kind(wire.KeyframeFrame):
                await viewer.step()
            assert await viewer.is_quiet(), "the screen alone fills the window"
            viewer.acknowledges = True
            await viewer.acknowledge()
            assert (await viewer.until(end)).endswith(written[-900_000:])

    run(scenario)


@pytest.mark.usefixtures("undrawn")
def test_a_viewer_who_was_held_up_is_taken_near_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "LAG_S", float("inf"))

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(18_000)
        assert WINDOW_BYTES < len(written) < LAG_BYTES
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.step()
            for start in range(0, len(written), 200_000):
                await here(recorder.write, written[start : start + 200_000])
            await viewer.until(WINDOW_BYTES - STEP_BYTES)
            assert await viewer.is_quiet()
            monkeypatch.setattr(sender, "LAG_S", 0.0)
            viewer.acknowledges = True
            await viewer.acknowledge()
            assert written.endswith(await viewer.until(len(written)))
            assert viewer.of_kind(wire.GapFrame)

    run(scenario)


def test_thousands_of_events_at_one_place_come_in_parts() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"x")
        marks = [Marker(2_000, f"mark {number}") for number in range(2 * MAX_EVENTS + 10)]
        await here(recorder.send, *marks)
        await here(recorder.write, b"y")
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(2)
            assert [frame.label for frame in viewer.of_kind(wire.MarkerFrame)] == [
                mark.label for mark in marks
            ]

    run(scenario)


def test_a_viewer_who_stays_silent_is_dismissed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "STALLED_S", 0.1)

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(15_000)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.step()
            for start in range(0, len(written), 300_000):
                await here(recorder.write, written[start : start + 300_000])
            assert await viewer.close_code() == CloseCode.TOO_SLOW

    run(scenario)


@pytest.mark.parametrize("ack", [-1, 5, 4.0, "4", None, True, 2**70])
def test_an_answer_that_cannot_be_ends_the_socket(ack: object) -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"four")
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.until(4)
            await viewer.send({"ack": ack})
            assert await viewer.close_code() == 4400

    run(scenario)


def test_a_lost_recorder_is_told_and_so_is_its_return() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"a")
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(1)
            await here(lambda: mark_lost("workshop", Terminal.objects.get().updated_ms + 1))
            while viewer.of_kind(wire.InfoFrame)[-1].members["state"] != "lost":
                await viewer.step()
            await here(recorder.write, b"b")
            assert await viewer.until(2) == b"ab"
            assert viewer.of_kind(wire.InfoFrame)[-1].members["state"] == "live"

    run(scenario)


def test_many_viewers_see_the_same() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(400)
        viewers = [Viewer(recorder.terminal.pk, cookie) for _ in range(20)]
        for viewer in viewers:
            await viewer.__aenter__()
        following = [asyncio.create_task(viewer.until(len(written))) for viewer in viewers]
        for start in range(0, len(written), 700):
            await here(recorder.write, written[start : start + 700])
        assert all(shown == written for shown in await asyncio.gather(*following))
        for viewer in viewers:
            await viewer.__aexit__()

    run(scenario)


# The window by itself


def test_every_byte_on_its_way_takes_room_and_what_was_left_out_none() -> None:
    window = Window(100)
    window.sent(1_100, 1_017)
    window.sent(5_000_000, 50_000)
    window.sent(5_000_200, 217)
    assert window.in_flight == 1_017 + 50_000 + 217
    window.acknowledge(1_100)
    assert window.in_flight == 50_217
    window.acknowledge(5_000_000)
    assert window.in_flight == 217
    window.sent(5_000_200, 30)
    window.acknowledge(5_000_200)
    assert window.room == WINDOW_BYTES


@pytest.mark.parametrize("offset", [99, 151])
def test_only_what_was_sent_can_be_acknowledged(offset: int) -> None:
    window = Window(100)
    window.sent(150, 67)
    with pytest.raises(WrongAck):
        window.acknowledge(offset)


# How far behind


def test_the_lag_is_the_age_of_the_oldest_output_that_was_not_sent() -> None:
    lag = Lag(1_000)
    assert lag.seconds(0, now=50.0) == 0, "history is no lag"
    lag.grew(2_000, now=50.0)
    lag.grew(3_000, now=51.0)
    assert lag.seconds(0, now=53.0) == 3.0
    assert lag.seconds(1_999, now=53.0) == 3.0
    assert lag.seconds(2_000, now=53.0) == 2.0
    assert lag.seconds(3_000, now=53.0) == 0
    lag.grew(4_000, now=60.0)
    assert lag.seconds(3_000, now=60.5) == 0.5


def test_whoever_comes_while_the_hub_looks_is_told_what_that_look_saw(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its own reading was before the change, and nobody will be told of the change again."""

    async def scenario() -> None:
        recorder = await here(start_recorder)
        hub = Hub()
        monkeypatch.setattr(hub, "rest", lambda seconds: time.sleep(0.01))
        login = Login(recorder.terminal.pk, 0, "nobody")
        monkeypatch.setattr("sessions_app.live.hub.revoked_among", lambda mailboxes: [])
        early, late = (Mailbox(login, ("terminal", recorder.terminal.pk)) for _ in range(2))
        changed = ChangeDetector.changed

        def come_and_write(detector: ChangeDetector) -> bool:
            if late not in hub.present():
                hub.join(late)
                asyncio.run_coroutine_threadsafe(here(recorder.write, b"news"), loop).result(5)
            return changed(detector)

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(ChangeDetector, "changed", come_and_write)
        hub.join(early)
        try:
            async with asyncio.timeout(5):
                assert [fact.seq for fact in (await late.wait()).changed] == [4]
        finally:
            await here(hub.stop)

    run(scenario)


def restore_older(recorder: Recorder, size: int) -> None:
    """The row and its output as a backup had them when there were `size` bytes."""
    with write_transaction():
        recorder.terminal.chunks.filter(offset__gte=size).delete()
        Terminal.objects.filter(pk=recorder.terminal.pk).update(size=size, updated_ms=F("updated_ms") - 1)


def test_a_viewer_beyond_the_end_of_an_older_database_begins_anew() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"one\r\n")
        for offset, code in ((6, CloseCode.TAKEN_BACK), (2**40, CloseCode.TAKEN_BACK)):
            async with Socket(f"/live/terminals/{recorder.terminal.pk}/?offset={offset}", cookie) as socket:
                assert await socket.close_code() == code
        async with Viewer(recorder.terminal.pk, cookie, follower=Follower(5)) as viewer:
            await here(recorder.write, b"two\r\n")
            assert await viewer.until(10) == b"two\r\n"

    run(scenario)


@pytest.mark.parametrize("is_told", [True, False], ids=["by what changed", "by a database that is back"])
def test_a_viewer_at_the_end_begins_anew_where_an_older_database_is_restored(
    monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        for text in (b"one\r\n", b"two\r\n"):
            await here(recorder.write, text)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(10)
            if not is_told:
                monkeypatch.setattr(Watch, "_tell_followers", lambda *_: None)
            await here(restore_older, recorder, 5)
            if not is_told:
                for mailbox in get_hub().present():
                    mailbox.post(database="", anything=True)
            assert await viewer.close_code() == CloseCode.TAKEN_BACK

    run(scenario)


def test_a_viewer_behind_the_end_of_an_older_database_is_told_of_no_damage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where it reads what is gone before the hub has seen that."""

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        for _ in range(30):
            await here(recorder.write, lines(500))
        # What is sealed with others would go with them.
        await here(recorder.write, lines(10))
        written = (await here(recorder.refresh)).size
        last = await here(lambda: recorder.terminal.chunks.latest("offset").offset)
        begun = written - WINDOW_BYTES
        async with Viewer(recorder.terminal.pk, cookie, follower=Follower(begun)) as viewer:
            viewer.acknowledges = False
            await viewer.until(begun + WINDOW_BYTES - 2 * STEP_BYTES)
            monkeypatch.setattr(Watch, "_tell_followers", lambda *_: None)
            await here(restore_older, recorder, last)
            while (event := await viewer.event())["type"] == "websocket.send":
                viewer.follower.receive(wire.decode(event["bytes"]))
                await viewer.acknowledge()
            assert event["code"] == CloseCode.TAKEN_BACK

    run(scenario)


def test_what_the_hub_saw_before_a_viewer_came_closes_nothing() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        await here(recorder.write, b"one\r\n")
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            await viewer.until(5)
            for mailbox in get_hub().present():
                mailbox.post([Changed("terminal", recorder.terminal.pk, 3, 1, 0, TerminalState.LIVE)])
            await here(recorder.write, b"two\r\n")
            assert await viewer.until(10) == b"one\r\ntwo\r\n"

    run(scenario)
