"""Tokens: what they look like, who makes and ends them, and the one of this machine."""

import stat
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.clock import now_ms
from dashboard.lib.errors import Refused
from sessions_app.access import ADMINISTER, OPERATE, READ, READ_AUDIT, token_may
from sessions_app.actions import tokens
from sessions_app.actions.tokens import DAY_MS, create_token, ensure_agent_token, revoke_token
from sessions_app.models import ApiToken, Person, Role, Scope
from sessions_app.token_text import PATTERN, new_token_text, parse_token
from tests.factories import make_person, signed_in


@given(st.text(max_size=80))
def test_no_text_but_a_token_is_one(text: str) -> None:
    assert parse_token(text) is None


def test_a_token_is_read_back_and_recognised_by_its_form() -> None:
    made = new_token_text()
    assert parse_token(str(made)) == made
    kind, prefix, secret, checksum = str(made).split("_")
    assert (kind, len(prefix), len(secret), len(checksum)) == ("sbk", 8, 43, 6)


@given(st.integers(4, 61), st.sampled_from("0Az"))
def test_a_mistyped_token_is_noticed_before_anybody_is_asked(position: int, letter: str) -> None:
    text = str(new_token_text())
    mistyped = text[:position] + letter + text[position + 1 :]
    assert parse_token(mistyped) is None or mistyped == text


@pytest.mark.django_db
@pytest.mark.parametrize(
    "role, offered",
    [(Role.OPERATOR, list(Scope)), (Role.VIEWER, [Scope.READ]), (Role.AUDITOR, [Scope.READ, Scope.AUDIT])],
)
def test_only_scopes_that_the_owner_has_rights_for_are_given(role: Role, offered: list[Scope]) -> None:
    person = make_person(role)
    assert tokens.scopes_for(person) == offered
    for scope in Scope:
        if scope not in offered:
            with pytest.raises(Refused, match=person.username):
                create_token(person, "ci", [scope], actor=SYSTEM)
    assert create_token(person, "ci", offered, actor=SYSTEM)[0].scopes == [str(scope) for scope in offered]


@pytest.mark.django_db
@pytest.mark.parametrize("days", [0, -1, 366])
def test_a_token_is_good_for_a_year_at_most(days: int) -> None:
    with pytest.raises(Refused, match="1 to 365 days"):
        create_token(make_person(), "ci", [Scope.READ], actor=SYSTEM, days=days)


@pytest.mark.django_db
def test_a_role_that_was_taken_away_takes_the_rights_of_the_token() -> None:
    person = make_person()
    token, _ = create_token(person, "ci", [Scope.ADMIN], actor=SYSTEM)
    assert token_may(token, OPERATE)
    Person.objects.filter(pk=person.pk).update(role=Role.VIEWER)
    token = ApiToken.objects.get()
    assert token_may(token, READ)
    assert not any(token_may(token, right) for right in (OPERATE, READ_AUDIT, ADMINISTER))


@pytest.mark.django_db
def test_a_token_is_made_shown_once_and_ended() -> None:
    client = signed_in(make_person(Role.VIEWER))
    page = client.post("/settings/tokens/add/", {"name": "ci", "scopes": ["read"], "days": "30"})
    match = PATTERN.search(page.content.decode())
    assert match is not None
    text = match[0]
    assert page["Cache-Control"] == "no-store, private"
    api = Client(headers={"Authorization": f"Bearer {text}"})
    assert api.get("/api/v1/sessions").status_code == 200
    token = ApiToken.objects.get()
    assert (token.expires_ms or 0) - token.created_ms == pytest.approx(30 * DAY_MS, abs=1000)
    listed = client.get("/settings/tokens/").content.decode()
    assert token.prefix in listed
    assert text not in listed
    assert "Revoke" in client.get(f"/settings/tokens/{token.pk}/revoke/").content.decode()
    assert client.post(f"/settings/tokens/{token.pk}/revoke/").status_code == 302
    assert api.get("/api/v1/sessions").status_code == 401
    assert revoke_token(token, actor=SYSTEM) is False
    actions = list(Entry.objects.order_by("idx").values_list("action", flat=True))
    assert actions == ["token.created", "token.used", "token.revoked", "request.denied"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "changes, message",
    [
        ({"name": ""}, "required"),
        ({"scopes": []}, "Choose one or more"),
        ({"scopes": ["write"]}, "valid choice"),
        ({"days": "366"}, "less than or equal to 365"),
        ({"days": "soon"}, "whole number"),
    ],
)
def test_a_mistake_in_the_form_is_shown_at_its_field(changes: dict[str, object], message: str) -> None:
    client = signed_in(make_person(Role.VIEWER))
    page = client.post("/settings/tokens/add/", {"name": "ci", "scopes": ["read"], "days": "30", **changes})
    assert message in page.content.decode()
    assert not ApiToken.objects.exists()


@pytest.mark.django_db
def test_people_see_and_end_their_own_tokens_and_operators_everybodys() -> None:
    viewer, other, operator = make_person(Role.VIEWER), make_person(Role.VIEWER), make_person()
    token, _ = create_token(viewer, "mine alone", [Scope.READ], actor=SYSTEM)
    assert "mine alone" in signed_in(viewer).get("/settings/tokens/").content.decode()
    assert "mine alone" not in signed_in(other).get("/settings/tokens/").content.decode()
    assert signed_in(other).post(f"/settings/tokens/{token.pk}/revoke/").status_code == 404
    assert "mine alone" in signed_in(operator).get("/settings/tokens/").content.decode()
    assert signed_in(operator).post(f"/settings/tokens/{token.pk}/revoke/").status_code == 302


@pytest.mark.django_db
def test_this_machine_gets_one_token_that_only_records() -> None:
    path = ensure_agent_token()
    text = path.read_text().strip()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = tokens.authenticate_token(text)
    assert token is not None
    assert token_may(token, OPERATE)
    assert not token_may(token, ADMINISTER)
    assert ensure_agent_token().read_text().strip() == text
    assert ApiToken.objects.count() == 1
    assert not list(path.parent.glob(".agent.token.*")), "drafts must not stay"


@pytest.mark.django_db
@pytest.mark.parametrize("spoil", ["revoked", "expiring", "garbage", "binary", "missing"])
def test_a_token_of_this_machine_that_is_no_good_is_replaced(spoil: str) -> None:
    path = ensure_agent_token()
    before = path.read_text()
    if spoil == "revoked":
        revoke_token(ApiToken.objects.get(), actor=SYSTEM)
    elif spoil == "expiring":
        ApiToken.objects.update(expires_ms=now_ms() + 100 * DAY_MS)
    elif spoil == "missing":
        path.unlink()
    else:
        path.write_bytes(b"sbk_what" if spoil == "garbage" else b"\xff\xfe\x00")
    after = ensure_agent_token().read_text()
    assert after != before
    assert tokens.authenticate_token(after.strip()) is not None
    assert Person.objects.filter(is_system=True).count() == 1


@pytest.fixture(autouse=True)
def own_home(settings: object, tmp_path: Path) -> None:
    settings.HOME = tmp_path  # type: ignore[attr-defined]
