"""Every action that changes state, done once, with the entries that it has to leave.

A scenario prepares what its action needs and returns the action itself; `covers` names the units of
sessions_app/actions that it walks. tests/audit/coverage/test_walk.py fails for a writing unit that nobody covers.
"""

import json
import tempfile
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.test import Client

from audit import holds, pruning, reading
from audit.actors import Actor
from audit.new_key import replace_key
from audit.query import Query
from audit.reading import note_reading
from audit.record import Attachment, record
from audit.signing import tree_head, write_checkpoint
from audit.verification import verify_and_record
from dashboard.lib.clock import now_ms
from dashboard.lib.db import write_transaction
from dashboard.lib.ids import first_id, new_id
from sessions_app.actions import (
    backups,
    console_settings,
    denials,
    exports,
    people,
    reports,
    saved_views,
    sealing,
    sessions,
    setup,
    sign_in,
    sources,
    tokens,
)
from sessions_app.actions.background_sealing import BackgroundSealing
from sessions_app.actions.terminals import add_marker, mark_lost, seal, write_recording
from sessions_app.audit_actions import REPORTED
from sessions_app.drafts import TerminalDraft
from sessions_app.importers.pipeline import Importer
from sessions_app.models import AgentSession, Role, Scope, Status, TerminalState
from tests.factories import (
    PASSWORD,
    START_MS,
    make_message,
    make_note,
    make_person,
    make_saved_view,
    make_session,
    make_source,
    make_star,
    make_tag,
    make_terminal,
)
from tests.sessions_app.terminals.recorder import start_recorder

ADA: Final = Actor("person", "7", "ada")
type Act = Callable[[], object]


@dataclass(frozen=True)
class Scenario:
    prepare: Callable[[], Act]
    covers: tuple[str, ...]
    # The actions of the entries that it leaves, in their order.
    entries: tuple[str, ...]


SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(*covers: str, entries: tuple[str, ...]) -> Callable[[Callable[[], Act]], Callable[[], Act]]:
    def keep(prepare: Callable[[], Act]) -> Callable[[], Act]:
        SCENARIOS[prepare.__name__] = Scenario(prepare, covers, entries)
        return prepare

    return keep


# ── People, sign-ins, tokens ─────────────────────────────────────────────────────────────────────────────
@scenario("people.create_person", "people.insert_person", entries=("person.created",))
def add_person() -> Act:
    return lambda: people.create_person("grace", Role.VIEWER, actor=ADA)


@scenario("people.change_role", entries=("person.role_changed",))
def change_role() -> Act:
    person = make_person(Role.VIEWER)
    return lambda: people.change_role(person.pk, Role.AUDITOR, actor=ADA)


@scenario("people.disable_person", entries=("person.disabled",))
def disable() -> Act:
    person = make_person(Role.VIEWER)
    return lambda: people.disable_person(person.pk, actor=ADA)


@scenario("people.enable_person", entries=("person.enabled",))
def enable() -> Act:
    person = make_person(Role.VIEWER, is_active=False)
    return lambda: people.enable_person(person.pk, actor=ADA)


@scenario("people.change_password", "people.put_password", entries=("person.password_changed",))
def change_password() -> Act:
    person = make_person()
    return lambda: people.change_password(person.pk, PASSWORD, actor=ADA)


@scenario("people.sign_out_everywhere", entries=("sign_in.revoked",))
def sign_out_everywhere() -> Act:
    person = make_person()
    return lambda: people.sign_out_everywhere(person.pk, actor=ADA)


@scenario("people.rename_person", entries=("person.renamed",))
def rename_person() -> Act:
    person = make_person()
    return lambda: people.rename_person(person.pk, "Ada L.", actor=ADA)


@scenario("setup.issue_setup_link", entries=("setup.offered",))
def offer_setup() -> Act:
    return setup.issue_setup_link


@scenario("setup.create_first_operator", entries=("person.created", "setup.completed"))
def complete_setup() -> Act:
    path = setup.issue_setup_link()
    assert path is not None
    token = path.split("/")[2]
    return lambda: setup.create_first_operator(token, "ada", PASSWORD)


@scenario("setup.invite", entries=("person.invited",))
def invite() -> Act:
    person = make_person()
    return lambda: setup.invite(person, actor=ADA)


