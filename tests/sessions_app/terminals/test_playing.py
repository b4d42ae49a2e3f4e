"""What a player is given: a map, and stretches that begin with a screen and follow one another exactly."""

import gzip
import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import zstandard
from django.test import Client

from dashboard.lib.bulk import bulk_insert
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import playing
from sessions_app.actions.terminals.deriving import derive_all, forget_derived
from sessions_app.actions.terminals.playing import (
    LEAST_STRETCH_BYTES,
    MAP_MOMENTS,
    MOST_STRETCH_BYTES,
    map_of,
    stretch_from,
)
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.starting import last_clear, start_before
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal, TerminalKeyframe
from sessions_app.models.blob import pack
from sessions_app.terminal import wire
from sessions_app.terminal.asciicast.model import Output
from sessions_app.terminal.follower import Follower, Hole
from tests.factories import make_person, signed_in
from tests.sessions_app.terminals.keyframes import keyframe_text, make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db

KB = 1024


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def frames_in(body: bytes) -> list[wire.Frame]:
    frames = []
    while body:
        length = int.from_bytes(body[:4])
        frames.append(wire.decode(body[4 : 4 + length]))
        body = body[4 + length :]
    return frames


def get(client: Client, recorder: Recorder, rest: str, **headers: str) -> Any:
    return client.get(f"/terminals/{recorder.terminal.pk}/{rest}", headers=headers)


def random_recording(chooser: random.Random) -> tuple[Recorder, bytes]:
    """Output and resizes, partly sealed, with keyframes at random places."""
    recorder, written = start_recorder(), b""
    for _ in range(chooser.randint(3, 25)):
        piece = chooser.randbytes(chooser.choice([1, 300, 5_000, 200_000]))
        recorder.write(piece, after_us=chooser.choice([0, 1, 700, 3_000_000]))
        written += piece
        if chooser.random() < 0.3:
            recorder.resize(chooser.randint(20, 200), 24)
        if chooser.random() < 0.2:
            seal(recorder.refresh())
    for offset in {chooser.randrange(1, len(written)) for _ in range(chooser.randint(0, 12))}:
        make_keyframe(recorder.terminal, offset, at_us=time_before(recorder.terminal, offset))
    recorder.refresh()
    return recorder, written


def time_before(terminal: Terminal, offset: int) -> int:
    """When the byte before the offset was written."""
    last = [
        frame
        for frame in map(wire.decode, stretch_from(terminal, 0).frames)
        if isinstance(frame, wire.OutputFrame) and frame.offset < offset
    ]
    return last[-1].time_us if last else 0


@pytest.mark.parametrize("seed", range(12))
def test_stretches_follow_one_another_without_hole_or_repetition(client: Client, seed: int) -> None:
    recorder, written = random_recording(random.Random(seed))
    starts = [offset for offset, _, _ in get(client, recorder, "map").json()["keyframes"]]
    follower = Follower()
    applied: list[wire.Frame] = []
    offset = -1
    while follower.expected != offset:
        offset = follower.expected
        kind = "stretch" if offset in starts else "frames"
        found = frames_in(get(client, recorder, f"{kind}?from={offset}").content)
        if kind == "stretch":
            keyframe = found.pop(0)
            assert isinstance(keyframe, wire.KeyframeFrame)
            assert keyframe.data == (keyframe_text(offset) if offset else b"")
        applied += taken(follower, found)
    whole = all_frames(client, recorder)
    assert joined(applied) == joined(whole)
    assert b"".join(frame.data for frame in applied if isinstance(frame, wire.OutputFrame)) == written


def taken(follower: Follower, frames: list[wire.Frame]) -> list[wire.Frame]:
    applied = [follower.receive(frame) for frame in frames]
    assert not any(isinstance(frame, Hole) for frame in applied)
    return [frame for frame in applied if frame is not None and not isinstance(frame, Hole)]


def all_frames(client: Client, recorder: Recorder) -> list[wire.Frame]:
    """The recording read from its start, without any screens."""
    follower = Follower()
    applied: list[wire.Frame] = []
    offset = -1
    while follower.expected != offset:
        offset = follower.expected
        applied += taken(follower, frames_in(get(client, recorder, f"frames?from={offset}").content))
    return applied


