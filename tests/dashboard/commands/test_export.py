import hashlib
import json
import stat
import uuid
from pathlib import Path

import pytest
from django.db import transaction

from audit.actors import SYSTEM
from audit.models import Entry
from sessions_app.actions.terminals import append_output, open_terminal
from sessions_app.actions.terminals.opening import NewTerminal
from sessions_app.actions.terminals.reading import read_bytes, read_items
from sessions_app.importers.pipeline import Importer
from sessions_app.models import Terminal
from sessions_app.terminal.asciicast.model import Event, Exit, Input, Marker, Output, Resize
from sessions_app.terminal.batch import Batch, Position
from tests.dashboard.commands.calling import Caller
from tests.factories import START_MS, make_message, make_run, make_session, make_source, make_terminal
from tests.samples import SAMPLES
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db

ID = "01990d0f-9d71-7bfc-9fb4-157fce49f601"
CASTS = sorted(path for folder in ("asciicast", "recorded") for path in (SAMPLES / folder).glob("*.cast"))


def record_terminal(*events: Event) -> Terminal:
    new = NewTerminal(
        uuid.UUID(ID), START_MS, cols=90, rows=30, title="noise", command=["sh", "-c", "cat a 'b c'"]
    )
    terminal, _ = open_terminal(new, actor=SYSTEM)
    append_output(terminal.pk, Batch(Position(0, 0), list(events)), actor=SYSTEM)
    terminal.refresh_from_db()
    return terminal


def facts_of(terminal: Terminal) -> tuple[object, ...]:
    """What the format can hold: it counts the start in whole seconds, where it is known."""
    started = terminal.started_ms // 1000 if terminal.is_start_known else None
    return (
        terminal.title, terminal.first_cols, terminal.first_rows, started, terminal.exit_status,
        terminal.duration_us, terminal.size, terminal.environment,
    )  # fmt: skip


def without_splits(items: list[Event]) -> list[Event]:
    """Output of one moment in one piece."""
    joined: list[Event] = []
    for item in items:
        last = joined[-1] if joined else None
        if isinstance(item, Output) and isinstance(last, Output) and last.time_us == item.time_us:
            joined[-1] = Output(item.time_us, last.data + item.data)
        else:
            joined.append(item)
    return joined


def import_alone(path: Path) -> Terminal:
    Terminal.objects.all().delete()
    Importer(SYSTEM).import_paths([str(path)])
    return Terminal.objects.get()


def test_a_session_is_written_into_a_file_that_only_its_owner_reads(call: Caller, tmp_path: Path) -> None:
    make_message(make_session(id=ID, with_main_run=True), "Hello")
    path = tmp_path / "session.jsonl"

    document = call("export", "ce49f601", "--as", "jsonl", "-o", path, "--json").document

    content = path.read_bytes()
    assert json.loads(content)["text"] == "Hello"
    assert document == {
        "id": ID,
        "form": "jsonl",
        "files": [{"path": str(path), "bytes": len(content)}],
        "sha256": hashlib.sha256(content).hexdigest(),
        "losses": [],
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("form", "name"), [("jsonl", "session-ce49f601.jsonl"), ("markdown", "session-ce49f601.md"),
                       ("picoclaw", "codex_thread-1.jsonl")]
)  # fmt: skip
def test_a_folder_gets_a_file_with_a_name_of_its_own(
    call: Caller, tmp_path: Path, form: str, name: str
) -> None:
    make_message(make_session(id=ID, agent="codex", external_id="thread-1", with_main_run=True), "Hello")

    assert call("export", ID, "--as", form, "-o", tmp_path).status == 0

    assert name in {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "codex_thread-1.meta.json").exists() == (form == "picoclaw")


def test_standard_output_holds_the_export_and_nothing_else(call: Caller) -> None:
    session = make_session(id=ID, with_main_run=True)
    lines = b'{"a":"\xff\x00"}\r\n{"b":2}\n'
    make_source(session, lines)

    assert call("export", ID, "--as", "jsonl", "--raw").raw == lines
    assert call("export", ID, "--as", "jsonl").raw == b""
    assert call("export", ID, "--as", "markdown").text.startswith("# Fix the login form\n")


def test_raw_lines_of_several_files_are_told_apart_beside_the_output(call: Caller) -> None:
    session = make_session(id=ID)
    make_source(session, b"one\n", path="/a.jsonl", created_ms=1)
    make_source(session, b"two\n", path="/b.jsonl", created_ms=2)

    ended = call("export", ID, "--as", "jsonl", "--raw")

    assert ended.raw == b"one\ntwo\n"
    assert ended.errors.splitlines() == [
        "2 files, one after another:", "  4 bytes of /a.jsonl", "  4 bytes of /b.jsonl"
    ]  # fmt: skip


