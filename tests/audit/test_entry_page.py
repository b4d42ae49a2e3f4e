"""One entry, in the drawer and on its page, and the signed head."""

import base64
import uuid
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from audit import triggers
from audit.actors import SYSTEM, Actor
from audit.edits import EDIT_TYPE, edit_payload
from audit.models import Checkpoint, Entry, Payload
from audit.notes import TreeHead, Verifier
from audit.record import Attachment, Draft, Target, append, append_apart, record
from audit.signing import newest_checkpoint, write_checkpoint
from audit.tree import leaf_hash, verify_inclusion
from dashboard.lib.db import write_transaction
from sessions_app.actions.console_settings import note_settings
from sessions_app.models import Role
from tests.audit.attacks import drop_triggers
from tests.audit.logs import prune
from tests.factories import START_MS, make_person, make_session, make_terminal, signed_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    return signed_in(make_person(Role.AUDITOR, username="otto"))


def write(**values: Any) -> Entry:
    with write_transaction():
        return record("session.renamed", **{"actor": Actor("person", "1", "ada"), **values})


@pytest.mark.parametrize("path", ["/audit/0/", "/audit/0/peek/"])
def test_an_edit_is_drawn_as_a_difference(client: Client, path: str) -> None:
    write(details={"from": "old\n<name>", "to": "new\n<name>", "why": "typo"})
    answer = client.get(path)
    page = answer.content.decode()
    assert drawn(answer) == {"": [("removed", "old"), ("added", "new"), ("context", "<name>")]}
    assert page.count('class="diff"') == 1
    assert 'data-line="removed"' in page
    assert answer.context["details"] == [("why", "typo")]
    assert "<name>" not in page


def drawn(answer: Any) -> dict[str, list[tuple[str, str]]]:
    return {
        edit.name: [(line.kind, line.text) for line in edit.lines if line.kind != "hunk"]
        for edit in answer.context["edits"]
    }


def test_what_settings_were_is_drawn_by_name(client: Client) -> None:
    note_settings("m1", {"bind": "127.0.0.1", "port": "80"}, actor=SYSTEM)
    note_settings("m1", {"bind": "192.0.2.7", "port": "80"}, actor=SYSTEM)
    answer = client.get("/audit/1/")
    assert drawn(answer) == {"changed": [("removed", "127.0.0.1"), ("added", "192.0.2.7")]}
    assert [name for name, _ in answer.context["details"]] == ["settings"]
    assert '<td colspan="4">bind</td>' in answer.content.decode()


@pytest.mark.parametrize("details", [{"before": "same", "after": "same"}, {"from": 0, "to": 812}])
def test_what_is_no_difference_stays_among_the_details(client: Client, details: dict[str, Any]) -> None:
    write(details=details)
    answer = client.get("/audit/0/")
    assert answer.context["edits"] == []
    assert dict(answer.context["details"]) == {name: str(value) for name, value in details.items()}
    assert "What changed" not in answer.content.decode()


def test_a_long_edit_lies_in_the_payload_and_is_drawn(client: Client) -> None:
    before = "".join(f"line {number}\n" for number in range(5_000))
    after = before.replace("line 4000\n", "line 4000, <edited>\n")
    write(attachment=Attachment(edit_payload(before, after), EDIT_TYPE))
    answer = client.get("/audit/0/")
    (lines,) = drawn(answer).values()
    assert [line for line in lines if line[0] != "context"] == [
        ("removed", "line 4000"),
        ("added", "line 4000, <edited>"),
    ]
    page = answer.content.decode()
    assert "line 4000, &lt;edited&gt;" in page
    assert "line 1000" not in page
    with write_transaction():
        connection.cursor().execute("INSERT INTO audit_pruning (idx, first_idx, last_idx) VALUES (9, 0, 0)")
        Payload.objects.filter(idx=0).delete()
    assert client.get("/audit/0/").context["edits"] == []


def test_a_proof_can_be_checked_with_nothing_but_the_leaf_and_the_key(client: Client) -> None:
    for _ in range(5):
        write()
    write_checkpoint()
    text = client.get("/audit/3/proof/").content.decode()
    assert client.get("/audit/3/").context["proof"].text == text

    head, *lines = text.splitlines()
    assert (head, lines[0]) == ("c2sp.org/tlog-proof@v1", "index 3")
    steps = lines[1 : lines.index("")]
    note = text.partition("\n\n")[2]
    checkpoint = newest_checkpoint()
    assert checkpoint is not None
    signed = TreeHead.parse(Verifier.parse(checkpoint.key).open(note))
    proof = [base64.b64decode(step) for step in steps]
    leaf = bytes(Entry.objects.get(idx=3).leaf)
    assert verify_inclusion(leaf, 3, signed.size, proof, signed.root)