@scenario("setup.choose_password", entries=("person.password_changed",))
def choose_password() -> Act:
    token = setup.invite(make_person(), actor=ADA).split("/")[2]
    return lambda: setup.choose_password(token, PASSWORD)


@scenario("sign_in.sign_in", entries=("sign_in.succeeded",))
def sign_in_well() -> Act:
    make_person(username="ada", password=PASSWORD)
    return lambda: sign_in.sign_in("ada", PASSWORD, address="192.0.2.1")


@scenario("sign_in.sign_in", entries=("sign_in.failed",))
def sign_in_badly() -> Act:
    make_person(username="ada", password=PASSWORD)

    def act() -> None:
        try:
            sign_in.sign_in("ada", "wrong", address="192.0.2.1")
        except sign_in.WrongCredentials:
            return
        raise AssertionError("it was let in")

    return act


@scenario("sign_in.check_current_password", entries=("password.refused",))
def give_wrong_password() -> Act:
    person = make_person(password=PASSWORD)
    return lambda: sign_in.check_current_password(person, "wrong", address="192.0.2.1")


@scenario(entries=("sign_out.completed",))
def sign_out() -> Act:
    person = make_person()
    return lambda: sign_in.record_sign_out(person)


@scenario(entries=("sign_in.expired",))
def be_signed_out_by_time() -> Act:
    person = make_person()
    return lambda: sign_in.record_sign_out(person, expired=True)


@scenario("tokens.create_token", entries=("token.created",))
def create_token() -> Act:
    owner = make_person()
    return lambda: tokens.create_token(owner, "build box", [Scope.READ], actor=ADA)


@scenario("tokens.revoke_token", entries=("token.revoked",))
def revoke_token() -> Act:
    token, _ = tokens.create_token(make_person(), "build box", [Scope.READ], actor=ADA)
    return lambda: tokens.revoke_token(token, actor=ADA)


@scenario("tokens.authenticate_token", entries=("token.used",))
def use_token() -> Act:
    _, text = tokens.create_token(make_person(), "build box", [Scope.READ], actor=ADA)
    return lambda: tokens.authenticate_token(text)


@scenario("tokens.ensure_agent_token", entries=("person.created", "token.created"))
def make_agent_token() -> Act:
    tokens.agent_token_path().unlink(missing_ok=True)
    return tokens.ensure_agent_token


@scenario(entries=("request.denied",))
def be_denied() -> Act:
    limit = denials.DenialLimit()
    return lambda: denials.note_denied("POST", "/settings/people/", "administer", actor=ADA, limit=limit)


@scenario(entries=("sign_in.delayed",))
def be_told_to_wait() -> Act:
    limit = denials.DenialLimit()
    return lambda: denials.note_delayed(ADA, None, address="192.0.2.1", limit=limit)


# ── Sessions ─────────────────────────────────────────────────────────────────────────────────────────────
@scenario("sessions.archive_session", entries=("session.archived",))
def archive() -> Act:
    session = make_session()
    return lambda: sessions.archive_session(session.pk, actor=ADA)


@scenario("sessions.unarchive_session", entries=("session.unarchived",))
def unarchive() -> Act:
    session = make_session(archived_ms=START_MS)
    return lambda: sessions.unarchive_session(session.pk, actor=ADA)


@scenario("sessions.delete_session", entries=("session.deleted",))
def delete_session() -> Act:
    session = make_session()
    return lambda: sessions.delete_session(session.pk, actor=ADA)


@scenario("sessions.restore_session", entries=("session.restored",))
def restore_session() -> Act:
    session = make_session(deleted_ms=START_MS)
    return lambda: sessions.restore_session(session.pk, actor=ADA)


@scenario("sessions.rename_session", "findable.make_findable", entries=("session.renamed",))
def rename_session() -> Act:
    session = make_session()
    return lambda: sessions.rename_session(session.pk, "Another title", actor=ADA)


@scenario("sessions.tag_session", entries=("session.tagged",))
def tag() -> Act:
    session = make_session()
    return lambda: sessions.tag_session(session.pk, "slow", actor=ADA)


@scenario("sessions.untag_session", entries=("session.untagged",))
def untag() -> Act:
    session = make_session()
    make_tag(session, "slow")
    return lambda: sessions.untag_session(session.pk, "slow", actor=ADA)