def test_what_was_left_out_is_listed_with_exit_status_one(call: Caller, tmp_path: Path) -> None:
    session = make_session(id=ID, with_main_run=True)
    make_run(session, parent=session.runs.get())

    ended = call("export", ID, "--as", "picoclaw", "-o", tmp_path, "--json")

    assert ended.status == 1
    assert ended.document["losses"] == [ended.errors.strip()]
    assert "1 subagent runs are left out" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--as", "asciicast"], "asciicast is for terminals. Its terminals: "),
        (["--as", "picoclaw"], "picoclaw keeps two files: name a file or folder with -o."),
        (["--as", "jsonl", "--json"], "--json has standard output: name a file or folder with -o."),
        (["--as", "markdown", "--raw"], "--raw goes with --as jsonl."),
        (["--as", "jsonl", "--raw"], "This session was not read from files"),
        (["--as", "picoclaw", "-o", "talk.txt"], "picoclaw reads files that end in .jsonl"),
        (["--as", "jsonl", "-o", "/nowhere/at/all.jsonl"], "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_exported_is_refused(call: Caller, arguments: list[str], said: str) -> None:
    make_terminal(make_session(id=ID))

    ended = call("export", ID, *arguments)

    assert (ended.status, ended.raw) == (2, b"")
    assert said in ended.errors
    assert ended.errors.count("\n") == 1


def test_a_terminal_has_forms_of_its_own(call: Caller) -> None:
    make_terminal(id=ID)

    assert call("export", ID, "--as", "jsonl").errors == (
        "scrollback: A terminal has no rows for jsonl: export it --as asciicast, asciicast2, asciicast1, text, ansi.\n"
    )
    session = make_session(with_main_run=True)
    assert "text is for terminals" in call("export", str(session.pk), "--as", "text").errors


@pytest.mark.parametrize(
    ("form", "beginning"),
    [
        ("asciicast", '{"version": 3'),
        ("asciicast2", '{"version": 2'),
        ("asciicast1", '{"version": 1'),
        ("text", "red"),
        ("ansi", "\x1b[31mred"),
    ],
)
def test_a_terminal_goes_out_in_each_of_them(call: Caller, tmp_path: Path, form: str, beginning: str) -> None:
    recorder = start_recorder()
    recorder.write(b"\x1b[31mred\x1b[0m\r\n")
    path = tmp_path / "out"
    assert call("export", str(recorder.terminal.pk), "--as", form, "-o", path).status == 0
    assert path.read_text().startswith(beginning)


def test_a_file_that_is_there_is_kept_unless_told_otherwise(call: Caller, tmp_path: Path) -> None:
    make_message(make_session(id=ID, with_main_run=True), "Hello")
    path = tmp_path / "mine.md"
    path.write_text("precious")

    refused = call("export", ID, "--as", "markdown", "-o", path)
    assert (refused.status, path.read_text()) == (2, "precious")
    assert not Entry.objects.filter(action="session.exported").exists()

    assert call("export", ID, "--as", "markdown", "-o", path, "--force").status == 0
    assert "Hello" in path.read_text()
    assert [file.name for file in tmp_path.iterdir()] == ["mine.md"]


def test_each_export_is_an_entry_of_whoever_types(call: Caller, tmp_path: Path) -> None:
    make_message(make_session(id=ID, with_main_run=True), "Hello")
    terminal = make_terminal(output=b"hi")

    call("export", ID, "--as", "jsonl")
    call("export", str(terminal.pk), "--as", "asciicast")

    session_entry, terminal_entry = Entry.objects.order_by("idx")
    assert (session_entry.action, session_entry.target_id) == ("session.exported", ID)
    assert json.loads(session_entry.body)["details"] == {"form": "jsonl", "through": 1}
    assert (terminal_entry.action, terminal_entry.target_id) == ("terminal.exported", str(terminal.pk))
    assert session_entry.actor_type == "command"


def test_what_cannot_be_recorded_is_not_exported(
    call: Caller, capsysbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_message(make_session(id=ID, with_main_run=True), "Hello")
    monkeypatch.setattr("audit.catalog.require", _refuse)

    for arguments in ((), ("-o", tmp_path / "session.jsonl")):
        with pytest.raises(RuntimeError), transaction.atomic():
            call("export", ID, "--as", "jsonl", *arguments)

    assert capsysbinary.readouterr().out == b""
    assert list(tmp_path.iterdir()) == []


def _refuse(action: str) -> None:
    raise RuntimeError(action)


def test_a_recording_comes_back_with_the_same_bytes_times_and_events(call: Caller, tmp_path: Path) -> None:
    noise = bytes(range(256)) * 40
    events: list[Event] = [
        Output(1_000, b"\x1b[31mred\x1b[0m\r\n"),
        Input(1_500, b"l\xffs\r"),
        Output(2_000, noise),
        Resize(3_000_001, 120, 50),
        Marker(3_000_002, "half \u2603"),
        Output(4_000_000, "caf\u00e9 \U0001f600".encode()),
        Output(4_000_001, b"\xed\xa0\x80\xf0\x9f"),
        Exit(5_000_000, 3),
    ]
    terminal = record_terminal(*events)
    before = (
        facts_of(terminal),
        read_bytes(terminal.pk, 0, terminal.size),
        without_splits(list(read_items(terminal))),
    )
    path = tmp_path / "noise.cast"

    assert call("export", "noise", "--as", "asciicast", "-o", path).status == 0

    again = import_alone(path)
    after = facts_of(again), read_bytes(again.pk, 0, again.size), without_splits(list(read_items(again)))
    assert after == before


@pytest.mark.parametrize("cast", CASTS, ids=lambda path: path.name)
def test_a_real_recording_comes_back_with_the_same_bytes(call: Caller, tmp_path: Path, cast: Path) -> None:
    terminal = import_alone(cast)
    before = facts_of(terminal), read_bytes(terminal.pk, 0, terminal.size)
    first, second = tmp_path / "first.cast", tmp_path / "second.cast"
    assert call("export", str(terminal.pk), "--as", "asciicast", "-o", first).status == 0

    again = import_alone(first)

    assert (facts_of(again), read_bytes(again.pk, 0, again.size)) == before
    assert call("export", str(again.pk), "--as", "asciicast", "-o", second).status == 0
    assert second.read_bytes().partition(b"\n")[2] == first.read_bytes().partition(b"\n")[2]