def joined(frames: list[wire.Frame]) -> list[tuple[Any, ...]]:
    """Frames with the pieces of one write together, as a stretch may end inside of one."""
    found: list[tuple[Any, ...]] = []
    for frame in frames:
        if isinstance(frame, wire.OutputFrame):
            if found and found[-1][0] == "output" and found[-1][1] == frame.time_us:
                found[-1] = ("output", frame.time_us, found[-1][2] + frame.data)
            else:
                found.append(("output", frame.time_us, frame.data))
        else:
            found.append((frame,))
    return found


def test_a_stretch_ends_at_the_next_screen_that_is_worth_a_request() -> None:
    recorder = start_recorder()
    data = random.Random(1).randbytes(700 * KB)
    recorder.write(data)
    for offset in (10 * KB, 50 * KB, 80 * KB, 400 * KB):
        make_keyframe(recorder.terminal, offset)
    terminal = recorder.refresh()
    assert stretch_from(terminal, 0).end == 80 * KB
    assert stretch_from(terminal, 10 * KB).end == 80 * KB
    assert stretch_from(terminal, 50 * KB).end == 400 * KB
    assert stretch_from(terminal, 400 * KB).end == 700 * KB
    # One that is none of these is reached from the one before.
    frames = [wire.decode(frame) for frame in stretch_from(terminal, 500 * KB).frames]
    assert isinstance(frames[0], wire.KeyframeFrame)
    assert frames[0].offset == 400 * KB
    assert frames[-1].offset + len(frames[-1].data) == 700 * KB  # type: ignore[union-attr]


def test_events_at_a_screen_come_once_before_or_after_it() -> None:
    """A keyframe made between two resizes at the same offset stands between them."""
    recorder = start_recorder()
    recorder.write(b"a" * 100 * KB)
    recorder.resize(100, 30)
    recorder.resize(120, 40)
    recorder.write(b"b" * 100 * KB)
    make_keyframe(recorder.terminal, 100 * KB, event=1)
    terminal = recorder.refresh()
    before, after = (
        [
            frame.cols
            for frame in map(wire.decode, stretch_from(terminal, at).frames)
            if isinstance(frame, wire.ResizeFrame)
        ]
        for at in (0, 100 * KB)
    )
    assert (before, after) == ([100], [120])


def test_only_what_can_never_change_may_be_kept_for_ever(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(random.Random(1).randbytes(200 * KB))
    make_keyframe(recorder.terminal, 100 * KB)
    version = get(client, recorder, "map").json()["version"]

    def kept(rest: str) -> bool:
        return "immutable" in get(client, recorder, f"stretch?{rest}").headers.get("Cache-Control", "")

    assert kept(f"from=0&v={version}")
    assert not kept("from=0"), "the version of the screens was not named"
    assert not kept(f"from={100 * KB}&v={version}"), "more may come"
    assert not kept(f"from={99 * KB}&v={version}"), "a screen may be made for it yet"
    recorder.exit(0)
    assert kept(f"from={100 * KB}&v={version}")
    Terminal.objects.update(derived_by="another engine")
    assert not kept(f"from=0&v={version}")
    assert get(client, recorder, "map").json()["version"] != version


def test_screens_that_were_made_anew_have_another_version(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"made more than once\r\n")
    recorder.exit(0)
    workshop = Workshop(works_ahead=False)
    found = []
    try:
        for _ in range(3):
            derive_all(recorder.terminal.pk, workshop)
            document = get(client, recorder, "map")
            found.append((document.json()["version"], document["ETag"]))
            forget_derived(recorder.terminal.pk)
        derive_all(recorder.terminal.pk, workshop)
    finally:
        workshop.stop()
    assert [len(set(column)) for column in zip(*found, strict=True)] == [3, 3]
    # What browsers kept of an older making is asked for under another address, and that one is kept no more.
    assert "immutable" not in get(client, recorder, f"stretch?from=0&v={found[-1][0]}").get(
        "Cache-Control", ""
    )


def test_the_heavy_screen_of_an_offset_is_given_when_asked_for() -> None:
    recorder = start_recorder()
    recorder.write(b"x" * 1_000)
    light, heavy = make_keyframe(recorder.terminal, 500), make_keyframe(recorder.terminal, 500, is_heavy=True)
    codec, packed = pack(b"with scrollback")
    TerminalKeyframe.objects.filter(pk=heavy.pk).update(
        codec=codec, data=packed, size=len(b"with scrollback")
    )
    terminal = recorder.refresh()
    for is_heavy, expected in ((False, light.read()), (True, b"with scrollback")):
        first = wire.decode(stretch_from(terminal, 500, heavy=is_heavy).frames[0])
        assert isinstance(first, wire.KeyframeFrame)
        assert first.data == expected


# Without an engine


def test_without_screens_a_stretch_begins_after_the_last_clearing() -> None:
    recorder = start_recorder()
    filler = b"%060d\r\n" * 1
    for _ in range(4):
        recorder.write(filler % 7 * 10_000)
    terminal = recorder.refresh()
    start = start_before(terminal, terminal.size)
    assert not start.is_keyframe
    assert 0 < terminal.size - start.offset <= 2 * KB * KB
    assert start.offset % 62 == 0, "at a line"
    recorder.write(b"\x1b[2J\x1b[3J\x1b[H" + filler % 8 * 1_000)
    terminal = recorder.refresh()
    assert start_before(terminal, terminal.size).offset == 4 * 620_000
    played = stretch_from(terminal, terminal.size - 100)
    assert wire.decode(played.frames[0]) == wire.KeyframeFrame(4 * 620_000, 5_000, 80, 24, b"")
    assert played.end == terminal.size
    assert not played.is_final


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"ab", None),
        (b"ab\x1bcde", 2),
        (b"\x1bc\x1b[2J", 0),
        (b"ab\x1b[3Jcd", None),
        (b"ab\x1b[2J\x1b[3J\x1b[Hcd", 2),
        (b"ab\x1b[3J\x1b[1;1H\x1b[2Jcd", 2),
        (b"\x1bcab\x1b[?1049hcd\x1b[2J\x1b[3Jef", 4),
        (b"\x1bcab\x1b[?1049hcd\x1b[2J\x1b[3Jef\x1b[?1049l", 0),
        (b"ab\x1b[?1049hcd\x1bcef", 12),
    ],
)
def test_the_last_clearing_is_found(output: bytes, expected: int | None) -> None:
    assert last_clear(output) == expected


