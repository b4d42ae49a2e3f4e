"""Who is let into the API, as what, and what is written down about it."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.test import Client

from audit.models import Entry
from dashboard.lib.clock import now_ms
from sessions_app import sign_in
from sessions_app.actions import people
from sessions_app.actions import tokens as token_actions
from sessions_app.actions.denials import MOST_IN_WINDOW, DenialLimit, note_denied
from sessions_app.actions.tokens import DAY_MS, revoke_token
from sessions_app.actors import actor_of
from sessions_app.api import endpoint as endpoint_module
from sessions_app.models import ApiToken, Role, Scope
from sessions_app.token_text import parse_token
from tests.factories import make_person, signed_in
from tests.sessions_app.api.client import Api, problem_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of this test alone: all that are not known share one, in all tests of a process."""
    monkeypatch.setattr(sign_in, "note_denied", partial(note_denied, limit=DenialLimit()))


UNAUTHENTICATED = (401, "/problems/unauthenticated")
FORBIDDEN = (403, "/problems/forbidden")


def with_header(value: str) -> Any:
    return Client().get("/api/v1/sessions", headers={"Authorization": value})


def test_without_anything_nothing_is_told() -> None:
    for path in ("sessions", "openapi.json", "nothing/here"):
        answer = Client().get(f"/api/v1/{path}")
        assert problem_of(answer) == UNAUTHENTICATED
        assert answer["WWW-Authenticate"] == 'Bearer realm="scrollback"'


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-1] + ("0" if text[-1] != "0" else "1"),
        lambda text: text.replace("sbk_", "ghp_"),
        lambda text: text + " ",
        lambda text: "",
        lambda text: text[:20],
        lambda text: text.swapcase(),
    ],
)
def test_a_token_that_is_not_exact_is_refused(spoil: Callable[[str], str]) -> None:
    api = Api()
    good = with_header(f"Bearer {api.text}")
    assert good.status_code == 200
    spoilt = spoil(api.text)
    if spoilt.strip() == api.text:
        return
    answer = with_header(f"Bearer {spoilt}")
    assert problem_of(answer) == UNAUTHENTICATED
    assert 'error="invalid_token"' in answer["WWW-Authenticate"]


def test_a_token_of_the_right_form_with_another_secret_is_refused() -> None:
    api, other = Api(), Api()
    mine, theirs = parse_token(api.text), parse_token(other.text)
    assert mine is not None
    assert theirs is not None
    forged = type(mine)(mine.prefix, theirs.secret)
    assert parse_token(str(forged)) == forged
    assert problem_of(with_header(f"Bearer {forged}")) == UNAUTHENTICATED
    entry = Entry.objects.get(action="request.denied")
    # Whoever knows no more than the public part is not the token.
    assert (entry.actor_type, entry.actor_label) == ("anonymous", "127.0.0.1")


def test_another_scheme_is_refused() -> None:
    assert problem_of(with_header(f"Basic {Api().text}")) == UNAUTHENTICATED


def test_a_wrong_token_is_refused_even_from_who_is_signed_in() -> None:
    client = signed_in(make_person())
    assert client.get("/api/v1/sessions").status_code == 200
    answer = client.get("/api/v1/sessions", headers={"Authorization": "Bearer nonsense"})
    assert problem_of(answer) == UNAUTHENTICATED


def test_a_token_in_the_address_is_not_read() -> None:
    answer = Client().get("/api/v1/sessions", {"token": Api().text})
    assert problem_of(answer) == UNAUTHENTICATED


def test_a_login_reads_but_never_writes() -> None:
    client = signed_in(make_person())
    assert client.get("/api/v1/sessions").status_code == 200
    for send in (client.post, client.put, client.patch, client.delete):
        assert problem_of(send("/api/v1/sessions", {})) == UNAUTHENTICATED


def test_an_expired_or_revoked_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    monkeypatch.setattr(token_actions, "now_ms", lambda: now_ms() + 90 * DAY_MS)
    assert problem_of(api.get("sessions")) == UNAUTHENTICATED
    monkeypatch.undo()
    assert api.get("sessions").status_code == 200
    revoke_token(api.token, actor=actor_of(api.person))
    assert problem_of(api.get("sessions")) == UNAUTHENTICATED


def test_a_token_ends_with_its_owner() -> None:
    make_person()
    api = Api()
    people.disable_person(api.person.pk, actor=actor_of(make_person()))
    assert problem_of(api.get("sessions")) == UNAUTHENTICATED


def test_a_token_never_may_more_than_its_owner() -> None:
    api = Api(scopes=[Scope.WRITE])
    make_person()
    assert api.get("sessions").status_code == 200
    api.person.refresh_from_db()
    auditor = make_person(Role.AUDITOR)
    audit_only = Api(auditor, [Scope.AUDIT])
    assert problem_of(audit_only.get("sessions")) == FORBIDDEN


