"""Following a terminal: every byte once and in order, whatever happens in between."""

import asyncio
import random

import pytest

from dashboard.lib import nudges
from sessions_app.actions.terminals import mark_lost, seal
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers import terminal as consumer
from sessions_app.live.window import WINDOW_BYTES, Window, WrongAck
from sessions_app.models import Terminal
from sessions_app.terminal import wire
from sessions_app.terminal.follower import Follower
from tests.factories import make_person
from tests.sessions_app.live.sockets import Viewer, cookie_of, here, run
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db(transaction=True)


def set_up() -> tuple[str, Recorder]:
    return cookie_of(make_person()), start_recorder()


def lines(count: int, seed: int = 1) -> bytes:
    chooser = random.Random(seed)
    return b"".join(
        b"%06d %s\r\n" % (number, chooser.randbytes(40).hex().encode()) for number in range(count)
    )


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


def test_a_long_history_starts_near_its_end() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(30_000)
        for start in range(0, len(written), 900_000):
            await here(recorder.write, written[start : start + 900_000])
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            shown = await viewer.until(len(written))
            gap, keyframe = viewer.of_kind(wire.GapFrame)[0], viewer.of_kind(wire.KeyframeFrame)[0]
            assert gap.offset == 0
            assert gap.to_offset == keyframe.offset == len(written) - len(shown)
            assert consumer.ATTACH_BYTES - 100 < len(shown) <= consumer.ATTACH_BYTES
            assert (keyframe.cols, keyframe.rows) == (80, 24)
            assert written.endswith(shown)
            assert shown[:7].isascii()
            assert shown[6:7] == b" ", "it starts at a line"

    run(scenario)


def test_a_viewer_who_does_not_answer_gets_one_window_and_then_the_end() -> None:
    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(60_000)
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.step()
            for start in range(0, len(written), 900_000):
                await here(recorder.write, written[start : start + 900_000])
            await viewer.until(WINDOW_BYTES)
            assert viewer.follower.expected == WINDOW_BYTES
            assert await viewer.is_quiet(), "no more than a window is on its way"
            viewer.acknowledges = True
            await viewer.acknowledge()
            shown = await viewer.until(len(written))
            assert viewer.of_kind(wire.GapFrame)[0].offset == WINDOW_BYTES
            assert len(shown) <= consumer.RESUME_BYTES
            assert written.endswith(shown)

    run(scenario)


def test_a_viewer_who_was_held_up_is_taken_near_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "LAG_S", 0.0)

    async def scenario() -> None:
        cookie, recorder = await here(set_up)
        written = lines(15_000)
        assert WINDOW_BYTES < len(written) < consumer.LAG_BYTES
        async with Viewer(recorder.terminal.pk, cookie) as viewer:
            viewer.acknowledges = False
            await viewer.step()
            for start in range(0, len(written), 300_000):
                await here(recorder.write, written[start : start + 300_000])
            await viewer.until(WINDOW_BYTES)
            assert await viewer.is_quiet()
            viewer.acknowledges = True
            await viewer.acknowledge()
            assert written.endswith(await viewer.until(len(written)))
            assert viewer.of_kind(wire.GapFrame)

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
            assert await viewer.close_code() == 1008

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


def test_what_was_left_out_takes_no_room() -> None:
    window = Window(100)
    window.sent(1_100)
    window.skip(5_000_000)
    window.sent(5_000_200)
    assert window.in_flight == 1_200
    window.acknowledge(1_100)
    assert window.in_flight == 200
    window.acknowledge(5_000_200)
    assert window.room == WINDOW_BYTES


@pytest.mark.parametrize("offset", [99, 151])
def test_only_what_was_sent_can_be_acknowledged(offset: int) -> None:
    window = Window(100)
    window.sent(150)
    with pytest.raises(WrongAck):
        window.acknowledge(offset)
