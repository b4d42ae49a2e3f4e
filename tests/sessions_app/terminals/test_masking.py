"""Secrets in what comes in: masked before anything keeps them, whoever sends them and however it is cut."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.test import Client
from pytest_django import Settings

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.group_commit import GroupCommit
from dashboard.lib.ids import new_id
from sessions_app.actions.terminals import NewTerminal, append_output, masking, open_terminal, output
from sessions_app.actions.terminals.masking import mask_events
from sessions_app.actions.terminals.reading import read_bytes, read_items
from sessions_app.importers.pipeline import Importer
from sessions_app.models import SourceChunk, Terminal, TerminalEvent, TerminalState
from sessions_app.models.blob import unpack
from sessions_app.terminal.asciicast.model import Input, Marker, Output
from sessions_app.terminal.batch import Batch, Position
from sessions_app.terminal.masking.policy import read_policy
from tests.factories import START_MS, make_person
from tests.sessions_app.terminal.masking.secrets import SECRETS, WAYS
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db

TOKENS = [secret for secret in SECRETS if b"\n" not in secret.body]
TOKEN = next(secret for secret in SECRETS if secret.rule == "github-token")
SHOWN = b"$ echo $TOKEN\r\n" + TOKEN.whole + b"\r\n$ "


def output_of(terminal: Terminal) -> bytes:
    terminal.refresh_from_db()
    return read_bytes(terminal.pk, 0, terminal.size)


def stored_bytes() -> Iterator[bytes]:
    """Everything that the database holds, compressed columns as they are and as they were."""
    for model in apps.get_models():
        for values in model._default_manager.values_list():
            yield from (
                bytes(value) if isinstance(value, memoryview | bytes) else str(value).encode()
                for value in values
            )
        if {"codec", "data", "size"} <= {field.name for field in model._meta.get_fields()}:
            for data, codec, size in model._default_manager.values_list("data", "codec", "size"):
                yield unpack(bytes(data), codec, size)


def is_stored(needle: bytes) -> bool:
    return any(needle in value for value in stored_bytes())


def test_what_a_program_sends_unmasked_is_masked_before_it_is_stored() -> None:
    recorder = start_recorder()
    recorder.write(SHOWN)
    output = output_of(recorder.terminal)
    assert TOKEN.body not in output
    assert len(output) == len(SHOWN)
    assert TOKEN.public in output
    assert recorder.terminal.masked_by == {"github-token": 1}
    assert recorder.terminal.masked_count == 1
    assert not is_stored(TOKEN.body[:12])


@pytest.mark.parametrize("size", [1, 5, 17])
def test_a_token_that_comes_in_pieces_shows_nothing_of_its_body(size: int) -> None:
    recorder = start_recorder()
    for start in range(0, len(SHOWN), size):
        position = recorder.write(SHOWN[start : start + size])
        # Nothing that is acknowledged is held back.
        assert position.offset == min(start + size, len(SHOWN))
    output = output_of(recorder.terminal)
    assert output.endswith(b"\r\n$ ")
    assert not any(TOKEN.body[at : at + 4] in output for at in range(len(TOKEN.body) - 4))
    assert recorder.terminal.masked_count >= 1


def test_what_the_recorder_has_masked_is_counted_and_not_looked_at_again() -> None:
    recorder = start_recorder()
    batch = Batch(Position(), [Output(1, SHOWN)], masked={"known-value": 2, "jwt": 1})
    append_output(recorder.terminal.pk, batch, actor=SYSTEM)
    assert output_of(recorder.terminal) == SHOWN
    assert recorder.terminal.masked_by == {"known-value": 2, "jwt": 1}
    assert recorder.terminal.masked_count == 3


def test_what_was_masked_here_stays_counted_when_the_recorder_masks_what_follows() -> None:
    recorder = start_recorder()
    position = recorder.write(SHOWN)
    told: tuple[dict[str, int], dict[str, int]]
    for told in (({}, {"github-token": 1}), ({"github-token": 2, "jwt": 1}, {"github-token": 2, "jwt": 1})):
        batch = Batch(position, [Output(2, b"more")], masked=told[0])
        position = append_output(recorder.terminal.pk, batch, actor=SYSTEM)
        assert recorder.refresh().masked_by == told[1]


def test_the_log_says_once_which_kinds_were_masked() -> None:
    recorder = start_recorder()
    recorder.write(SHOWN)
    recorder.write(SHOWN)
    assert not Entry.objects.filter(action="secret.masked").exists()
    recorder.exit(0)
    [entry] = Entry.objects.filter(action="secret.masked")
    body = json.loads(entry.body)
    assert body["details"] == {"rules": {"github-token": 2}, "secrets": 2}
    assert entry.target_id == str(recorder.terminal.pk)
    quiet = start_recorder()
    quiet.write(b"nothing here\r\n")
    quiet.exit(0)
    assert Entry.objects.filter(action="secret.masked").count() == 1


def test_the_page_says_how_many(client: Client) -> None:
    recorder = start_recorder()
    client.force_login(make_person())
    address = f"/terminals/{recorder.terminal.pk}/"
    assert b"masked" not in client.get(address).content
    recorder.write(SHOWN)
    page = client.get(address).content.decode()
    assert '<span title="github-token: 1"><b>1</b> secret masked</span>' in page


def test_what_was_typed_and_markers_are_masked_too() -> None:
    recorder = start_recorder()
    recorder.send(
        Input(1, b"export T=" + TOKEN.whole[:10]),
        Input(2, TOKEN.whole[10:] + b"\r"),
        Marker(3, "with " + TOKEN.whole.decode()),
    )
    typed = b"".join(bytes(event.data) for event in TerminalEvent.objects.order_by("number"))
    assert typed.startswith(b"export T=" + TOKEN.public)
    assert typed.endswith(b"\r")
    assert recorder.refresh().event_count == 3
    assert recorder.terminal.masked_by == {"github-token": 2}
    assert not is_stored(TOKEN.body[:12])


def test_title_command_and_environment_are_masked() -> None:
    secret = TOKEN.whole.decode()
    new = NewTerminal(
        id=new_id(),
        started_ms=START_MS,
        title=f"with {secret}",
        command=["curl", "-H", f"Authorization: Bearer {secret}"],
        cwd=f"/home/{secret}",
        environment={"SHELL": secret},
    )
    terminal, is_new = open_terminal(new, actor=SYSTEM)
    again, is_new_again = open_terminal(new, actor=SYSTEM)
    assert (is_new, is_new_again, again.pk) == (True, False, terminal.pk)
    assert f"{TOKEN.public.decode()}[github-token:" in terminal.command
    assert not is_stored(TOKEN.body[:12])


def test_masking_can_be_switched_off_and_rules_be_added(settings: Settings) -> None:
    settings.MASKING = read_policy({"secrets": {"mask": False}}, "", {})
    recorder = start_recorder()
    recorder.write(SHOWN)
    assert output_of(recorder.terminal) == SHOWN
    settings.MASKING = read_policy({"secrets": {"patterns": {"ticket": "TICKET-[0-9]{12}"}}}, "", {})
    recorder = start_recorder()
    recorder.write(b"TICKET-123456789012 x\r\n")
    output = output_of(recorder.terminal)
    assert (output[:8], output[16:]) == (b"TICKET-[", b"]** x\r\n")
    assert recorder.terminal.masked_by == {"ticket": 1}


def cast_of(*writes: bytes, title: str = "a cast") -> str:
    header = {"version": 2, "width": 80, "height": 24, "timestamp": START_MS // 1000, "title": title}
    lines = [json.dumps(header)]
    lines += [json.dumps([number / 1000, "o", data.decode()]) for number, data in enumerate(writes)]
    return "".join(f"{line}\n" for line in lines)


def run_import(path: Path, *, following: bool = False) -> Terminal:
    report = Importer(SYSTEM, following=following).import_paths([str(path)])
    assert not report.errors
    return Terminal.objects.get()


@pytest.mark.parametrize("version", ["lines", "document"])
def test_an_imported_recording_keeps_no_secret_anywhere(tmp_path: Path, version: str) -> None:
    path = tmp_path / "a.cast"
    writes = [b"x\r\n", *(way(TOKEN.whole) + b" \r\n" for way in WAYS)]
    writes += [b"%c" % byte for byte in TOKEN.whole] + [b"\r\n"]
    if version == "lines":
        path.write_text(cast_of(*writes, title=f"see {TOKEN.whole.decode()}"))
    else:
        stdout = [[0.001, data.decode()] for data in writes]
        path.write_text(json.dumps({"version": 1, "width": 80, "height": 24, "stdout": stdout}))
    terminal = run_import(path)
    output = read_bytes(terminal.pk, 0, terminal.size)
    assert len(output) == sum(map(len, writes))
    assert terminal.masked_by == {"github-token": len(WAYS) + 1}
    assert not is_stored(TOKEN.body)
    assert not is_stored(TOKEN.body[:12])
    assert Entry.objects.filter(action="secret.masked").count() == 1
    raw = b"".join(chunk.read() for chunk in SourceChunk.objects.order_by("offset"))
    assert len(raw) == path.stat().st_size


def test_a_recording_that_grows_in_the_middle_of_a_token_goes_on_masked(tmp_path: Path) -> None:
    path = tmp_path / "a.cast"
    head = cast_of(b"$ " + TOKEN.whole[:20])
    path.write_text(head)
    run_import(path, following=True)
    path.write_text(head + json.dumps([0.5, "o", TOKEN.whole[20:].decode() + " shown\r\n"]) + "\n")
    terminal = run_import(path, following=True)
    output = read_bytes(terminal.pk, 0, terminal.size)
    assert output == b"$ " + TOKEN.public + b"*" * 36 + b" shown\r\n"
    assert terminal.state == TerminalState.LIVE
    assert not is_stored(TOKEN.body[:12])
    assert not is_stored(TOKEN.body[-12:])


def resized(cols: int) -> str:
    return json.dumps([0.4, "r", f"{cols}x24"]) + "\n"


def written(data: bytes) -> str:
    return json.dumps([0.5, "o", data.decode()]) + "\n"


@pytest.mark.parametrize("is_read_twice", [False, True], ids=["at once", "in two passes"])
@pytest.mark.parametrize("start", [64, 84, 96])
def test_a_token_is_whole_that_was_broken_in_the_width_after_a_resize(
    tmp_path: Path, start: int, is_read_twice: bool
) -> None:
    path = tmp_path / "a.cast"
    line = b"." * start + TOKEN.whole
    broken = [line[at : at + 100] for at in range(0, len(line), 100)]
    head = cast_of(b"80 columns\r\n") + resized(100)
    if is_read_twice:
        path.write_text(head)
        run_import(path, following=True)
    path.write_text(head + written(b"\r\n".join(broken) + b" shown\r\n"))
    terminal = run_import(path, following=is_read_twice)
    output = read_bytes(terminal.pk, 0, terminal.size)
    assert output.startswith(b"80 columns\r\n" + b"." * start)
    assert output.endswith(b" shown\r\n")
    assert terminal.masked_by == {"github-token": 1}
    assert not any(is_stored(TOKEN.body[at : at + 6]) for at in range(0, len(TOKEN.body) - 6, 3))


def test_a_token_that_is_broken_where_the_window_is_resized_goes_on_masked(tmp_path: Path) -> None:
    path = tmp_path / "a.cast"
    first = b"." * 60 + TOKEN.whole[:20] + b"\r\n"
    rest = TOKEN.whole[20:] + b" shown\r\n"
    path.write_text(cast_of(first) + resized(100) + written(rest))
    terminal = run_import(path)
    assert read_bytes(terminal.pk, 0, terminal.size) == (
        b"." * 60 + TOKEN.public + b"*" * 16 + b"\r\n" + b"*" * 20 + b" shown\r\n"
    )


def test_a_batch_that_ends_where_a_token_is_broken_goes_on_masked_in_the_next(tmp_path: Path) -> None:
    path = tmp_path / "a.cast"
    head = cast_of(b"80 columns\r\n") + resized(100) + written(b"." * 80 + TOKEN.whole[:20] + b"\r\n")
    path.write_text(head)
    run_import(path, following=True)
    path.write_text(head + written(TOKEN.whole[20:] + b" shown\r\n"))
    terminal = run_import(path, following=True)
    assert read_bytes(terminal.pk, 0, terminal.size).endswith(b"\r\n" + b"*" * 20 + b" shown\r\n")


def test_a_password_in_an_address_is_masked_before_its_end_is_there() -> None:
    recorder = start_recorder()
    for piece in (
        b"see postgres://app:hu",
        b"nter2-hu",
        b"nter2",
        b"@db:5432/main http://web:80",
        b"80/x\r\n",
    ):
        recorder.write(piece)
    assert output_of(recorder.terminal) == (
        b"see postgres://app:hu" + b"*" * 13 + b"@db:5432/main http://web:8080/x\r\n"
    )
    assert recorder.terminal.masked_by == {"url-password": 1}


def test_a_secret_in_the_header_alone_is_not_kept_either(tmp_path: Path) -> None:
    path = tmp_path / "a.cast"
    path.write_text(cast_of(b"nothing\r\n", title=f"see {TOKEN.whole.decode()}"))
    terminal = run_import(path)
    assert terminal.title.startswith(f"see {TOKEN.public.decode()}[github-token:")
    assert not is_stored(TOKEN.body[:12])


def test_a_recording_without_secrets_keeps_its_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.cast"
    path.write_text(cast_of(b"one\r\n", b"two\r\n"))
    terminal = run_import(path)
    assert read_bytes(terminal.pk, 0, terminal.size) == b"one\r\ntwo\r\n"
    assert b"".join(chunk.read() for chunk in SourceChunk.objects.order_by("offset")) == path.read_bytes()
    assert not Entry.objects.filter(action="secret.masked").exists()


def test_every_kind_is_masked_at_the_servers_end() -> None:
    recorder = start_recorder()
    for secret in TOKENS:
        recorder.write(b" " + secret.whole[: len(secret.whole) // 2])
        recorder.write(secret.whole[len(secret.whole) // 2 :] + b" \r\n")
    output = output_of(recorder.terminal)
    shown = [secret for secret in TOKENS if secret.body[-12:] in output or secret.body[:12] in output]
    assert shown == []


# In a thread that others wait for


def test_masking_holds_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a transaction, as a request has it; this test's own is put aside."""
    recorder, seen = start_recorder(), list[bool]()
    commits = GroupCommit[Any, Any](output._append_all, most_at_once=1)
    inside = threading.local()

    def append_all(appends: Any) -> Any:
        inside.now = True
        try:
            return output._append_all(appends)
        finally:
            inside.now = False

    def mask(*given: Any) -> Any:
        seen.append(getattr(inside, "now", False))
        return mask_events(*given)

    monkeypatch.setattr(commits, "_write", append_all)
    monkeypatch.setattr(output, "_commits", commits)
    monkeypatch.setattr(output, "mask_events", mask)
    recorder.write(SHOWN)
    assert seen == [False]
    assert not is_stored(TOKEN.body[:12])