@scenario("sessions.star_session", entries=("session.starred",))
def star() -> Act:
    session, person = make_session(), make_person()
    return lambda: sessions.star_session(session.pk, person, actor=ADA)


@scenario("sessions.unstar_session", entries=("session.unstarred",))
def unstar() -> Act:
    session, person = make_session(), make_person()
    make_star(person, session)
    return lambda: sessions.unstar_session(session.pk, person, actor=ADA)


@scenario("sessions.add_note", entries=("note.added",))
def add_note() -> Act:
    session, person = make_session(), make_person()
    return lambda: sessions.add_note(session.pk, "Look here.", author=person, actor=ADA)


@scenario("sessions.delete_note", entries=("note.deleted",))
def delete_note() -> Act:
    session, person = make_session(), make_person()
    note = make_note(person, session)
    return lambda: sessions.delete_note(session.pk, note.pk, author=person, actor=ADA)


@scenario("sessions.restore_note", entries=("note.restored",))
def restore_note() -> Act:
    session, person = make_session(), make_person()
    note = make_note(person, session, deleted_ms=START_MS)
    return lambda: sessions.restore_note(session.pk, note.pk, author=person, actor=ADA)


@scenario(entries=("session.exported",))
def export_session() -> Act:
    session = make_session()
    return lambda: exports.note_session_export(session, "markdown", actor=ADA)


@scenario("saved_views.save_view", entries=("saved_view.saved",))
def save_view() -> Act:
    person = make_person()
    return lambda: saved_views.save_view("sessions", "Failed", "status=failed", person=person)


@scenario("saved_views.rename_saved_view", entries=("saved_view.renamed",))
def rename_view() -> Act:
    person = make_person()
    view = make_saved_view(person)
    return lambda: saved_views.rename_saved_view(view.pk, "Slow", person=person)


@scenario("saved_views.delete_saved_view", entries=("saved_view.deleted",))
def delete_view() -> Act:
    person = make_person()
    view = make_saved_view(person)
    return lambda: saved_views.delete_saved_view(view.pk, person=person)


# ── Terminals ────────────────────────────────────────────────────────────────────────────────────────────
@scenario(
    "terminals.opening.open_terminal", "terminals.opening.note_on_timeline", entries=("terminal.opened",)
)
def open_terminal() -> Act:
    session = make_session()
    return lambda: start_recorder(session)


@scenario(
    "terminals.output.append_output",
    "terminals.closing.close_all",
    "terminals.sealing.seal_if_due",
    entries=("secret.masked", "terminal.closed", "terminal.sealed"),
)
def end_recording() -> Act:
    recorder = start_recorder(make_session())
    recorder.write(b"export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKEYzzKEY\r\n")
    return recorder.exit


@scenario("terminals.sealing.seal", entries=("terminal.sealed",))
def seal_terminal() -> Act:
    recorder = start_recorder()
    recorder.write(b"all of it\r\n")
    terminal = recorder.refresh()
    return lambda: seal(terminal)


@scenario("terminals.closing.mark_lost", entries=("terminal.lost",))
def lose_terminal() -> Act:
    make_terminal()
    return lambda: mark_lost("workshop", START_MS + 1)


@scenario("terminals.marking.add_marker", entries=("marker.added",))
def add_moment() -> Act:
    terminal = make_terminal()
    return lambda: add_marker(terminal.pk, "here", actor=ADA)


@scenario(entries=("terminal.exported",))
def export_terminal() -> Act:
    terminal = make_terminal()
    return lambda: exports.note_terminal_export(terminal, "text", actor=ADA)


@scenario("terminals.recording.write_recording", entries=("terminal.sealed", "secret.masked"))
def write_recorded() -> Act:
    source = make_source()
    draft = TerminalDraft(
        "cast",
        "demo",
        ["sh"],
        80,
        24,
        START_MS,
        items=[("o", 1, b"hello\r\n")],
        masked={"jwt": 1},
        ended=True,
    )
    return lambda: write_recording(source, draft, actor=ADA)