def test_a_refusal_is_written_down_with_its_token() -> None:
    api = Api(make_person(Role.AUDITOR), [Scope.AUDIT])
    api.get("sessions")
    entry = Entry.objects.get(action="request.denied")
    assert (entry.actor_type, entry.actor_id) == ("token", str(api.token.pk))
    assert "/api/v1/sessions" in entry.body


def denied() -> list[tuple[str, str, str, str]]:
    """Kind and name of the actor, the path, and why."""
    found = Entry.objects.filter(action="request.denied").order_by("idx")
    details = [json.loads(entry.body)["details"] for entry in found]
    return [
        (entry.actor_type, entry.actor_label, entry.target_label, why["right"])
        for entry, why in zip(found, details, strict=True)
    ]


def test_a_token_that_does_not_work_is_written_down_by_name_and_never_whole() -> None:
    expired, revoked, orphan, unknown = Api(), Api(), Api(), Api()
    make_person()
    revoke_token(revoked.token, actor=actor_of(revoked.person))
    people.disable_person(orphan.person.pk, actor=actor_of(make_person()))
    ApiToken.objects.filter(pk=expired.token.pk).update(expires_ms=1)
    ApiToken.objects.filter(pk=unknown.token.pk).delete()
    for api in (expired, revoked, orphan, unknown):
        assert problem_of(api.client.get("/api/v1/sessions?word=secret")) == UNAUTHENTICATED
    assert denied() == [
        *(
            ("token", str(api.token), "/api/v1/sessions", why)
            for api, why in (
                (expired, "expired token"),
                (revoked, "revoked token"),
                (orphan, "disabled owner"),
            )
        ),
        ("anonymous", "127.0.0.1", "/api/v1/sessions", "unknown token"),
    ]
    assert problem_of(unknown.client.get(f"/api/v1/{unknown.text}/")) == UNAUTHENTICATED
    written = "".join(Entry.objects.values_list("body", flat=True))
    assert "word=secret" not in written
    for api in (expired, revoked, orphan, unknown):
        assert api.text.split("_")[2] not in written


def test_a_program_that_goes_on_with_a_token_that_ended_writes_one_entry() -> None:
    api = Api()
    revoke_token(api.token, actor=actor_of(api.person))
    for _ in range(20):
        assert problem_of(api.get("sessions")) == UNAUTHENTICATED
    assert len(denied()) == 1


def test_guessing_tokens_from_many_addresses_does_not_flood_the_log() -> None:
    for number in range(MOST_IN_WINDOW + 5):
        answer = Client(REMOTE_ADDR=f"10.0.0.{number}").get(
            f"/api/v1/{number}", headers={"Authorization": "Bearer guessed"}
        )
        assert answer.status_code == 401
    assert len({label for _, label, _, _ in denied()}) == len(denied()) == MOST_IN_WINDOW


def test_without_a_token_nothing_is_written_down() -> None:
    for path in ("sessions", "openapi.json", "nothing/here"):
        assert problem_of(Client().get(f"/api/v1/{path}")) == UNAUTHENTICATED
    assert denied() == []


def test_use_is_noted_once_a_minute_and_written_down_once_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    api = Api()
    noon = 1_772_366_400_000
    stamps = []
    for moment in (noon, noon + 30_000, noon + 61_000, noon + 13 * 3_600_000):
        monkeypatch.setattr(token_actions, "now_ms", lambda at=moment: at)
        assert api.get("sessions").status_code == 200
        stamps.append(ApiToken.objects.get().last_used_ms)
    assert stamps == [noon, noon, noon + 61_000, noon + 13 * 3_600_000]
    assert Entry.objects.filter(action="token.used").count() == 2


def test_only_a_hash_of_the_secret_is_kept() -> None:
    api = Api()
    parts = parse_token(api.text)
    assert parts is not None
    row = ApiToken.objects.get()
    assert parts.secret not in str(vars(row))
    assert parts.secret not in "".join(Entry.objects.values_list("body", flat=True))
    assert parts.secret not in repr(parts)


def test_a_method_that_is_not_taken_is_named() -> None:
    api = Api(scopes=[Scope.WRITE])
    answer = api.client.delete("/api/v1/sessions")
    assert problem_of(answer) == (405, "/problems/method-not-allowed")
    assert "GET" in answer["Allow"]


def test_an_unforeseen_error_is_a_problem_and_its_cause_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the cause")

    api = Api()
    monkeypatch.setattr(endpoint_module, "_query_of", broken)
    answer = api.get("sessions")
    assert problem_of(answer) == (500, "/problems/internal")
    assert b"the cause" not in answer.content
    assert "ZeroDivisionError" in caplog.text