def test_a_long_stretch_without_screens_comes_in_parts() -> None:
    recorder = start_recorder()
    for _ in range(3):
        recorder.write(b"x" * 700 * KB)
    assert stretch_from(recorder.refresh(), 0).end == MOST_STRETCH_BYTES


# The map


def test_the_map_names_what_there_is_and_later_what_is_new(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"a" * 100 * KB, after_us=1_000_000)
    recorder.resize(100, 30)
    recorder.mark("build" * 100)
    recorder.write(b"b" * 100 * KB, after_us=2_000_000)
    make_keyframe(recorder.terminal, 100 * KB, at_us=1_000_000, is_heavy=True)
    found = get(client, recorder, "map").json()
    assert found.pop("version")
    assert found == {
        "size": 200 * KB,
        "duration_us": 3_000_000,
        "ended": False,
        "keyframes": [[0, 0, False], [100 * KB, 1_000_000, True]],
        "events": [
            ["resize", 100 * KB, 1_000_000, "100x30"],
            ["marker", 100 * KB, 1_000_000, ("build" * 100)[:200]],
        ],
        "activity_from": 0,
        "activity": [[1_000_000, 100 * KB, 1_000_000], [3_000_000, 100 * KB, 3_000_000]],
    }
    recorder.write(b"c" * KB, after_us=500_000)
    recorder.exit(3)
    make_keyframe(recorder.terminal, 200 * KB, at_us=3_000_000)
    newer = get(client, recorder, f"map?after={100 * KB}").json()
    assert newer["ended"] is True
    assert newer["keyframes"] == [[100 * KB, 1_000_000, True], [200 * KB, 3_000_000, False]]
    assert [event[0] for event in newer["events"]] == ["resize", "marker", "exit"]
    assert newer["activity_from"] <= 100 * KB
    assert sum(size for _, size, _ in newer["activity"]) == 201 * KB - newer["activity_from"]


def many_events() -> Recorder:
    """Thirty times a resize and some output, a marker with every tenth, and the exit."""
    recorder = start_recorder()
    for number in range(30):
        recorder.write(b"x", after_us=1_000)
        recorder.resize(80 + number, 24)
        if number % 10 == 9:
            recorder.mark(f"marker {number}")
    recorder.exit(3)
    return recorder


