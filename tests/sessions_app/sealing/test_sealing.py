"""What is sealed, when, and that nothing of it depends on how the work was cut up."""

import hashlib
import json
import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from audit.actors import SYSTEM
from audit.models import Entry
from audit.verification import verify
from dashboard.lib.clock import now_ms
from sessions_app.actions import sealing
from sessions_app.actions.background_sealing import BackgroundSealing
from sessions_app.actions.rewriting import Rewriting
from sessions_app.actions.sealing import (
    KeepsChanging,
    seal_session,
    seal_source,
    sessions_at_rest,
    sources_at_rest,
)
from sessions_app.actions.sessions import archive_session
from sessions_app.models import AgentSession, Blob, Event, Message, Source, SourceState, Status
from sessions_app.sealed_rows import FORM, UnreadableRows, read_piece
from tests.factories import (
    START_MS,
    make_blob,
    make_event,
    make_events,
    make_message,
    make_session,
    make_source,
    make_terminal,
    make_tool_call,
)

pytestmark = pytest.mark.django_db

HOUR_MS = 3_600_000


def session_of(rows: int, **fields: Any) -> AgentSession:
    session = make_session(**fields)
    make_events(session, [f"note {number}" for number in range(rows)])
    return session


def seal(session: AgentSession) -> list[int]:
    return list(seal_session(session.pk, actor=SYSTEM))


def details() -> list[dict[str, Any]]:
    bodies = Entry.objects.filter(action="session.sealed").order_by("idx").values_list("body", flat=True)
    return [json.loads(body)["details"] for body in bodies]


def spans() -> list[tuple[int, int]]:
    return [(piece["first_seq"], piece["last_seq"]) for entry in details() for piece in entry["pieces"]]


def sealed_seq(session: AgentSession) -> int:
    return AgentSession.objects.values_list("sealed_seq", flat=True).get(pk=session.pk)


def test_a_session_is_sealed_in_pieces_of_a_hundred_rows() -> None:
    session = session_of(230)
    assert seal(session) == [100, 100, 30]
    (entry,) = details()
    assert (entry["form"], entry["first_seq"], entry["last_seq"], entry["rows"]) == (FORM, 1, 230, 230)
    assert spans() == [(1, 100), (101, 200), (201, 230)]
    assert sealed_seq(session) == 230
    written = Entry.objects.get(action="session.sealed")
    assert (written.session_id, written.target_id, written.target_label) == (
        session.pk,
        str(session.pk),
        session.heading,
    )
    assert seal(session) == []


def test_what_is_appended_later_is_sealed_alone_and_later_pieces_end_where_the_others_do() -> None:
    session = session_of(130)
    seal(session)
    make_events(session, ["noted"] * 90)
    seal(session)
    assert spans() == [(1, 100), (101, 130), (131, 200), (201, 220)]
    assert verify().verdict("contents").outcome == "sound"


def test_an_event_of_the_console_itself_is_growth_like_any_other() -> None:
    session = session_of(3)
    seal(session)
    archive_session(session.pk, actor=SYSTEM)
    assert verify().verdict("contents").outcome == "sound"
    seal(session)
    assert spans() == [(1, 3), (4, 4)]


def test_the_hash_is_of_canonical_lines() -> None:
    """Whoever reads docs/audit-cover.md can make it again."""
    session = make_session()
    event = make_event(session, text='said "é"', document="{}")
    line = (
        f'{{"at_ms":{event.at_ms},"document":"{{}}","id":"{event.pk}","kind":"record.noted",'
        '"row":"event","run_id":null,"seq":1,"source_id":null,"source_line":null,"source_offset":null,'
        '"source_size":null,"subject_id":null,"text":"said \\"é\\"","turn":0}\n'
    )
    assert read_piece(session.pk, 1, 1).sha256 == hashlib.sha256(line.encode()).hexdigest()


def test_numbers_that_json_would_round_are_hashed_as_texts() -> None:
    session = session_of(1)
    hashes = set()
    for moment in (2**53, 2**53 + 1):
        Event.objects.update(at_ms=moment)
        hashes.add(read_piece(session.pk, 1, 1).sha256)
    assert len(hashes) == 2


def test_sealing_that_is_interrupted_goes_on_after_its_last_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "_PIECES_AN_ENTRY", 1)
    session = session_of(350)
    steps = seal_session(session.pk, actor=SYSTEM)
    assert [next(steps), next(steps), next(steps)] == [100, 100, 100]
    steps.close()
    # The third piece was hashed, and its entry not yet written.
    assert (sealed_seq(session), spans()) == (200, [(1, 100), (101, 200)])
    assert verify().verdict("contents").outcome == "sound"
    assert seal(session) == [100, 50]
    assert spans() == [(1, 100), (101, 200), (201, 300), (301, 350)]
    Event.objects.filter(seq=250).update(text="x")
    assert "rows 201 to 300 one was changed" in verify().verdict("contents").text