# ── Sources and imports ──────────────────────────────────────────────────────────────────────────────────
def _history(folder: str) -> Path:
    path = Path(folder) / "f3c1b9a0-0000-4000-8000-000000000001.jsonl"
    record = {
        "type": "user",
        "uuid": "f3c1b9a0-0000-4000-8000-000000000002",
        "parentUuid": None,
        "sessionId": "f3c1b9a0-0000-4000-8000-000000000001",
        "timestamp": "2026-03-01T12:00:00.000Z",
        "cwd": "/home/ada/project",
        "version": "2.1.0",
        "message": {"role": "user", "content": "Please look at the login form."},
    }
    path.write_text(json.dumps(record) + "\n")
    return path


def _reply(text: str) -> dict[str, object]:
    """A part of one and the same message."""
    message = {"id": "m1", "role": "assistant", "model": "m", "content": [{"type": "text", "text": text}]}
    return {
        "type": "assistant",
        "uuid": str(new_id()),
        "parentUuid": "f3c1b9a0-0000-4000-8000-000000000002",
        "sessionId": "f3c1b9a0-0000-4000-8000-000000000001",
        "timestamp": "2026-03-01T12:00:05.000Z",
        "message": message,
    }


@scenario(
    "imports.ImportWriter.write",
    "sources.advance_sources",
    entries=("source.imported",),
)
def import_history() -> Act:
    folder = tempfile.mkdtemp()
    path = _history(folder)
    return lambda: Importer(ADA).import_paths([str(path)])


@scenario("imports.ImportWriter.write", entries=("session.unsealed", "source.imported"))
def import_more_of_what_is_sealed() -> Act:
    path = _history(tempfile.mkdtemp())
    with path.open("a") as handle:
        handle.write(json.dumps(_reply("Ready.")) + "\n")
    Importer(ADA).import_paths([str(path)])
    list(sealing.seal_session(AgentSession.objects.get().pk, actor=ADA))
    with path.open("a") as handle:
        handle.write(json.dumps(_reply("And done.")) + "\n")
    return lambda: Importer(ADA).import_paths([str(path)])


@scenario("imports.ImportWriter.record_growth", "unrecorded.record_unrecorded", entries=("source.imported",))
def record_growth_of_a_followed_history() -> Act:
    path = _history(tempfile.mkdtemp())
    importer = Importer(ADA, following=True)
    importer.import_paths([str(path)])
    with path.open("a") as handle:
        handle.write(json.dumps(_reply("Ready.")) + "\n")
    importer.import_paths([str(path)])
    return importer.record_growth


@scenario("sealing.seal_session", entries=("session.sealed",))
def seal_session() -> Act:
    session = make_session()
    make_message(session)
    return lambda: list(sealing.seal_session(session.pk, actor=ADA))


@scenario("sealing.seal_source", entries=("source.sealed",))
def seal_source() -> Act:
    source = make_source()
    return lambda: list(sealing.seal_source(source.pk, actor=ADA))


@scenario(
    "background_sealing.BackgroundSealing.seal_what_rests",
    "background_sealing.BackgroundSealing.look",
    entries=("session.sealed", "source.sealed"),
)
def seal_what_is_at_rest() -> Act:
    session = make_session()
    make_message(session)
    make_source(session)
    AgentSession.objects.update(updated_ms=START_MS)
    return BackgroundSealing().seal_what_rests


@scenario("background_sealing.BackgroundSealing.seal_what_rests", entries=("terminal.sealed",))
def seal_what_was_printed() -> Act:
    recorder = start_recorder()
    recorder.write(b"all of it\r\n")
    recorder.terminal.chunks.update(id=first_id(START_MS))
    return BackgroundSealing().seal_what_rests


@scenario("sources.mark_source_rewritten", entries=("source.rewritten",))
def rewrite_source() -> Act:
    source = make_source()
    return lambda: sources.mark_source_rewritten(source, actor=ADA)


@scenario("sources.mark_source_deleted", entries=("source.deleted",))
def lose_source() -> Act:
    source = make_source()
    return lambda: sources.mark_source_deleted(source, actor=ADA)


@scenario("sources.mark_source_back", entries=("source.restored",))
def find_source_again() -> Act:
    source = make_source(state="deleted", deleted_ms=START_MS)
    return lambda: sources.mark_source_back(source, actor=ADA)


@scenario("sources.move_source", entries=("source.moved",))
def move_source() -> Act:
    source = make_source()
    return lambda: sources.move_source(source, "/elsewhere.jsonl", actor=ADA)