def test_what_no_head_covers_yet_says_so(client: Client) -> None:
    write()
    assert "Not under a signed head yet" in client.get("/audit/0/").content.decode()
    assert client.get("/audit/0/proof/").status_code == 404


def test_a_payload_is_shown_and_opening_it_is_always_recorded(client: Client) -> None:
    write(attachment=Attachment(b"the <prompt>"))
    client.get("/audit/")
    shown = client.get("/audit/0/").context["payload"]
    assert (shown["holds"], shown["is_erased"], shown["text"]) == (True, False, "the <prompt>")
    assert [entry.target_label for entry in Entry.objects.filter(action="log.read").order_by("idx")] == [
        "everything",
        "idx:0",
    ]
    saved = client.get("/audit/0/payload/")
    assert saved.content == b"the <prompt>"
    assert saved["Content-Type"] == "application/octet-stream"


def test_an_erased_payload_is_told_from_none(client: Client) -> None:
    write(attachment=Attachment(b"secret"))
    write()
    assert prune(0, 1) == 2
    page = client.get("/audit/0/")
    assert page.context["payload"]["is_erased"]
    assert 'erased, as <a href="/audit/2/">entry 2</a> says' in page.content.decode()
    assert client.get("/audit/1/").context["payload"] is None
    assert client.get("/audit/0/payload/").status_code == 404


@pytest.mark.parametrize("path", ["/audit/3/", "/audit/3/peek/"])
def test_a_payload_that_no_entry_says_anything_of_is_told_to_be_gone(client: Client, path: str) -> None:
    for _ in range(4):
        write(attachment=Attachment(b"secret"))
    prune(0, 2)
    with write_transaction():
        # Without the entry that it is of.
        connection.cursor().execute("INSERT INTO audit_pruning (idx, first_idx, last_idx) VALUES (9, 3, 3)")
        Payload.objects.filter(idx=3).delete()
    page = client.get(path).content.decode()
    assert "The payload of entry 3 is gone, and no entry says that it was pruned." in page
    assert "erased, as" not in page


def test_a_payload_that_went_in_spite_of_a_hold_is_told_to_be_gone(client: Client) -> None:
    write(attachment=Attachment(b"secret"))
    with write_transaction():
        append([Draft("hold.placed", SYSTEM, details={"first_idx": 0, "last_idx": 0, "why": "a trial"})])
    prune(0, 0)
    page = client.get("/audit/0/").content.decode()
    assert "although a legal hold kept it" in page
    assert "erased, as" not in page


def test_a_changed_entry_is_seen_where_it_is_shown(client: Client) -> None:
    write()
    on_table = "" if connection.vendor == "sqlite" else " ON audit_entry"
    cursor = connection.cursor()
    cursor.execute(f"DROP TRIGGER audit_entry_no_update{on_table}")
    try:
        cursor.execute("UPDATE audit_entry SET body = REPLACE(body, 'ada', 'eve')")
    finally:
        triggers.install({"audit_entry_no_update"})
    assert "not as it was recorded" in client.get("/audit/0/").content.decode()