def test_what_takes_long_to_mask_is_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "MASKING_S", 0.0)
    recorder = start_recorder()
    # The token lies across the place where the first part ends.
    shown = b"x" * 16_370 + b"\r\n" + TOKEN.whole + b"\r\n" + b"y" * 40_000
    batch = Batch(Position(), [Output(7, shown), Marker(8, "end"), Output(9, b"z")])
    reached = list[Position]()
    while not reached or reached[-1] != Position(len(shown) + 1, 1):
        reached.append(append_output(recorder.terminal.pk, batch, actor=SYSTEM))
    assert [position.offset for position in reached[:3]] == [16_384, 32_768, 49_152]
    assert len(reached) == 6
    stored = output_of(recorder.terminal)
    assert len(stored) == len(shown) + 1
    assert stored.startswith(b"x" * 16_370)
    assert stored.endswith(b"y" * 40_000 + b"z")
    assert not any(TOKEN.body[at : at + 4] in stored for at in range(len(TOKEN.body) - 4))


def test_one_write_of_the_program_stays_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "MASKING_S", 60.0)
    recorder = start_recorder()
    large = b"x" * 100_000 + b"\r\n" + TOKEN.whole + b"\r\n"
    recorder.send(Output(1, b"a"), Output(2, large), Output(2, b"b"), Marker(3, "m"), Output(4, large))
    written = [len(event.data) for event in read_items(recorder.refresh()) if isinstance(event, Output)]
    assert written == [1, len(large), 1, len(large)]
    assert recorder.terminal.masked_by == {"github-token": 2}


def test_what_was_masked_behind_an_end_that_moved_on_is_masked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder, tries = start_recorder(), list[int]()

    def mask(terminal: Terminal, events: Any, detector: Any) -> Any:
        masked = mask_events(terminal, events, detector)
        tries.append(terminal.size)
        if len(tries) == 1:
            # Another request stores the first half of the token meanwhile.
            batch = Batch(Position(), [Output(1, SHOWN[:30])])
            assert append_output(recorder.terminal.pk, batch, actor=SYSTEM) == Position(30, 0)
        return masked

    monkeypatch.setattr(output, "mask_events", mask)
    assert recorder.write(SHOWN) == Position(len(SHOWN), 0)
    # The other one's own look lies between.
    assert tries == [0, 0, 30]
    stored = output_of(recorder.terminal)
    assert len(stored) == len(SHOWN)
    assert not any(TOKEN.body[at : at + 4] in stored for at in range(len(TOKEN.body) - 4))
