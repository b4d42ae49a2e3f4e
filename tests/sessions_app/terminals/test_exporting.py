"""A terminal as a file, and back."""

import json
import uuid
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from hypothesis import HealthCheck, given, settings

from audit.actors import SYSTEM
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import NewTerminal, append_output, open_terminal
from sessions_app.actions.terminals.exporting import FORMS, export_of
from sessions_app.actions.terminals.reading import read_bytes, read_items
from sessions_app.importers.pipeline import Importer
from sessions_app.models import Scope, Terminal
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
from tests.factories import START_MS, make_person
from tests.sessions_app.terminal.recordings import recordings
from tests.sessions_app.terminals.test_api import Api

pytestmark = pytest.mark.django_db

BOTH = pytest.mark.parametrize("form", ["asciicast", "asciicast2"])


def recorded(events: list[Event], **facts: Any) -> Terminal:
    new = NewTerminal(
        id=new_id(), started_ms=START_MS, cols=90, rows=20, command=["make", "all of it"], **facts
    )
    terminal, _ = open_terminal(new, actor=SYSTEM)
    if events:
        append_output(terminal.pk, Batch(Position(), events, masked={}), actor=SYSTEM)
    return Terminal.objects.get(pk=terminal.pk)


def imported(content: bytes, tmp_path: Path, form: str | None = None) -> Terminal:
    path = tmp_path / f"{uuid.uuid4()}.cast"
    path.write_bytes(content)
    report = Importer(SYSTEM, only_format=form).import_paths([str(path)])
    assert not report.errors
    return Terminal.objects.get(source__path=str(path))


def joined(events: list[Event]) -> list[Any]:
    """Events with the output between two of them as one, each with the time of its end."""
    told: list[Any] = []
    for event in events:
        if isinstance(event, Output) and told and isinstance(told[-1], bytes):
            told[-1] += event.data
        elif isinstance(event, Output):
            told.append(event.data)
        else:
            told.append(event)
    return told


EVENTS: list[Event] = [
    Output(1_000_001, b"caf\xc3\xa9 \x1b[31mred\x1b[0m\r\n"),
    Resize(2_000_000, 120, 40),
    Marker(2_500_000, 'a "marker"'),
    Input(3_000_003, b"ls\r\xff"),
    Output(3_333_333, b"\xff\xfe no UTF-8, cut \xc3"),
    Output(3_333_334, b"\xa9 and lone \xed\xa0\x80\r\n"),
    Exit(4_000_000, 3),
]


@BOTH
def test_what_was_exported_imports_as_the_same(form: str, tmp_path: Path) -> None:
    terminal = recorded(EVENTS, title="a title", environment={"TERM": "xterm-256color", "SHELL": "/bin/sh"})
    again = imported(b"".join(export_of(terminal, form)), tmp_path)
    assert read_bytes(again.pk, 0, again.size) == read_bytes(terminal.pk, 0, terminal.size)
    assert joined(list(read_items(again))) == joined(list(read_items(terminal)))
    for name in ("size", "event_count", "duration_us", "first_cols", "cols", "rows", "exit_status", "state", "title",
                 "started_ms"):  # fmt: skip
        assert getattr(again, name) == getattr(terminal, name), name
    # Bytes that are no UTF-8 are themselves again; the raw file has them without any such art.
    assert b"".join(export_of(again, "ansi")) == b"".join(
        event.data for event in EVENTS if isinstance(event, Output)
    )


@BOTH
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=recordings())
def test_any_recording_comes_back_byte_for_byte(form: str, tmp_path: Path, events: list[Event]) -> None:
    terminal = recorded(events)
    again = imported(b"".join(export_of(terminal, form)), tmp_path)
    assert read_bytes(again.pk, 0, again.size) == read_bytes(terminal.pk, 0, terminal.size)
    others = [
        [item for item in read_items(one) if not isinstance(item, Output | Input)]
        for one in (terminal, again)
    ]
    assert others[0] == others[1]
    typed = [
        b"".join(item.data for item in read_items(one) if isinstance(item, Input))
        for one in (terminal, again)
    ]
    assert typed[0] == typed[1]


@BOTH
def test_times_do_not_drift_in_a_long_recording(form: str, tmp_path: Path) -> None:
    events: list[Event] = [Output(number * 333_333 + number % 7, b"%d\n" % number) for number in range(5_000)]
    terminal = recorded(events)
    again = imported(b"".join(export_of(terminal, form)), tmp_path)
    assert [item.time_us for item in read_items(again)] == [event.time_us for event in events]


@BOTH
def test_a_command_is_quoted_once_however_often_it_goes_out_and_in(form: str, tmp_path: Path) -> None:
    terminal = recorded(EVENTS)
    first = b"".join(export_of(terminal, form))
    assert json.loads(first.splitlines()[0])["command"] == "make 'all of it'"
    second = b"".join(export_of(imported(first, tmp_path), form))
    assert json.loads(second.splitlines()[0])["command"] == "make 'all of it'"
    third = b"".join(export_of(imported(second, tmp_path), form))
    assert third == second