def test_it_links_to_the_second_in_the_session_and_the_terminal(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(started_ms=START_MS, ended_ms=START_MS + 600_000, with_main_run=True)
    terminal = make_terminal(session, b"x", started_ms=START_MS + 10_000, duration_us=100_000_000)
    monkeypatch.setattr("audit.record.now_ms", lambda: START_MS + 61_250)
    write(session_id=session.pk, run_id=session.runs.get().pk)
    monkeypatch.setattr("audit.record.now_ms", lambda: START_MS + 700_000)
    write(session_id=session.pk)
    monkeypatch.undo()

    during = [place.href for place in client.get("/audit/0/").context["places"]]
    assert during == [
        f"/sessions/{session.pk}/?t=00:01:01.250",
        f"/runs/{session.runs.get().pk}/",
        f"/terminals/{terminal.pk}/?t=00:00:51.250",
    ]
    afterwards = [place.href for place in client.get("/audit/1/").context["places"]]
    assert afterwards == [f"/sessions/{session.pk}/"]


def test_what_a_sandbox_reports_leads_to_the_second_when_it_was_seen(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = make_session(started_ms=START_MS, ended_ms=START_MS + 600_000)
    terminal = make_terminal(session, b"x", started_ms=START_MS + 10_000, duration_us=100_000_000)
    actor = Actor("token", "1", "sandbox")
    # The sandbox was cut off for a while, and its reports came when the terminal had ended.
    monkeypatch.setattr("audit.record.now_ms", lambda: START_MS + 300_000)
    seen = {"observed_ms": START_MS + 61_250}
    with write_transaction():
        append_apart([Draft("file.written", actor, session_id=session.pk, details=seen)])
        append([Draft("session.renamed", actor, session_id=session.pk, details=seen)])
    monkeypatch.undo()

    assert [place.href for place in client.get("/audit/0/").context["places"]] == [
        f"/sessions/{session.pk}/?t=00:01:01.250",
        f"/terminals/{terminal.pk}/?t=00:00:51.250",
    ]
    # Of what the console does itself nobody else's clock is believed.
    afterwards = [place.href for place in client.get("/audit/1/").context["places"]]
    assert afterwards == [f"/sessions/{session.pk}/?t=00:05:00.000"]


def test_a_session_that_is_gone_is_named_and_not_linked(client: Client) -> None:
    session = make_session(deleted_ms=1)
    write(session_id=session.pk)
    answer = client.get("/audit/0/")
    assert answer.context["places"] == []
    assert "is not here any more" in answer.content.decode()


def test_there_is_no_entry_beyond_the_newest(client: Client) -> None:
    write()
    assert client.get("/audit/7/").status_code == 404


def test_the_head_is_shown_whole_and_saved_as_it_is(client: Client) -> None:
    assert "No head is signed yet" in client.get("/audit/head/").content.decode()
    assert client.get("/audit/head/file/").status_code == 404
    append_some(3)
    checkpoint = write_checkpoint()
    assert checkpoint is not None
    page = client.get("/audit/head/")
    assert page.context["head"].size == 3
    saved = client.get("/audit/head/file/")
    assert saved.content.decode() == checkpoint.note
    assert saved["Content-Disposition"].endswith('-3.head"')
    assert not Entry.objects.filter(action="log.read").exists(), "a head tells of no entry"


ODD_TEXTS = [
    "", "not JSON", "[]", "7", "{}", '{"details":[]}', '{"details":{"x":"\\ud800","\\ud800":["\\ud800"]}}', "[" * 5_000,
    '{"details":' + '{"a":' * 400 + "1" + "}" * 401, '{"payload":[]}', '{"payload":{}}', '{"a":1,"a":2}',
    '{"payload":{"commitment":1,"size":"x","type":[]}}',
    '{"payload":{"commitment":"\\ud800","size":1,"type":"\\ud800"}}',
    '{"details":{"from":1,"to":[null]}}', '{"details":{"old":{},"new":1e999}}',
]  # fmt: skip


@pytest.mark.parametrize("text", ODD_TEXTS, ids=lambda text: text[:40])
@pytest.mark.parametrize("path", ["/audit/0/", "/audit/0/peek/"])
def test_what_is_no_text_of_an_entry_is_shown_as_it_is(client: Client, path: str, text: str) -> None:
    write(attachment=Attachment(b"x"))
    drop_triggers()
    Entry.objects.update(body=text)
    triggers.install()
    answer = client.get(path)
    assert answer.status_code == 200
    page = answer.content.decode()
    assert "This is not the text of an entry" in page
    assert answer.context["entry"].body == text
    assert "As it is stored" in page


def test_a_changed_column_is_told_where_it_is_shown(client: Client) -> None:
    write(session_id=uuid.uuid4())
    assert "A column says" not in client.get("/audit/0/").content.decode()
    drop_triggers()
    Entry.objects.update(actor_label="eve")
    triggers.install()
    page = client.get("/audit/0/").content.decode()
    assert "A column says something else than the text" in page
    assert "actor_label" in page


def test_an_entry_that_should_be_there_is_said_to_be_missing(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_some(9)
    drop_triggers()
    Entry.objects.filter(idx=6).delete()
    triggers.install()
    answer = client.get("/audit/6/")
    page = answer.content.decode()
    assert answer.status_code == 404
    assert "Entry 6 is missing" in page
    assert "audit verify" in page
    assert "/audit/?q=idx%3A1-11" in page
    assert not Entry.objects.filter(action="log.read").exists(), "nothing was shown"
    around = [row.entry.idx for row in client.get("/audit/?q=idx%3A1-11").context["rows"]]
    assert (around[-1], 6 in around) == (1, False)
    # What was cut off the end was there when a head was signed.
    assert "is missing" not in client.get("/audit/40/").content.decode()
    from audit.standing import Standing

    monkeypatch.setattr("audit.strip.standing", lambda: Standing(40, START_MS, "It was cut off.", 40))
    assert "Entry 40 is missing" in client.get("/audit/40/").content.decode()


def test_a_head_that_was_changed_is_told_and_keeps_no_page_away(client: Client, tmp_path: Path) -> None:
    append_some(3)
    change_newest_head()
    for path in ("/audit/", "/audit/0/", "/audit/head/"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "cannot be read" in answer.content.decode(), path
    assert "audit verify" in client.get("/audit/head/").content.decode()
    for path in ("/audit/head/file/", "/audit/0/proof/"):
        assert client.get(path).status_code == 404, path
    for arguments in (("head",), ("export", str(tmp_path / "log.zip"))):
        change_newest_head()
        errors = StringIO()
        with pytest.raises(SystemExit):
            call_command("audit", *arguments, stderr=errors)
        assert "audit verify" in errors.getvalue(), arguments


def change_newest_head() -> None:
    write_checkpoint()
    drop_triggers()
    Checkpoint.objects.update(note="x")
    triggers.install()


def test_the_strip_says_how_far_the_log_is_verified_and_what_is_wrong(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from audit.standing import BackgroundVerifier, Standing

    monkeypatch.setattr("audit.standing._standing", Standing())
    append_some(3)
    write_checkpoint()
    assert "Nothing is verified yet" in client.get("/audit/head/").content.decode()
    BackgroundVerifier().look()
    for path in ("/audit/", "/audit/0/", "/audit/head/"):
        assert "<b>Verified</b> to 3, <" in client.get(path).content.decode(), path
    behind = Standing(3, START_MS, contents_size=2)
    monkeypatch.setattr("audit.strip.standing", lambda: behind)
    assert "<b>Verified</b> to 3, sealed contents to 2," in client.get("/audit/").content.decode()
    broken = Standing(1, START_MS, "The leaf does not belong to its text.", 1)
    monkeypatch.setattr("audit.strip.standing", lambda: broken)
    for path in ("/audit/", "/audit/0/", "/audit/head/"):
        page = client.get(path).content.decode()
        assert "First break at" in page, path
        assert "does not belong to its text" in page, path


def append_some(count: int) -> None:
    with write_transaction():
        append([Draft("session.archived", SYSTEM, Target("session", str(n), "s")) for n in range(count)])


@pytest.mark.once  # Postgres keeps no text that is none.
@pytest.mark.parametrize("column", ["body", "actor_label", "target_label"])
@pytest.mark.parametrize("value", ["CAST(x'7bff' AS TEXT)", "x'7bff'"], ids=["text", "blob"])
def test_a_text_that_is_no_utf_8_keeps_no_page_away(client: Client, column: str, value: str) -> None:
    write(target=Target("session", "2", "s"))
    assert client.get("/audit/").status_code == 200
    drop_triggers()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_entry SET {column} = {value}")  # noqa: S608
    triggers.install()
    for path in ("/audit/0/", "/audit/0/peek/", "/audit/?q=idx:0", "/audit/", "/audit/export/"):
        answer = client.get(path)
        assert answer.status_code == (404 if path == "/audit/export/" else 200), path
    page = client.get("/audit/0/").content.decode()
    if column == "body":
        assert "This is not the text of an entry" in page
        assert "not as it was recorded" in page
        assert "{\ufffd" in page
    else:
        assert f"The column <code>{column}</code> was changed" in page


@pytest.mark.once  # Postgres keeps no text that is none.
@pytest.mark.parametrize("value", ["CAST(x'7bff' AS TEXT)", "x'7bff'"], ids=["text", "blob"])
def test_a_body_is_held_against_its_leaf_by_its_very_bytes(client: Client, value: str) -> None:
    write()
    drop_triggers()
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE audit_entry SET leaf = %s, body = {value}", [leaf_hash(b"{\xff")])  # noqa: S608
    triggers.install()
    answer = client.get("/audit/0/")
    assert (answer.context["is_as_hashed"], answer.context["odd_column"]) == (True, "body")
