"""What leaves: exactly what was filtered, harmless for whoever opens it, and recorded before its first byte."""

import csv
import io
import json
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from audit.actors import Actor
from audit.exports import ocsf
from audit.exports.forms import FORMS, pieces
from audit.models import Entry
from audit.own_actions import OWN_ACTIONS
from audit.query import parse
from audit.record import Draft, Target
from audit.tree import leaf_hash
from sessions_app.audit_actions import AUDIT_ACTIONS, RETIRED
from sessions_app.models import Role
from tests.audit.logs import put
from tests.audit.ocsf_schema import problems_of
from tests.factories import make_person, signed_in

pytestmark = pytest.mark.django_db

HOSTILE = (
    "=HYPERLINK(\"http://evil\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", "  =1+1", "=cmd|' /C calc'!A0",
    "two\nlines", "carriage\r\nreturn", "\x1b[31mred\x1b[0m", "\x9b31m", 'quote " \\ ] end', "comma, semicolon;",
    "\u2028line", "\u202eturned", "{\"json\": 1}", "plain",
)  # fmt: skip

SYSLOG = re.compile(
    r"<(\d{1,3})>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z [!-~]{1,255} scrollback - [!-~]{1,32} "
    r'\[scrollback@32473(?: [a-zA-Z]{1,32}="(?:[^"\\\]]|\\["\\\]])*")+\] \ufeff[^\n]*'
)


def write(count: int = 1, **values: Any) -> None:
    ada = Actor("person", "1", "ada")
    put([Draft(**{"action": "session.archived", "actor": ada, **values}) for _ in range(count)])


def hostile_entries() -> None:
    for text in HOSTILE:
        write(actor=Actor("person", "1", text), target=Target("session", "2", text), details={"text": text})


@pytest.fixture
def client() -> Client:
    return signed_in(make_person(Role.AUDITOR, username="otto"))


def exported(client: Client, form: str, query: str = "") -> str:
    answer = client.get(f"/audit/export/{form}/", {"q": query})
    assert answer.status_code == 200

    async def whole(parts: AsyncIterator[bytes]) -> bytes:
        return b"".join([part async for part in parts])

    return async_to_sync(whole)(answer.streaming_content).decode()  # type: ignore[attr-defined]


def lines_of(client: Client, form: str, query: str = "") -> list[Any]:
    text = exported(client, form, query)
    if form == "csv":
        return list(csv.DictReader(io.StringIO(text, newline="")))
    if form == "rfc5424":
        assert text.endswith("\n")
        return text[:-1].split("\n")
    return [json.loads(line) for line in text.split("\n") if line]


@pytest.mark.parametrize("form", FORMS)
def test_an_export_holds_exactly_what_is_filtered_with_index_and_leaf(client: Client, form: str) -> None:
    write(3)
    write(2, action="session.deleted")
    write(1)
    leaves = {entry.idx: bytes(entry.leaf).hex() for entry in Entry.objects.all()}

    for query, expected in {
        "": [0, 1, 2, 3, 4, 5],
        "action:session.deleted": [3, 4],
        "actor:bob": [],
    }.items():
        found = lines_of(client, form, query) if query != "actor:bob" or form != "rfc5424" else []
        pairs = [index_and_leaf(form, line) for line in found]
        # What the exports before it have added to the log is not in "everything" of the first.
        pairs = [pair for pair in pairs if pair[0] < 6]
        assert pairs == [(idx, leaves[idx]) for idx in expected], query


def index_and_leaf(form: str, line: Any) -> tuple[int, str]:
    if form == "rfc5424":
        found = re.search(r'idx="(\d+)" leaf="([0-9a-f]{64})"', line)
        assert found is not None
        return int(found[1]), found[2]
    if form == "ocsf":
        line = line["unmapped"]
    return int(line["idx"]), line["leaf"]


@pytest.mark.parametrize("form", FORMS)
def test_the_export_is_in_the_log_before_its_first_byte(client: Client, form: str) -> None:
    write(2)
    answer = client.get(f"/audit/export/{form}/", {"q": "actor:ada"})
    entry = Entry.objects.latest("idx")
    assert (entry.action, entry.actor_label, entry.target_label) == ("log.exported", "otto", "actor:ada")
    assert json.loads(entry.body)["details"] == {"filter": "actor:ada", "form": form, "size": 2}
    answer.close()


