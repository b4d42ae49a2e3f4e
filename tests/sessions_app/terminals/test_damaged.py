"""Rows of a terminal that were damaged: each door says so, and nothing else suffers."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client

from dashboard.lib.errors import CorruptData
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.masking import mask_events
from sessions_app.actions.terminals.newest_screens import newest_screens
from sessions_app.actions.terminals.reading import DAMAGED, read_bytes, read_tails
from sessions_app.actions.terminals.screens import place_behind
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.starting import start_at, start_before, start_drawn_at
from sessions_app.actions.terminals.working import Workshop
from sessions_app.lookup import short_id
from sessions_app.models import Terminal, TerminalChunk, TerminalKeyframe, TerminalSegment, TerminalText
from sessions_app.models.blob import Codec
from sessions_app.terminal.asciicast.model import Output
from sessions_app.terminal.engine.version import ENGINE
from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.timing import encode
from tests.dashboard.commands.calling import Caller
from tests.factories import make_person, signed_in
from tests.sessions_app.api.client import Api, problem_of
from tests.sessions_app.search.test_terminal_search import answer
from tests.sessions_app.terminals.keyframes import make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(not ENGINE, reason="the terminal engine has no wheel for this platform"),
]

NO_ZSTD = b"this was never compressed"
CUT_OFF = b"\x80"


@pytest.fixture
def call(capsysbinary: pytest.CaptureFixture[bytes]) -> Caller:
    return Caller(capsysbinary)


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def made(workshop: Workshop, word: str) -> Recorder:
    """An ended recording with everything that is derived of one."""
    recorder = start_recorder()
    recorder.write(f"\x1b[31m{word}\x1b[0m on the table\r\n".encode())
    recorder.write(b"".join(b"%06d some bread\r\n" % number for number in range(500)))
    recorder.exit(0)
    derive_all(recorder.terminal.pk, workshop)
    recorder.refresh()
    return recorder


@pytest.fixture
def sound(workshop: Workshop) -> Recorder:
    return made(workshop, "marmalade")


@pytest.fixture
def damaged(workshop: Workshop) -> Recorder:
    return made(workshop, "marmalade")


def segments_gone(terminal: Terminal) -> None:
    TerminalSegment.objects.filter(terminal=terminal).delete()


def segments_unpacked(terminal: Terminal) -> None:
    TerminalSegment.objects.filter(terminal=terminal).update(data=NO_ZSTD, codec=Codec.ZSTD)


def segments_cut(terminal: Terminal) -> None:
    TerminalSegment.objects.filter(terminal=terminal).update(data=b"short", codec=Codec.RAW)


def times_cut(terminal: Terminal) -> None:
    TerminalSegment.objects.filter(terminal=terminal).update(timing=CUT_OFF)


def times_beyond(terminal: Terminal) -> None:
    """Numbers that no column and no frame has room for."""
    TerminalSegment.objects.filter(terminal=terminal).update(timing=b"\xff" * 9 + b"\x7f" + b"\x01")


def keyframes(terminal: Terminal) -> None:
    TerminalKeyframe.objects.filter(terminal=terminal).update(data=NO_ZSTD, codec=Codec.ZSTD)


def keyframes_cut(terminal: Terminal) -> None:
    """To half a screen, which an engine would draw without a word."""
    for kept in TerminalKeyframe.objects.filter(terminal=terminal):
        plain = kept.read()
        TerminalKeyframe.objects.filter(pk=kept.pk).update(data=plain[: len(plain) // 2], codec=Codec.RAW)


def text_unpacked(terminal: Terminal) -> None:
    TerminalText.objects.filter(terminal=terminal).update(data=NO_ZSTD, codec=Codec.ZSTD)


def text_cut(terminal: Terminal) -> None:
    TerminalText.objects.filter(terminal=terminal).update(data=b"\x01\xff", codec=Codec.RAW, size=2)


def text_ends_early(terminal: Terminal) -> None:
    for block in TerminalText.objects.filter(terminal=terminal):
        TerminalText.objects.filter(pk=block.pk).update(data=block.read()[:-1], codec=Codec.RAW)


type Damage = Callable[[Terminal], None]

OUTPUT = [segments_gone, segments_unpacked, segments_cut]
TIMES = [times_cut, times_beyond]
KEYFRAMES = [keyframes, keyframes_cut]
TEXT = [text_unpacked, text_cut, text_ends_early]
EVERY = [*OUTPUT, *TIMES, *KEYFRAMES, *TEXT]
every_damage = pytest.mark.parametrize("damage", EVERY)


@every_damage
def test_the_search_over_everything_finds_the_others(
    client: Client, call: Caller, sound: Recorder, damaged: Recorder, damage: Damage
) -> None:
    damage(damaged.terminal)

    page = client.get("/search/", {"q": "marmalade"})
    assert (page.status_code, f"/terminals/{sound.terminal.pk}/" in page.content.decode()) == (200, True)
    found = client.get("/api/v1/search", {"q": "marmalade"}).json()["items"]
    expected = {str(sound.terminal.pk)} | ({str(damaged.terminal.pk)} if damage not in TEXT else set())
    assert {hit["object"] for hit in found} == expected
    assert call("search", "marmalade").status == 0


@every_damage
def test_the_search_inside_says_so_or_finds_it(client: Client, damaged: Recorder, damage: Damage) -> None:
    damage(damaged.terminal)

    *hits, last = answer(client, damaged.terminal, q="marmalade")
    assert (bool(hits), "error" in last) == (damage not in TEXT, False)
    assert (DAMAGED in last.get("note", "")) == (damage not in KEYFRAMES)
    moment = client.get(f"/terminals/{damaged.terminal.pk}/moment", {"offset": "30", "text": "marmalade"})
    assert moment.status_code in (200, 204)


@pytest.mark.parametrize("damage", [*OUTPUT, *TIMES])
def test_a_screen_is_refused(call: Caller, damaged: Recorder, damage: Damage) -> None:
    damage(damaged.terminal)

    path = f"terminals/{damaged.terminal.pk}/screen"
    assert problem_of(Api().get(path, offset=40)) == (422, "/problems/refused")
    assert Api().get(path, offset=40).json()["detail"] == DAMAGED
    ended = call("screen", short_id(damaged.terminal), "--offset", "40")
    assert (ended.status, ended.errors) == (2, f"scrollback: {DAMAGED}\n")


@pytest.mark.parametrize("damage", OUTPUT)
def test_output_over_the_api_is_refused(damaged: Recorder, damage: Damage) -> None:
    damage(damaged.terminal)

    answer = Api().get(f"terminals/{damaged.terminal.pk}/output")
    assert problem_of(answer) == (422, "/problems/refused")
    assert answer.json()["detail"] == DAMAGED


@pytest.mark.parametrize("damage", [segments_unpacked, segments_cut, *TIMES])
def test_a_preview_shows_nothing(client: Client, damaged: Recorder, damage: Damage) -> None:
    damage(damaged.terminal)

    assert client.get(f"/terminals/{damaged.terminal.pk}/screen", {"at_us": 1_000}).status_code == 204


@pytest.mark.parametrize(
    ("damage", "doors"),
    [
        *((damage, ("stretch?from=0", "stretch?us=1", "frames?from=0", "bytes?from=0")) for damage in OUTPUT),
        *((damage, ("stretch?from=0", "stretch?us=1", "frames?from=0")) for damage in TIMES),
    ],
)
def test_a_player_is_told_in_words(
    client: Client, damaged: Recorder, damage: Damage, doors: tuple[str, ...]
) -> None:
    damage(damaged.terminal)

    for door in doors:
        answer = client.get(f"/terminals/{damaged.terminal.pk}/{door}")
        assert (door, answer.status_code) == (door, 422)
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.content.decode() == DAMAGED
        assert "immutable" not in answer.headers.get("Cache-Control", "")


@pytest.mark.parametrize("damage", KEYFRAMES)
def test_kept_screens_that_are_damaged_cost_the_way_from_one_that_is_not(
    client: Client, call: Caller, sound: Recorder, damaged: Recorder, damage: Damage
) -> None:
    """Or from the first byte: all that was written is there."""
    damage(damaged.terminal)
    kept = TerminalKeyframe.objects.filter(terminal=damaged.terminal).latest("offset")

    def shown(recorder: Recorder) -> str:
        return call("screen", short_id(recorder.terminal), "--offset", str(recorder.terminal.size)).text

    assert shown(damaged) == shown(sound)
    page = f"/terminals/{damaged.terminal.pk}"
    assert client.get(f"{page}/screen", {"at_us": damaged.terminal.duration_us}).status_code == 200
    assert start_before(damaged.terminal, damaged.terminal.size) == start_before(damaged.terminal, 0)
    assert start_at(damaged.terminal, kept.offset) is None
    assert client.get(f"{page}/stretch", {"from": kept.offset}).status_code == 200


def test_a_viewer_begins_with_a_kept_screen_where_what_is_before_it_is_damaged() -> None:
    recorder = start_recorder()
    for number in range(8):
        recorder.write(b"%06d some bread\r\n" % number * 4_000)
    size = recorder.refresh().size
    make_keyframe(recorder.terminal, size - 100_000)
    make_keyframe(recorder.terminal, size - 1_000)
    seal(recorder.refresh())
    TerminalSegment.objects.filter(terminal=recorder.terminal, offset__lt=size - 1_000).update(
        codec=Codec.ZSTD, data=NO_ZSTD
    )
    terminal = recorder.refresh()

    place = place_behind(terminal, size)
    assert start_drawn_at(terminal, place, scrollback_rows=400) is None
    assert start_before(terminal, size).offset == size - 1_000


@pytest.mark.parametrize("damage", TIMES)
def test_a_viewer_begins_with_a_kept_screen_where_nothing_says_when_the_drawn_one_was(damage: Damage) -> None:
    recorder = start_recorder()
    recorder.write(b"some bread\r\n")
    seal(recorder.refresh())
    damage(recorder.terminal)
    end_of_damage = recorder.terminal.size
    recorder.write(b"more bread\r\n")
    terminal = recorder.refresh()
    make_keyframe(terminal, terminal.size)

    assert start_drawn_at(terminal, place_behind(terminal, end_of_damage), scrollback_rows=400) is None
    assert start_drawn_at(terminal, place_behind(terminal, terminal.size), scrollback_rows=400) is not None
    assert start_before(terminal, terminal.size).offset == terminal.size


def times_of_fewer_bytes(terminal: Terminal) -> None:
    TerminalSegment.objects.filter(terminal=terminal).update(timing=encode([(0, 3)]))


@pytest.mark.parametrize("damage", [*TIMES, times_of_fewer_bytes])
def test_a_player_has_a_map_where_times_of_single_writes_are_damaged(client: Client, damage: Damage) -> None:
    recorder = start_recorder()
    for _ in range(3):
        recorder.write(b"some bread\r\n", after_us=1_000_000)
    seal(recorder.refresh())
    damage(recorder.terminal)
    recorder.write(b"some bread\r\n", after_us=4_000_000)

    answer = client.get(f"/terminals/{recorder.terminal.pk}/map")
    assert answer.status_code == 200
    found = answer.json()
    assert found["activity"] == [[1_000_000, 36, 3_000_000], [7_000_000, 12, 7_000_000]]
    assert (found["size"], found["duration_us"]) == (48, 7_000_000)


def test_a_secret_that_begins_behind_damaged_output_is_masked_where_the_server_masks() -> None:
    recorder = start_recorder()
    recorder.write(b"one line\r\n")
    TerminalChunk.objects.update(data=b"short")
    recorder.write(b"a token: ghp_" + b"A" * 10)

    later = [Output(1_000, b"B" * 26 + b" and more\r\n")]
    masked = mask_events(recorder.refresh(), later, Detector(RULES, key=bytes(32)))
    [shown] = [event.data for event in masked.events if isinstance(event, Output)]
    assert b"B" * 8 not in shown
    assert shown.endswith(b" and more\r\n")


@pytest.mark.parametrize("damage", ["data", "size"])
def test_what_follows_damaged_output_is_taken_where_the_server_masks(damage: str) -> None:
    """It looks for secrets that begin at the end of what is stored."""
    recorder = start_recorder()
    recorder.write(b"one line\r\n")
    change = {"data": b"short"} if damage == "data" else {"size": 11}
    TerminalChunk.objects.update(**change)

    masked = mask_events(recorder.terminal, [Output(1_000, b"and another\r\n")], Detector((), key=bytes(32)))
    assert [event.data for event in masked.events if isinstance(event, Output)] == [b"and another\r\n"]


@every_damage
def test_small_pictures_show_what_there_is(sound: Recorder, damaged: Recorder, damage: Damage) -> None:
    if damage in OUTPUT:
        TerminalKeyframe.objects.filter(terminal=damaged.terminal).delete()
    damage(damaged.terminal)

    terminals = [damaged.refresh(), sound.terminal]
    screens = newest_screens(terminals)
    assert sound.terminal.pk in screens
    assert (damaged.terminal.pk in screens) == (damage not in OUTPUT)
    tails = read_tails({terminal.pk: terminal.size for terminal in terminals}, 12)
    assert tails[sound.terminal.pk] == b"some bread\r\n"


def test_a_chunk_that_is_shorter_than_it_says_is_not_read_for_ever() -> None:
    recorder = start_recorder()
    recorder.write(b"one line\r\n")
    TerminalChunk.objects.update(size=F("size") + 1)

    with pytest.raises(CorruptData):
        read_bytes(recorder.terminal.pk, 0, 11)


@pytest.mark.parametrize("damage", [*KEYFRAMES, *TEXT])
def test_a_rebuild_repairs_what_was_derived(
    client: Client, call: Caller, damaged: Recorder, damage: Damage
) -> None:
    damage(damaged.terminal)

    ended = call("terminals", "rebuild", str(damaged.terminal.pk))
    assert (ended.status, ended.errors) == (0, "")
    assert "marmalade" in call("screen", short_id(damaged.terminal), "--offset", "40").text
    found = client.get("/api/v1/search", {"q": "marmalade"}).json()["items"]
    assert [hit["object"] for hit in found] == [str(damaged.terminal.pk)]


@pytest.mark.parametrize("damage", [*OUTPUT, *TIMES])
def test_a_rebuild_goes_on_with_the_others_and_keeps_what_it_cannot_make_again(
    call: Caller, sound: Recorder, damaged: Recorder, damage: Damage
) -> None:
    damage(damaged.terminal)
    Terminal.objects.update(derived_by="ghostty-0.0.1")
    kept = set(TerminalKeyframe.objects.filter(terminal=damaged.terminal).values_list("pk", flat=True))

    ended = call("terminals", "rebuild", "--all", "--json")
    assert (ended.status, ended.document["rebuilt"]) == (1, 1)
    assert list(ended.document["errors"]) == [short_id(damaged.terminal)]
    assert "Restore a backup" in ended.document["errors"][short_id(damaged.terminal)]
    assert (sound.refresh().derived_by, damaged.refresh().derived_by) == (ENGINE, "ghostty-0.0.1")
    assert (
        set(TerminalKeyframe.objects.filter(terminal=damaged.terminal).values_list("pk", flat=True)) == kept
    )
    assert TerminalText.objects.filter(terminal=damaged.terminal).exists()


@pytest.mark.parametrize("damage", [*OUTPUT, *TIMES])
def test_an_export_is_refused_in_one_line(
    call: Caller, damaged: Recorder, damage: Damage, tmp_path: Path
) -> None:
    damage(damaged.terminal)

    ended = call("export", short_id(damaged.terminal), "--as", "asciicast", "-o", tmp_path / "a.cast")
    assert (ended.status, ended.errors.count("\n"), "Restore a backup" in ended.errors) == (2, 1, True)
    assert list(tmp_path.iterdir()) == []
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_cursors")
            assert cursor.fetchone() == (0,), "what else was being read is let go"