def test_of_very_many_events_exit_and_markers_stay_and_resizes_are_thinned_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = many_events()
    assert len(map_of(recorder.refresh()).events) == 34
    monkeypatch.setattr(playing, "MAP_EVENTS", 10)

    events = map_of(recorder.terminal).events
    assert [text for kind, *_, text in events if kind == "exit"] == ["3"]
    assert [text for kind, *_, text in events if kind == "marker"] == ["marker 9", "marker 19", "marker 29"]
    # At most six have room, so it is every fifth, and the size that the window has now.
    widths = [text for kind, *_, text in events if kind == "resize"]
    assert widths == ["84x24", "89x24", "94x24", "99x24", "104x24", "109x24"]
    assert [offset for _, offset, *_ in events] == sorted(offset for _, offset, *_ in events)
    newest = map_of(recorder.terminal, 21).events
    assert [kind for kind, *_ in newest].count("resize") <= 8
    assert [kind for kind, *_ in newest][-2:] == ["marker", "exit"]


def test_of_too_many_markers_some_of_all_times_stay_beside_the_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = many_events()
    monkeypatch.setattr(playing, "MAP_EVENTS", 3)

    kept = [(kind, text) for kind, _, _, text in map_of(recorder.refresh()).events]
    assert kept == [("marker", "marker 9"), ("marker", "marker 29"), ("exit", "3")]