def test_a_seal_and_its_entry_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(3)

    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("the log takes nothing")

    monkeypatch.setattr(sealing, "record", refuse)
    with pytest.raises(RuntimeError), transaction.atomic():
        seal(session)
    assert (sealed_seq(session), details()) == (0, [])


def test_rows_that_are_rewritten_while_they_are_hashed_are_hashed_again() -> None:
    session = session_of(150)
    message = make_message(session, "Ready")
    steps = seal_session(session.pk, actor=SYSTEM)
    next(steps), next(steps)
    Message.objects.filter(pk=message.pk).update(text="Ready, and done")
    rewriting = Rewriting()
    rewriting.note(session.pk, message.seq, "it grew")
    assert rewriting.unseal(SYSTEM) == []
    assert list(steps) == [100, 51]
    assert verify().verdict("contents").outcome == "sound"
    assert len(details()) == 1


def test_what_never_keeps_still_is_given_up() -> None:
    session = session_of(2)
    steps = seal_session(session.pk, actor=SYSTEM)

    def follow() -> None:
        for _ in steps:
            rewriting = Rewriting()
            rewriting.note(session.pk, 1, "it grew")
            rewriting.unseal(SYSTEM)

    with pytest.raises(KeepsChanging):
        follow()
    assert details() == []


def test_two_that_seal_the_same_session_leave_one_seal() -> None:
    session = session_of(120)
    first = seal_session(session.pk, actor=SYSTEM)
    next(first)
    seal(session)
    assert list(first) == [20]
    assert spans() == [(1, 100), (101, 120)]


def test_a_session_with_a_damaged_body_is_not_sealed() -> None:
    session = make_session()
    call = make_tool_call(session, output="x" * 5_000)
    blob = call.output_blob
    assert blob is not None
    type(blob).objects.filter(pk=blob.pk).update(data=make_blob(b"something else").data)
    with pytest.raises(UnreadableRows, match="the output of row 1 was changed or is gone"):
        seal(session)
    assert details() == []


def test_lines_are_sealed_as_they_come() -> None:
    source = make_source(lines=b'{"a": 1}\n' * 10)
    assert list(seal_source(source.pk, actor=SYSTEM)) == [90]
    assert list(seal_source(source.pk, actor=SYSTEM)) == []
    entry = json.loads(Entry.objects.get(action="source.sealed").body)["details"]
    assert (entry["offset"], entry["size"], len(entry["pieces"])) == (0, 90, 1)
    assert Source.objects.get().sealed_size == 90


# ── When ─────────────────────────────────────────────────────────────────────────────────────────────────
NOW_MS = START_MS + 1_000 * HOUR_MS
REST_MS = 24 * HOUR_MS


@pytest.mark.parametrize(
    ("status", "activity", "updated", "is_due"),
    [
        (Status.COMPLETED, 0, 30_000, False),
        (Status.COMPLETED, 0, 61_000, True),
        (Status.FAILED, 0, 61_000, True),
        (Status.CANCELLED, 0, 61_000, True),
        (Status.RUNNING, 61_000, 61_000, False),
        (Status.IDLE, 23 * HOUR_MS, 23 * HOUR_MS, False),
        (Status.IDLE, 25 * HOUR_MS, 61_000, True),
        (Status.UNFINISHED, 25 * HOUR_MS, 30_000, False),
        # The record's own clock is ahead.
        (Status.IDLE, -HOUR_MS, 25 * HOUR_MS, True),
    ],
)
def test_a_session_is_at_rest_when_it_has_ended_or_had_nothing_new_for_long(
    status: Status, activity: int, updated: int, is_due: bool
) -> None:
    session = session_of(1)
    AgentSession.objects.filter(pk=session.pk).update(
        status=status, last_activity_ms=NOW_MS - activity, updated_ms=NOW_MS - updated
    )
    assert sessions_at_rest(NOW_MS, REST_MS).exists() is is_due
    AgentSession.objects.filter(pk=session.pk).update(sealed_seq=1)
    assert not sessions_at_rest(NOW_MS, REST_MS).exists()