def test_each_version_has_its_own_header_and_clock() -> None:
    terminal = recorded(EVENTS, title="a title")
    new, old = (b"".join(export_of(terminal, form)).splitlines() for form in ("asciicast", "asciicast2"))
    assert json.loads(new[0]) | {"term": {"cols": 90, "rows": 20}, "version": 3} == json.loads(new[0])
    assert json.loads(old[0]) | {"width": 90, "height": 20, "version": 2, "duration": 4.0} == json.loads(
        old[0]
    )
    # Intervals in the one, moments in the other.
    assert json.loads(new[2]) == [0.999999, "r", "120x40"]
    assert json.loads(old[2]) == [2.0, "r", "120x40"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(events=recordings())
def test_version_1_brings_the_bytes_back(tmp_path: Path, events: list[Event]) -> None:
    terminal = recorded(events)
    again = imported(b"".join(export_of(terminal, "asciicast1")), tmp_path)
    assert read_bytes(again.pk, 0, again.size) == read_bytes(terminal.pk, 0, terminal.size)
    assert all(isinstance(item, Output) for item in read_items(again))


def test_version_1_brings_times_title_and_window_back(tmp_path: Path) -> None:
    terminal = recorded(EVENTS, title="a title", environment={"TERM": "xterm-256color"})
    document = b"".join(export_of(terminal, "asciicast1"))
    assert json.loads(document)["duration"] == 4.0
    again = imported(document, tmp_path)
    assert (again.title, again.first_cols, again.first_rows) == ("a title", 90, 20)
    written = [[item for item in read_items(one) if isinstance(item, Output)] for one in (terminal, again)]
    assert written[1][0] == written[0][0]
    assert written[1][-1].time_us == written[0][-1].time_us
    # It went out without its end and when it began, and again it is the same.
    assert not again.is_start_known
    assert json.loads(b"".join(export_of(again, "asciicast1")))["stdout"] == json.loads(document)["stdout"]


def test_text_has_the_lines_and_ansi_the_bytes() -> None:
    terminal = recorded(EVENTS)
    assert b"".join(export_of(terminal, "text")).decode().splitlines()[0] == "café red"
    assert b"".join(export_of(terminal, "ansi")) == read_bytes(terminal.pk, 0, terminal.size)
    assert b"".join(export_of(recorded([]), "ansi")) == b""


async def collected(response: Any) -> bytes:
    return b"".join([piece async for piece in response.streaming_content])


@pytest.mark.parametrize(
    ("address", "form"),
    [("recording.cast", "asciicast"), ("recording.v2.cast", "asciicast2"), ("recording.v1.json", "asciicast1"),
     ("recording.txt?save", "text"),
     ("recording.ansi", "ansi")],
)  # fmt: skip
def test_pages_and_api_give_the_same_files(client: Client, address: str, form: str) -> None:
    terminal = recorded(EVENTS)
    client.force_login(make_person())
    page: Any = client.get(f"/terminals/{terminal.pk}/{address}")
    answer: Any = Api(Scope.READ)._client.get(f"/api/v1/terminals/{terminal.pk}/recording?as={form}")
    expected = b"".join(export_of(terminal, form))
    for response in (page, answer):
        assert response.status_code == 200
        assert async_to_sync(collected)(response) == expected
        assert response["Content-Disposition"].startswith("attachment; ")
        assert response["Content-Disposition"].endswith(f'.{FORMS[form].ending}"')


def test_the_api_refuses_other_forms() -> None:
    terminal = recorded(EVENTS)
    answer = Api(Scope.READ)._client.get(f"/api/v1/terminals/{terminal.pk}/recording?as=gif")
    assert answer.status_code == 400


@BOTH
def test_a_recording_without_a_time_leaves_without_one(form: str, tmp_path: Path) -> None:
    terminal = imported(b'{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "hello"]\n', tmp_path)

    header = json.loads(b"".join(export_of(terminal, form)).splitlines()[0])

    assert "timestamp" not in header


def test_output_and_lines_come_back_when_they_are_asked_for(tmp_path: Path) -> None:
    output = b"\x1b[31mred\x1b[0m\r\n" + b"x" * 100 + b"\xff\r\n" + b"line\r\n" * 20_000
    terminal = recorded([Output(1_000_000, output), Exit(2_000_000, 0)])

    again = imported(b"".join(export_of(terminal, "ansi")), tmp_path, "ansi")
    assert read_bytes(again.pk, 0, again.size) == output
    assert (again.state, again.duration_us, again.is_start_known) == ("ended", 0, False)
    assert (again.first_cols, again.first_rows) == (80, 24)

    text = "one\n" + "w" * 130 + "\nlast\n"
    lines = imported(text.encode(), tmp_path, "text")
    assert read_bytes(lines.pk, 0, lines.size) == text.replace("\n", "\r\n").encode()
    assert lines.first_cols == 130
    assert b"".join(export_of(lines, "text")).decode().split() == text.split()


def test_a_secret_in_plain_output_is_masked(tmp_path: Path) -> None:
    secret = b"ghp_" + b"a1B2" * 9
    terminal = imported(b"token " + secret + b"\n", tmp_path, "text")
    kept = read_bytes(terminal.pk, 0, terminal.size)
    assert b"token" in kept
    assert secret not in kept


def test_nothing_is_taken_for_plain_output_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("just a note\n")
    Importer(SYSTEM).import_paths([str(tmp_path)])
    report = Importer(SYSTEM).import_paths([str(path)])
    assert list(report.errors) == [str(path)]
    assert not Terminal.objects.exists()