def test_activity_covers_every_byte_whatever_is_sealed() -> None:
    chooser = random.Random(5)
    for _ in range(4):
        recorder, written = random_recording(chooser)
        for after in (0, 1, len(written) // 2, len(written)):
            found = map_of(recorder.terminal, after)
            assert found.activity_from <= after
            assert sum(size for _, size, _ in found.activity) == len(written) - found.activity_from
            moments = [moment for at_us, _, until_us in found.activity for moment in (at_us, until_us)]
            assert moments == sorted(moments)


SECOND_US = 1_000_000


def spinner(recorder: Recorder, *, until_s: int, pauses: Sequence[tuple[int, int]] = ()) -> None:
    """Ten writes a second, up to this second, but for these pauses (from, to); all of it sealed."""
    for minute in range(0, until_s, 60):
        moments = range(minute * 10, min(minute + 60, until_s) * 10)
        written = [at for at in moments if not any(start * 10 < at < end * 10 for start, end in pauses)]
        recorder.send(*[Output(at * SECOND_US // 10, b"\r|") for at in written])
    recorder.exit(0)
    seal(recorder.refresh())


def pauses_of(terminal: Terminal, after: int = 0) -> list[tuple[float, float]]:
    """As the bar draws them, in seconds."""
    ends = [(at_us, until_us) for at_us, _, until_us in map_of(terminal, after).activity]
    return [
        (until_us / SECOND_US, at_us / SECOND_US)
        for (_, until_us), (at_us, _) in pairwise(ends)
        if at_us - until_us > 2 * SECOND_US
    ]


# Inside of a stored row, over the end of one (they begin each tenth second up to there), and longer than one.
PAUSES = [(13, 18), (38, 42), (120, 150)]


@pytest.mark.parametrize("decoded_bytes", [256 * KB, 3 * KB])
def test_pauses_are_those_that_were_whether_single_writes_are_read_or_not(
    monkeypatch: pytest.MonkeyPatch, decoded_bytes: int
) -> None:
    recorder = start_recorder()
    spinner(recorder, until_s=180, pauses=PAUSES)
    assert recorder.refresh().segments.count() > 10
    monkeypatch.setattr(playing, "_DECODED_TIMING_BYTES", decoded_bytes)
    assert pauses_of(recorder.terminal) == PAUSES
    found = map_of(recorder.terminal)
    assert sum(size for _, size, _ in found.activity) == recorder.terminal.size
    assert found.activity[-1][2] == recorder.terminal.duration_us


def test_timings_are_read_within_bounds_those_with_the_fewest_writes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = start_recorder()
    spinner(recorder, until_s=180, pauses=[(13, 18), (61, 69), (91, 94)])
    recorder.refresh()
    sizes = sorted(len(row.timing) for row in recorder.terminal.segments.all())
    # No room but for the timing of the emptiest row.
    monkeypatch.setattr(playing, "_DECODED_TIMING_BYTES", sizes[0])
    assert pauses_of(recorder.terminal) == [(61, 69)]
    monkeypatch.setattr(playing, "_DECODED_TIMING_BYTES", sizes[0] + sizes[1])
    assert pauses_of(recorder.terminal) == [(13, 18), (61, 69)]
    monkeypatch.setattr(playing, "_SEARCHED_TIMING_BYTES", sizes[0])
    assert pauses_of(recorder.terminal) == [(61, 69)]


@pytest.mark.parametrize("pause_us", [2_000_001, 2_097_151, 2_097_152, 9_999_999])
def test_a_pause_of_any_length_is_found_between_writes_of_any_size(
    monkeypatch: pytest.MonkeyPatch, pause_us: int
) -> None:
    # All of them have more, those with a pause less.
    monkeypatch.setattr(playing, "_DECODED_TIMING_BYTES", 100)
    recorder = start_recorder()
    recorder.send(*[Output(at, b"x") for at in range(100)])
    for size in (1, 127, 128, 16_383, 16_384, 60_000):
        recorder.write(b"x" * size, after_us=20_000_000)
        before_us = recorder.time_us
        recorder.send(Output(before_us + 1, b"x"), Output(before_us + 1 + pause_us, b"x" * size))
        recorder.time_us += 1 + pause_us
    activity = map_of(recorder.refresh()).activity
    gaps = [at_us - until_us for (_, _, until_us), (at_us, _, _) in pairwise(activity)]
    assert gaps.count(pause_us) == 6


def test_an_unchanged_map_is_not_sent_again(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"x")
    first = get(client, recorder, "map")
    assert first.headers["Cache-Control"] == "private, no-cache"
    again = get(client, recorder, "map", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    recorder.mark("now")
    assert get(client, recorder, "map", **{"If-None-Match": first.headers["ETag"]}).status_code == 200


def test_the_map_of_a_very_long_recording_stays_small() -> None:
    recorder = start_recorder()
    recorder.write(b"x" * 50_000, after_us=1)
    columns = (
        "id",
        "terminal_id",
        "offset",
        "event",
        "at_us",
        "cols",
        "rows",
        "is_heavy",
        "size",
        "codec",
        "data",
    )
    bulk_insert(
        TerminalKeyframe,
        columns,
        [
            (new_id(), recorder.terminal.pk, number, 0, number, 80, 24, False, 1, "raw", b" ")
            for number in range(1, 50_000)
        ],
    )
    Terminal.objects.update(duration_us=50_000)
    found = map_of(recorder.refresh())
    assert len(found.keyframes) <= MAP_MOMENTS + 50_000 // LEAST_STRETCH_BYTES + 2
    # And every stretch reaches the next one that is named.
    for (offset, _, _), (following, _, _) in list(pairwise(found.keyframes))[::500]:
        assert stretch_from(recorder.terminal, offset).end >= following


# Content codings


def test_bodies_come_in_the_coding_that_the_browser_takes(client: Client) -> None:
    recorder = start_recorder()
    recorder.write(b"compressible " * 50_000)
    recorder.exit(0)
    plain = get(client, recorder, "stretch?from=0")
    assert "Content-Encoding" not in plain.headers
    for accepted, coding, decode in (
        ("gzip, deflate, br, zstd", "zstd", unzstd),
        ("gzip, deflate", "gzip", gzip.decompress),
        ("zstd;q=0, gzip;q=0.5", "gzip", gzip.decompress),
        ("zstd;q=0", None, bytes),
        ("br", None, bytes),
    ):
        answer = get(client, recorder, "stretch?from=0", **{"Accept-Encoding": accepted})
        assert answer.headers.get("Content-Encoding") == coding, accepted
        assert decode(answer.content) == plain.content
        assert "Accept-Encoding" in answer.headers["Vary"]


def unzstd(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read()


def test_whole_sealed_segments_go_out_as_they_are_stored(client: Client) -> None:
    recorder = start_recorder()
    data = b"".join(b"line %d\r\n" % number for number in range(100_000))
    for start in range(0, len(data), 500_000):
        recorder.write(data[start : start + 500_000])
    seal(recorder.refresh())
    segments = list(recorder.terminal.segments.order_by("offset"))
    end = segments[2].offset + segments[2].size
    answer = get(client, recorder, f"bytes?to={end}", **{"Accept-Encoding": "zstd"})
    assert answer.content == b"".join(bytes(segment.data) for segment in segments[:3])
    assert unzstd(answer.content) == data[:end]
    inside = get(client, recorder, f"bytes?from=5&to={end}", **{"Accept-Encoding": "zstd"})
    assert unzstd(inside.content) == data[5:end]
    assert get(client, recorder, f"bytes?to={end}").content == data[:end]
