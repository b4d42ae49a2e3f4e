"""What many terminals show now, asked for together."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.actions.terminals import newest_screens as module
from sessions_app.actions.terminals.deriving import derive_all
from sessions_app.actions.terminals.newest_screens import newest_screens
from sessions_app.actions.terminals.screens import place_behind, stop_screens, styled_screen_of
from sessions_app.actions.terminals.sealing import seal
from sessions_app.actions.terminals.working import Workshop
from sessions_app.models import Terminal, TerminalChunk, TerminalKeyframe
from sessions_app.models.blob import Codec
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module", autouse=True)
def processes() -> Iterator[None]:
    yield
    stop_screens()


def log(first: int, count: int) -> bytes:
    lines = (
        f"\x1b[3{number % 8}m{number:06}\x1b[0m some words of a log\r\n"
        for number in range(first, first + count)
    )
    return "".join(lines).encode()


def write_and_resize(recorder: Recorder) -> None:
    for step in range(4):
        recorder.write(log(step * 100, 100))
        recorder.resize(80 + step, 24 + step)
        recorder.write(b"\x1b[1;1Hthere")
    recorder.resize(100, 30)


def same_as_alone(terminals: list[Terminal]) -> None:
    together = newest_screens(terminals)
    assert set(together) == {terminal.pk for terminal in terminals}
    for terminal in terminals:
        alone = styled_screen_of(terminal, place_behind(terminal, terminal.size))
        assert together[terminal.pk] == alone, terminal.title


def test_they_are_those_that_each_has_alone(workshop: Workshop) -> None:
    recorders = [start_recorder(cols=60 + number, rows=20 + number) for number in range(7)]
    empty, short, resized, sealed, derived, both, full = recorders
    short.write(b"\x1b[?1049h\x1b[5;5H\x1b[7mdialog\x1b[0m")
    for recorder in (resized, sealed, derived, both):
        write_and_resize(recorder)
    seal(sealed.refresh())
    for recorder in (derived, both):
        seal(recorder.refresh())
        derive_all(recorder.terminal.pk, workshop)
    write_and_resize(both)
    # What a full screen shows beside a smaller window is lost for good: no resize may come twice.
    full.resize(40, 10)
    full.resize(100, 30)
    full.write(b"\x1b[?1049h\x1b[28;90Hcorner")
    full.resize(99, 30)
    full.write(b"!")
    seal(full.refresh())
    derive_all(full.terminal.pk, workshop)
    full.resize(101, 31)
    assert TerminalKeyframe.objects.filter(terminal=both.terminal, is_heavy=False).exists()
    same_as_alone([recorder.refresh() for recorder in recorders])
    assert not any(newest_screens([empty.terminal])[empty.terminal.pk].rows)


def test_they_cost_the_same_queries_however_many_there_are() -> None:
    recorders = [start_recorder() for _ in range(12)]
    for recorder in recorders:
        write_and_resize(recorder)
    terminals = [recorder.refresh() for recorder in recorders]
    for number in (1, 12):
        with CaptureQueriesContext(connection) as queries:
            assert len(newest_screens(terminals[:number])) == number
        assert len(queries) == 4


def test_what_is_missing_or_too_far_from_a_keyframe_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, broken, far = (start_recorder() for _ in range(3))
    for recorder in (whole, broken):
        recorder.write(b"one\r\n")
        recorder.write(b"two\r\n")
    far.write(log(0, 1_000))
    TerminalChunk.objects.filter(terminal=broken.terminal, offset=0).delete()
    monkeypatch.setattr(module, "_FARTHEST_BYTES", 20_000)
    terminals = [recorder.refresh() for recorder in (whole, broken, far)]
    assert set(newest_screens(terminals)) == {whole.terminal.pk}


def test_where_the_last_keyframe_is_damaged_the_one_before_it_is_taken(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    sound, damaged = start_recorder(), start_recorder()
    for recorder in (sound, damaged):
        write_and_resize(recorder)
        recorder.write(log(0, 20_000))
        derive_all(recorder.terminal.pk, workshop)
        recorder.write(log(20_000, 1_000))
    last = TerminalKeyframe.objects.filter(terminal=damaged.terminal).latest("offset")
    TerminalKeyframe.objects.filter(terminal=damaged.terminal, offset=last.offset).update(
        codec=Codec.ZSTD, data=b"this was never compressed"
    )
    monkeypatch.setattr(module, "_FARTHEST_BYTES", 600_000)
    assert damaged.refresh().size > 700_000
    same_as_alone([damaged.terminal, sound.refresh()])