def test_an_export_that_cannot_be_recorded_does_not_happen(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(2)
    monkeypatch.setattr("audit.catalog._actions", {})
    client.raise_request_exception = False
    assert client.get("/audit/export/csv/").status_code == 500


def test_an_unknown_form_is_not_there(client: Client) -> None:
    assert client.get("/audit/export/xml/").status_code == 404
    assert not Entry.objects.filter(action="log.exported").exists()


def test_ndjson_holds_the_text_as_it_is_hashed(client: Client) -> None:
    hostile_entries()
    for line in exported(client, "ndjson")[:-1].split("\n"):
        found = re.fullmatch(r'\{"idx":\d+,"leaf":"([0-9a-f]{64})","entry":(.*)\}', line)
        assert found is not None
        assert leaf_hash(found[2].encode()).hex() == found[1]


def test_no_cell_is_a_formula_and_none_breaks_its_line(client: Client) -> None:
    hostile_entries()
    text = exported(client, "csv")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert len(rows) == len(HOSTILE) + 1
    assert text.count("\n") == len(rows), "a record is a line"
    for row in rows[1:]:
        assert len(row) == len(rows[0])
        for value in row:
            assert not value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r")), value
    assert_no_controls(text.replace("\r\n", ""))


def test_syslog_lines_are_rfc_5424_and_carry_no_escape(client: Client) -> None:
    hostile_entries()
    write(action="request.denied", decision="deny")
    lines = lines_of(client, "rfc5424")
    assert len(lines) == len(HOSTILE) + 1
    for line in lines:
        assert SYSLOG.fullmatch(line), line
        assert len(line.encode()) < 2_048
        assert_no_controls(line)
    assert lines[0].startswith("<109>1 ")
    assert lines[-1].startswith("<108>1 ")


@pytest.mark.parametrize(
    "text", ["\U0001f642" * 300, '"' * 300, "\x07" * 300, "\u65e5" * 300, "]\U0001f642\\" * 100, "a" * 300]
)
def test_no_syslog_line_reaches_two_kilobytes(
    client: Client, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("audit.exports.syslog._host", lambda: "h" * 255)
    write(
        actor=Actor("person", text[:64], text[:200]),
        target=Target(text[:40], text[:64], text),
        action="request.denied",
        decision="deny",
        session_id=uuid.uuid4(),
        run_id=uuid.uuid4(),
    )
    (line,) = lines_of(client, "rfc5424")
    assert SYSLOG.fullmatch(line), line
    assert len(line.encode()) < 2_048
    assert "\ufffd" not in line
    assert "…" in line


@pytest.mark.parametrize("form", FORMS)
def test_no_form_carries_a_raw_control_character(client: Client, form: str) -> None:
    hostile_entries()
    assert_no_controls(exported(client, form).replace("\r\n", "").replace("\n", ""), c1=form != "ndjson")


def assert_no_controls(text: str, *, c1: bool = True) -> None:
    """JSON escapes what is below a space; C1 and separators are text to it, and stand as they were hashed."""
    bad = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u202e]" if c1 else "[\x00-\x1f]")
    assert not bad.search(text), repr(bad.search(text))


def test_every_action_makes_a_valid_ocsf_event(client: Client) -> None:
    actions = sorted({*AUDIT_ACTIONS, *OWN_ACTIONS} - RETIRED)
    for action in actions:
        decision = "deny" if action == "request.denied" else ""
        write(action=action, target=Target("session", "2", "the session"), decision=decision)
    write(actor=Actor("anonymous", "", ""), action="sign_in.failed")
    write(action="person.created", target=Target("person", "7", ""))
    events = lines_of(client, "ocsf")
    assert len(events) == len(actions) + 2
    for event in events:
        assert problems_of(event) == [], event
    by_action = {event["unmapped"]["action"]: event for event in events}
    assert by_action["sign_in.succeeded"]["type_uid"] == 300201
    assert by_action["sign_out.completed"]["type_uid"] == 300202
    assert by_action["request.denied"]["status_id"] == 2
    assert by_action["session.renamed"]["type_uid"] == 600303
    assert by_action["log.read"]["type_uid"] == by_action["log.exported"]["type_uid"] == 600302
    assert by_action["payload.pruned"]["type_uid"] == 600304
    assert by_action["audit.lost"]["type_uid"] == 600399


def test_the_ocsf_schema_finds_what_is_wrong() -> None:
    write()
    event = ocsf.event(next(iter(_rows()))[0])
    assert problems_of(event) == []
    for broken in (
        {**event, "type_uid": 1},
        {**event, "category_uid": 3},
        {key: value for key, value in event.items() if key != "time"},
        {**event, "actor": {}},
        {**event, "metadata": {**event["metadata"], "version": "1.5.0"}},
        {**event, "surprise": 1},
        {**event, "severity_id": 42},
    ):
        assert problems_of(broken)


def _rows() -> Any:
    from audit.exports.rows import matching_rows

    return matching_rows(parse(""), 1)


def test_an_export_is_read_in_spans_and_is_the_same_twice() -> None:
    write(4_500)
    for form in FORMS.values():
        parts = list(pieces(parse("actor:ada"), 4_500, form))
        assert len(parts) - bool(form.head()) == 3
        assert b"".join(parts) == b"".join(pieces(parse("actor:ada"), 4_500, form))