@scenario("sources.end_following", entries=("source.unfollowed",))
def end_following() -> Act:
    make_source(make_session(status=Status.RUNNING))
    return lambda: sources.end_following("workshop", actor=ADA)


@scenario("sources.end_following", entries=("source.unfollowed",))
def end_following_recordings_alone() -> Act:
    make_terminal(source=make_source(), state=TerminalState.LIVE)
    return lambda: sources.end_following("workshop", actor=ADA)


# ── Agents ───────────────────────────────────────────────────────────────────────────────────────────────
@scenario(entries=("file.written", "policy.decided"))
def report_events() -> Act:
    told = [
        reports.Report(new_id(), "file.written", "sandbox", START_MS),
        reports.Report(new_id(), "policy.decided", "agent", START_MS, decision="deny"),
    ]
    return lambda: reports.report_events(told, actor=ADA)


#: Each once, in the order of their names.
REPORTED_BY_AGENTS: Final = tuple(sorted(REPORTED))


@scenario(entries=REPORTED_BY_AGENTS)
def report_through_the_api() -> Act:
    _, text = tokens.create_token(make_person(), "agent", [Scope.WRITE], actor=ADA)
    # The first use of a day has an entry of its own.
    tokens.authenticate_token(text)
    events = [
        {"id": str(new_id()), "action": action, "vantage": "sandbox", "observed_ms": START_MS}
        for action in REPORTED_BY_AGENTS
    ]

    def act() -> None:
        answer = Client(headers={"Authorization": f"Bearer {text}"}).post(
            "/api/v1/audit/events", {"events": events}, content_type="application/json"
        )
        assert answer.status_code == 200, answer.content

    return act


# ── The log itself ───────────────────────────────────────────────────────────────────────────────────────
def _signed() -> None:
    with write_transaction():
        record("session.archived", actor=ADA)
    write_checkpoint()


@scenario(entries=("key.replaced",))
def replace_the_key() -> Act:
    _signed()
    return lambda: replace_key("lost", actor=ADA)


@scenario(entries=("payload.pruned",))
def announce_a_pruning() -> Act:
    with write_transaction():
        record("session.archived", actor=ADA, attachment=Attachment(b"the prompt"))
    return lambda: pruning.announce(now_ms() + 1, "older than a year", actor=ADA)


@scenario(entries=("hold.placed",))
def place_a_hold() -> Act:
    return lambda: holds.place_hold(0, 9, "a case", actor=ADA)


@scenario(entries=("hold.released",))
def release_a_hold() -> Act:
    hold = holds.place_hold(0, 9, "a case", actor=ADA)
    return lambda: holds.release_hold(hold.idx, "closed", actor=ADA)


@scenario(entries=("log.verified",))
def verify_the_log() -> Act:
    _signed()
    return lambda: verify_and_record(ADA)


@scenario(entries=("log.read",))
def read_the_log() -> Act:
    return lambda: note_reading(Query(), actor=ADA)


@scenario(entries=("log.exported",))
def export_from_the_page() -> Act:
    return lambda: reading.note_log_export(Query(), "csv", actor=ADA)


@scenario("console_settings.note_settings", entries=("settings.changed",))
def start_with_other_settings() -> Act:
    console_settings.note_settings("box", {"log_level": "INFO"}, actor=ADA)
    return lambda: console_settings.note_settings("box", {"log_level": "DEBUG"}, actor=ADA)


@scenario("exports.note_log_export", entries=("log.exported",))
def export_a_bundle() -> Act:
    _signed()
    head = tree_head()
    assert head is not None
    return lambda: exports.note_log_export("bundle", head, 1, {}, actor=ADA)


# ── Everything at once ───────────────────────────────────────────────────────────────────────────────────
@scenario(entries=("backup.made",))
def make_a_backup() -> Act:
    return lambda: backups.note_backup(new_id(), "/media/stick/scrollback.backup", actor=ADA)


@scenario(entries=("backup.restored",))
def restore_a_backup() -> Act:
    return lambda: _restored(new_id())


def _restored(backup_id: uuid.UUID) -> None:
    with write_transaction():
        backups.note_restore(
            backup_id,
            "/media/stick/scrollback.backup",
            sha256="00" * 32,
            made_ms=START_MS,
            version="0.1.0",
            size=7,
            root="11" * 32,
            actor=ADA,
        )
