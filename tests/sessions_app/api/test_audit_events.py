"""Agents report many events at once; the answer says what became of each, and it is so."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError

from audit import stream
from audit.actors import SYSTEM, Actor
from audit.edits import EDIT_TYPE
from audit.models import Entry, Payload
from audit.record import Draft
from audit.stream import StreamWriter
from dashboard.lib.ids import new_id
from sessions_app.actions import reports
from sessions_app.api.audit_events import MAX_BODY_BYTES
from sessions_app.models import Scope
from tests.audit.logs import put
from tests.factories import START_MS, make_person, signed_in
from tests.sessions_app.api.client import Api, problem_of, validate

pytestmark = pytest.mark.django_db


def event(**facts: Any) -> dict[str, Any]:
    usual = {"id": str(new_id()), "action": "file.written", "vantage": "sandbox", "observed_ms": START_MS}
    return {**usual, **facts}


def post(api: Api, *events: Any) -> Any:
    return api.client.post("/api/v1/audit/events", {"events": list(events)}, content_type="application/json")


def results(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    answer = json.loads(response.content)
    validate(answer, "report_audit_events")
    return [each["result"] for each in answer["results"]]


@pytest.fixture
def api() -> Api:
    return Api(scopes=[Scope.WRITE])


def test_what_is_reported_is_in_the_log_as_it_was_said(api: Api) -> None:
    session, run = str(new_id()), str(new_id())
    sent = event(
        action="policy.decided",
        decision="deny",
        session=session,
        run=run,
        target={"type": "host", "id": "h1", "label": "example.org"},
        details={"rule": "no-network", "port": 443, "vantage": "agent"},
        body="the whole request",
    )
    assert results(post(api, sent, event())) == ["recorded", "recorded"]
    entry = Entry.objects.get(action="policy.decided")
    assert (str(entry.id), entry.actor_type, entry.actor_id) == (sent["id"], "token", str(api.token.pk))
    assert (str(entry.session_id), str(entry.run_id), entry.decision) == (session, run, "deny")
    assert (entry.target_type, entry.target_id, entry.target_label) == ("host", "h1", "example.org")
    assert json.loads(entry.body)["details"] == {
        "observed_ms": START_MS,
        "port": 443,
        "rule": "no-network",
        "vantage": "sandbox",
    }
    assert bytes(Payload.objects.get(idx=entry.idx).data) == b"the whole request"


def test_sent_again_it_is_known_and_something_else_under_its_id_is_a_conflict(api: Api) -> None:
    first = event(details={"path": "/a"}, target={"type": "file", "id": "x\x00y"})
    assert results(post(api, first)) == ["recorded"]
    assert results(post(api, first, {**first, "details": {"path": "/b"}})) == ["known", "conflict"]
    assert results(post(Api(scopes=[Scope.WRITE]), first)) == ["conflict"]
    assert Entry.objects.filter(action="file.written").count() == 1


@pytest.mark.parametrize(
    "wrong, place",
    [
        ({"action": "person.created"}, "$.events[1].action"),
        ({"id": "7"}, "$.events[1].id"),
        ({"id": "8f14e45f-ceea-467f-a8f3-1d2c3b4a5968"}, "$.events[1].id"),
        ({"id": "019a2f4e-6c1d-1b3e-8f00-1d2c3b4a5968"}, "$.events[1].id"),
        # The seventh version of something that is no UUID of RFC 9562.
        ({"id": "019a2f4e-6c1d-7b3e-0f00-1d2c3b4a5968"}, "$.events[1].id"),
        ({"vantage": "moon"}, "$.events[1].vantage"),
        ({"decision": "maybe"}, "$.events[1].decision"),
        ({"observed_ms": -1}, "$.events[1].observed_ms"),
        ({"details": {"deep": {"er": 1}}}, "$.events[1].details"),
        ({"details": {str(n): "x" * 4_000 for n in range(5)}}, "$.events[1]"),
        ({"colour": "red"}, "$.events[1]"),
        ({"before_body": "x"}, "$.events[1]"),
        ({"after_body": "x", "body": "x"}, "$.events[1]"),
        ({"before_body": "x", "after_body": "y", "body": "z"}, "$.events[1]"),
    ],
)
def test_one_that_cannot_be_read_is_named_and_nothing_is_recorded(
    api: Api, wrong: dict[str, Any], place: str
) -> None:
    answer = post(api, event(), event(**wrong))
    assert problem_of(answer) == (400, "/problems/bad-request")
    assert place in json.loads(answer.content)["detail"]
    assert not Entry.objects.filter(action="file.written").exists()


def test_a_batch_and_its_body_are_bounded(api: Api) -> None:
    assert problem_of(post(api, *[event()] * 501))[0] == 400
    assert problem_of(post(api))[0] == 400
    assert problem_of(post(api, event(body="x" * MAX_BODY_BYTES))) == (413, "/problems/too-large")


def test_secrets_are_masked(api: Api) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKEYzzKEY"
    text = f"export AWS_SECRET_ACCESS_KEY={secret}"
    assert results(post(api, event(details={"command": text}, body=text))) == ["recorded"]
    entry = Entry.objects.get(action="file.written")
    assert secret not in entry.body
    assert secret.encode() not in bytes(Payload.objects.get(idx=entry.idx).data)


def test_the_kind_of_a_target_and_the_names_of_details_are_masked_and_made_storable_too(api: Api) -> None:
    first, second = "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_26C7e42F292c6912E7710c838347Ae178B4b"
    sent = event(
        target={"type": "fi\x00le", "id": "1", "label": "x"},
        details={first: 1, second: 2, "a\x00b": 3, "a\u2400b": 4},
    )
    secret = event(action="policy.decided", target={"type": first}, decision="deny")
    assert results(post(api, sent, secret)) == ["recorded"] * 2
    assert results(post(api, sent, secret)) == ["known"] * 2
    entry, masked = (Entry.objects.get(id=each["id"]) for each in (sent, secret))
    assert entry.target_type == json.loads(entry.body)["target"]["type"] == "fi\u2400le"
    assert first not in masked.body
    assert masked.target_type.startswith("ghp_[github-token")
    details = json.loads(entry.body)["details"]
    assert not {first, second} & set(details)
    assert (details["a\u2400b"], details["a\u2400b (2)"]) == (3, 4)
    told = {name: value for name, value in details.items() if name not in ("observed_ms", "vantage")}
    assert sorted(told.values()) == [1, 2, 3, 4], "two names that look the same are two facts"


def test_a_long_edit_is_kept_apart_as_both_texts(api: Api) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzKEYzzKEY"
    before, after = (
        "Be brief.\n" * 20_000,
        f"export AWS_SECRET_ACCESS_KEY={secret}\n" + "Be brief.\n" * 19_999,
    )
    sent = event(action="prompt.edited", vantage="agent", before_body=before, after_body=after)
    assert results(post(api, sent, {**sent, "id": str(new_id()), "before_body": ""})) == ["recorded"] * 2
    entry = Entry.objects.get(id=sent["id"])
    assert json.loads(entry.body)["payload"]["type"] == EDIT_TYPE
    kept = bytes(Payload.objects.get(idx=entry.idx).data)
    assert json.loads(kept)["before"] == before
    assert json.loads(kept)["after"].endswith("Be brief.\n" * 19_999)
    assert secret.encode() not in kept


def test_it_takes_a_token_that_writes() -> None:
    assert problem_of(post(Api(scopes=[Scope.AUDIT]), event())) == (403, "/problems/forbidden")
    login = signed_in(make_person())
    sent = login.post("/api/v1/audit/events", {"events": [event()]}, content_type="application/json")
    assert problem_of(sent)[0] == 401


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_made_durable_is_not_confirmed(api: Api) -> None:
    writer = StreamWriter(wait_s=0.2)
    with (
        patch.object(reports, "stream_writer", lambda: writer),
        patch.object(stream, "append_apart", side_effect=OperationalError("disk I/O error")),
    ):
        answer = post(api, event())
        assert problem_of(answer) == (503, "/problems/unavailable")
        assert answer["Retry-After"] == "1"
    writer.stop()
    assert not Entry.objects.filter(action="file.written").exists()
    assert Entry.objects.filter(action="audit.lost").count() == 1


@pytest.mark.django_db(transaction=True)
def test_it_is_durable_when_it_is_answered(api: Api) -> None:
    try:
        assert results(post(api, event(), event())) == ["recorded", "recorded"]
        assert Entry.objects.filter(action="file.written").count() == 2
    finally:
        stream.stop_stream()


def test_reading_the_log_is_recorded_as_on_the_page() -> None:
    api = Api(scopes=[Scope.AUDIT])
    api.read("audit/entries", "list_entries", action="token.*", actor="ada")
    api.read("audit/entries", "list_entries", action="token.*", actor="ada")
    entry = Entry.objects.get(action="log.read")
    assert (entry.actor_type, entry.target_label) == ("token", "action:token.* actor:ada")
    other = Api(scopes=[Scope.AUDIT])
    other.read("audit/entries/0", "show_entry")
    assert Entry.objects.filter(action="log.read").count() == 2


def test_one_entry_is_recorded_unless_a_list_that_holds_it_was_read() -> None:
    put([Draft("session.archived", SYSTEM), Draft("session.deleted", SYSTEM)])
    api = Api(scopes=[Scope.AUDIT])
    api.read("audit/entries", "list_entries", action="session.deleted")
    for idx in (1, 0, 0):
        api.read(f"audit/entries/{idx}", "show_entry")
    labels = [entry.target_label for entry in Entry.objects.filter(action="log.read").order_by("idx")]
    assert labels == ["action:session.deleted", "idx:0"]


def test_a_star_in_a_name_is_recorded_as_no_pattern() -> None:
    put([Draft("session.archived", Actor("person", "1", "adam"))])
    api = Api(scopes=[Scope.AUDIT])
    assert api.read("audit/entries", "list_entries", actor="ad*")["items"] == []
    api.read("audit/entries/0", "show_entry")
    labels = [entry.target_label for entry in Entry.objects.filter(action="log.read").order_by("idx")]
    assert labels == ['actor:"ad*"', "idx:0"]