@pytest.mark.parametrize(
    ("state", "modified", "read", "is_due"),
    [
        (SourceState.LIVE, HOUR_MS, HOUR_MS, False),
        (SourceState.LIVE, 25 * HOUR_MS, 30_000, False),
        (SourceState.LIVE, 25 * HOUR_MS, 61_000, True),
        (SourceState.LIVE, -HOUR_MS, 25 * HOUR_MS, True),
        (SourceState.TRUNCATED, HOUR_MS, HOUR_MS, True),
        (SourceState.DELETED, HOUR_MS, HOUR_MS, True),
    ],
)
def test_a_source_is_at_rest_when_it_is_gone_or_had_nothing_new_for_long(
    state: SourceState, modified: int, read: int, is_due: bool
) -> None:
    source = make_source(modified_ns=(NOW_MS - modified) * 1_000_000, read_ms=NOW_MS - read, state=state)
    assert sources_at_rest(NOW_MS, REST_MS).exists() is is_due
    Source.objects.filter(pk=source.pk).update(sealed_size=source.read_offset)
    assert not sources_at_rest(NOW_MS, REST_MS).exists()


def test_an_index_leads_to_what_is_to_be_sealed() -> None:
    sessions = sessions_at_rest(NOW_MS, REST_MS).order_by("updated_ms")[:50]
    sources = sources_at_rest(NOW_MS, REST_MS).order_by("read_ms")[:50]
    if connection.vendor == "sqlite":
        assert "session_unsealed" in sessions.explain()
        assert "source_unsealed" in sources.explain()


def rest(session: AgentSession) -> None:
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=START_MS, last_activity_ms=START_MS)


def test_the_server_seals_whatever_is_at_rest() -> None:
    resting, working = session_of(120), session_of(5, status=Status.RUNNING)
    rest(resting)
    make_source(resting)
    BackgroundSealing().seal_what_rests()
    assert (sealed_seq(resting), sealed_seq(working)) == (120, 0)
    assert Source.objects.get().sealed_size == Source.objects.get().read_offset
    assert set(Entry.objects.values_list("actor_type", flat=True)) == {"system"}
    assert verify().verdict("contents").outcome == "sound"


def test_the_server_seals_after_as_many_hours_as_are_set(settings: Settings) -> None:
    session = session_of(1, status=Status.IDLE)
    moment = now_ms() - 2 * HOUR_MS
    AgentSession.objects.filter(pk=session.pk).update(updated_ms=moment, last_activity_ms=moment)
    settings.SEAL_AFTER_MS = 3 * HOUR_MS
    BackgroundSealing().seal_what_rests()
    assert sealed_seq(session) == 0
    settings.SEAL_AFTER_MS = HOUR_MS
    BackgroundSealing().seal_what_rests()
    assert sealed_seq(session) == 1


def test_one_damaged_session_does_not_keep_the_others_from_being_sealed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    damaged, sound = make_session(), session_of(3)
    call = make_tool_call(damaged, output="x" * 5_000)
    Blob.objects.filter(pk=call.output_blob_id).update(data=b"")
    rest(damaged)
    rest(sound)
    background = BackgroundSealing()
    with caplog.at_level(logging.WARNING):
        background.seal_what_rests()
        background.seal_what_rests()
    assert (sealed_seq(damaged), sealed_seq(sound)) == (0, 3)
    # It is told once, and left alone for an hour.
    assert [str(damaged.pk) in record.message for record in caplog.records] == [True]


# ── The command ──────────────────────────────────────────────────────────────────────────────────────────
def run_seal(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()
    call_command("audit", "seal", *arguments, "--json")
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_the_command_seals_one_session_with_its_lines_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    working, other = session_of(4, status=Status.RUNNING), session_of(5)
    make_source(working, lines=b"{}\n" * 7)
    found = run_seal(capsys, str(working.pk))
    assert found == {"sessions": 1, "rows": 4, "bytes": 21, "errors": {}}
    assert (sealed_seq(working), sealed_seq(other)) == (4, 0)
    assert set(Entry.objects.values_list("actor_type", flat=True)) == {"command"}


def test_the_command_seals_all_that_is_at_rest(capsys: pytest.CaptureFixture[str]) -> None:
    resting, working = session_of(4), session_of(5, status=Status.RUNNING)
    rest(resting)
    assert run_seal(capsys)["rows"] == 4
    assert (sealed_seq(resting), sealed_seq(working)) == (4, 0)


def test_the_command_says_what_it_cannot_seal(capsys: pytest.CaptureFixture[str]) -> None:
    session = make_session()
    call = make_tool_call(session, output="x" * 5_000)
    Blob.objects.filter(pk=call.output_blob_id).update(data=b"")
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "seal", str(session.pk))
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert f"{session.pk} cannot be sealed: the output of row 1 was changed or is gone." in said


def test_the_command_refuses_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = make_terminal()
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "seal", str(terminal.pk))
    assert ended.value.code == 2
    assert "sealed as it is recorded" in capsys.readouterr().err
