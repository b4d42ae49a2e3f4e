"""Coming in and going out, as a browser sees it."""

import json
from functools import partial
from typing import Any

import pytest
from django.test import Client

from audit.models import Entry
from dashboard.lib.ids import new_id
from sessions_app.actions import people
from sessions_app.actions import sign_in as sign_in_actions
from sessions_app.actions.denials import DenialLimit, note_delayed, write_withheld
from sessions_app.actors import actor_of
from sessions_app.models import Person, Role, SignInFailure
from sessions_app.sign_in import IDLE_MS
from tests.factories import PASSWORD, make_person, signed_in

pytestmark = pytest.mark.django_db


def try_to_sign_in(client: Client, username: str, password: str, **extra: Any) -> Any:
    return client.post("/sign-in/", {"username": username, "password": password}, **extra)


def actions() -> list[str]:
    return list(Entry.objects.order_by("idx").values_list("action", flat=True))


def test_the_right_password_leads_to_the_page_that_was_asked_for() -> None:
    make_person(username="ada", password=PASSWORD)
    client = Client()
    asked = client.get("/settings/")
    assert asked.status_code == 302
    assert asked["Location"] == "/sign-in/?next=/settings/"
    answer = client.post("/sign-in/", {"username": "Ada ", "password": PASSWORD, "next": "/settings/"})
    assert answer["Location"] == "/settings/"
    assert client.get("/settings/").status_code == 200
    entry = Entry.objects.get()
    assert (entry.action, entry.actor_label) == ("sign_in.succeeded", "ada")


def test_signing_in_changes_the_session_key() -> None:
    make_person(username="ada", password=PASSWORD)
    client = Client()
    client.get("/sign-in/")
    before = client.session.session_key
    try_to_sign_in(client, "ada", PASSWORD)
    assert before
    assert client.session.session_key not in (None, before)


@pytest.mark.parametrize(
    "goal",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "javascript:alert(1)",
        "///evil.example",
        "http:/x",
    ],
)
def test_a_sign_in_never_leads_elsewhere(goal: str) -> None:
    make_person(username="ada", password=PASSWORD)
    answer = Client().post("/sign-in/", {"username": "ada", "password": PASSWORD, "next": goal})
    assert answer.status_code == 302
    assert answer["Location"] == "/"


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer() -> None:
    make_person(username="ada", password=PASSWORD)
    wrong = try_to_sign_in(Client(), "ada", "not it, sorry")
    unknown = try_to_sign_in(Client(), "nobody", "not it, sorry")
    for answer in (wrong, unknown):
        assert answer.status_code == 200
        assert "do not match" in answer.content.decode()
    assert actions() == ["sign_in.failed", "sign_in.failed"]


def test_what_is_typed_as_a_name_is_not_written_down_unless_it_is_one() -> None:
    make_person(username="ada", password=PASSWORD)
    try_to_sign_in(Client(), "my secret typed too early", "x")
    try_to_sign_in(Client(), "ada", "x")
    unknown, known = Entry.objects.order_by("idx")
    assert "secret" not in unknown.body
    assert known.target_label == "ada"
    assert not SignInFailure.objects.filter(key__contains="secret").exists()


def test_a_disabled_person_cannot_sign_in() -> None:
    make_person(username="ada", password=PASSWORD, is_active=False)
    assert "do not match" in try_to_sign_in(Client(), "ada", PASSWORD).content.decode()


def test_the_delay_grows_with_every_failure_and_says_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    make_person(username="ada", password=PASSWORD)
    clock = Clock(monkeypatch)
    client = Client()
    waits = []
    for _ in range(8):
        answer = try_to_sign_in(client, "ada", "wrong wrong wrong")
        while answer.status_code == 429:
            waits.append(int(answer["Retry-After"]))
            assert f"Wait {waits[-1]} s" in answer.content.decode()
            clock.advance(waits[-1] * 1000)
            answer = try_to_sign_in(client, "ada", "wrong wrong wrong")
    assert waits == [2, 4, 8, 16]
    clock.advance(60_000)
    assert try_to_sign_in(client, "ada", PASSWORD).status_code == 302
    assert not SignInFailure.objects.filter(failures__gt=0).exclude(key__startswith="*").exists()


def test_the_right_password_does_not_help_before_the_delay_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    make_person(username="ada", password=PASSWORD)
    Clock(monkeypatch)
    for _ in range(4):
        try_to_sign_in(Client(), "ada", "wrong wrong wrong")
    assert try_to_sign_in(Client(), "ada", PASSWORD).status_code == 429


def test_guessing_from_one_network_does_not_delay_the_owner_in_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_person(username="ada", password=PASSWORD)
    Clock(monkeypatch)
    for host in range(4):
        try_to_sign_in(Client(), "ada", "wrong wrong wrong", REMOTE_ADDR=f"10.0.0.{host}")
    assert try_to_sign_in(Client(), "ada", PASSWORD, REMOTE_ADDR="10.0.0.77").status_code == 429
    assert try_to_sign_in(Client(), "ada", PASSWORD, REMOTE_ADDR="10.0.1.77").status_code == 302


def test_guessing_of_names_from_one_network_is_delayed_gently(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    monkeypatch.setattr(sign_in_actions, "authenticate", lambda **_: None)
    for number in range(sign_in_actions.FREE_TRIES_OF_NETWORK + 1):
        assert try_to_sign_in(Client(), f"name-{number}", "guess").status_code == 200
    assert try_to_sign_in(Client(), "another", "guess").status_code == 429
    clock.advance(sign_in_actions.MAX_DELAY_OF_NETWORK_MS)
    assert try_to_sign_in(Client(), "another", "guess").status_code == 200


@pytest.mark.parametrize(
    "address, network",
    [
        ("192.168.7.9", "192.168.7.0/24"),
        ("::ffff:192.168.7.9", "192.168.7.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("not an address", "not an address"),
    ],
)
def test_addresses_are_grouped_by_network(address: str, network: str) -> None:
    assert sign_in_actions.network_of(address) == network


def test_signing_out_ends_the_session_and_empties_the_cache() -> None:
    client = signed_in(make_person())
    key = client.session.session_key
    answer = client.post("/sign-out/")
    assert answer["Location"] == "/sign-in/"
    assert answer["Clear-Site-Data"] == '"cache"'
    assert client.get("/settings/").status_code == 302
    assert client.session.session_key != key
    assert actions() == ["sign_out.completed"]


def test_signing_out_is_refused_to_a_link() -> None:
    client = signed_in(make_person())
    assert client.get("/sign-out/").status_code == 405
    assert client.get("/settings/").status_code == 200


def test_a_form_without_its_token_is_refused() -> None:
    client = signed_in(make_person(), enforce_csrf_checks=True)
    assert client.post("/sign-out/").status_code == 403
    stranger = Client(enforce_csrf_checks=True)
    assert try_to_sign_in(stranger, "ada", PASSWORD).status_code == 403


def test_pages_for_signed_in_people_stay_out_of_caches() -> None:
    answer = signed_in(make_person()).get("/settings/")
    assert set(answer["Cache-Control"].split(", ")) == {"no-store", "private"}


@pytest.mark.parametrize(
    "change",
    [
        lambda person, actor: people.change_role(person.pk, Role.AUDITOR, actor=actor),
        lambda person, actor: people.disable_person(person.pk, actor=actor),
        lambda person, actor: people.change_password(person.pk, "another long one", actor=actor),
        lambda person, actor: people.sign_out_everywhere(person.pk, actor=actor),
    ],
    ids=["role", "disabled", "password", "everywhere"],
)
def test_a_change_of_access_ends_what_is_signed_in(change: Any) -> None:
    person = make_person(Role.VIEWER)
    client = signed_in(person)
    assert client.get("/settings/").status_code == 200
    change(person, actor_of(make_person()))
    assert client.get("/settings/").status_code == 302


def test_a_login_ends_after_an_hour_without_use_but_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    client = signed_in(make_person())
    assert client.get("/settings/").status_code == 200
    for _ in range(3):
        clock.advance(IDLE_MS - 1000)
        assert client.get("/settings/").status_code == 200
    clock.advance(IDLE_MS + 1000)
    assert client.get("/settings/").status_code == 302
    assert actions() == ["sign_in.expired"]


def test_a_login_ends_at_a_fixed_moment_however_busy_it_is() -> None:
    make_person(username="ada", password=PASSWORD)
    client = Client()
    try_to_sign_in(client, "ada", PASSWORD)
    first = client.session.get_expiry_date()
    session = client.session
    session["seen_ms"] = 0
    session.save()
    assert client.session.get_expiry_date() == first
    assert client.session.get_expiry_age() <= 12 * 60 * 60


def test_a_partial_asks_for_the_whole_page_when_the_login_is_gone() -> None:
    answer = Client().get(
        "/settings/",
        headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/sessions/?status=failed"},
    )
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fsessions%2F%3Fstatus%3Dfailed"


def test_a_change_whose_token_went_with_the_login_is_told_to_sign_in() -> None:
    stranger = Client(enforce_csrf_checks=True)
    headers = {"HX-Request": "true", "HX-Current-URL": "http://testserver/sessions/"}
    answer = stranger.post(f"/sessions/{new_id()}/archive/", headers=headers)
    assert answer.status_code == 401
    assert answer["HX-Redirect"] == "/sign-in/?next=%2Fsessions%2F"
    assert stranger.post(f"/sessions/{new_id()}/archive/").status_code == 403


def test_the_built_in_owner_of_the_agent_token_cannot_sign_in() -> None:
    make_person(username="local:recorder", password=PASSWORD, is_system=True)
    assert "do not match" in try_to_sign_in(Client(), "local:recorder", PASSWORD).content.decode()


def test_whoever_is_signed_in_is_led_past_the_form() -> None:
    client = signed_in(make_person())
    assert client.get("/sign-in/?next=/runs/")["Location"] == "/runs/"


def test_the_form_says_how_to_begin_while_nobody_exists() -> None:
    assert "scrollback user setup-link" in Client().get("/sign-in/").content.decode()
    make_person()
    assert "scrollback user setup-link" not in Client().get("/sign-in/").content.decode()


class Clock:
    """The console's clock, moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1_772_366_400_000
        for module in ("sessions_app.actions.sign_in", "sessions_app.sign_in"):
            monkeypatch.setattr(f"{module}.now_ms", lambda: self.ms)

    def advance(self, by_ms: int) -> None:
        self.ms += by_ms


def test_a_person_is_found_under_their_lower_case_name_only_once() -> None:
    make_person(username="ada", password=PASSWORD)
    assert try_to_sign_in(Client(), "ADA", PASSWORD).status_code == 302
    assert Person.objects.people().count() == 1


def delays() -> list[tuple[str, str, str, int]]:
    """Who, whose password, from where, and how many were withheld before."""
    found = Entry.objects.filter(action="sign_in.delayed", decision="deny").order_by("idx")
    details = [json.loads(entry.body)["details"] for entry in found]
    return [
        (entry.actor_label, entry.target_label, one["address"], one["withheld"])
        for entry, one in zip(found, details, strict=True)
    ]


@pytest.fixture
def own_limit(monkeypatch: pytest.MonkeyPatch) -> DenialLimit:
    limit = DenialLimit()
    monkeypatch.setattr(sign_in_actions, "note_delayed", partial(note_delayed, limit=limit))
    return limit


@pytest.mark.parametrize("tries", [5, 200])
def test_tries_that_come_too_soon_are_counted_in_the_log(
    tries: int, own_limit: DenialLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person(username="ada", password=PASSWORD)
    Clock(monkeypatch)
    for _ in range(4):
        try_to_sign_in(Client(), "ada", "wrong wrong wrong")
    for _ in range(tries):
        assert try_to_sign_in(Client(), "ada", "wrong wrong wrong").status_code == 429
    assert delays() == [("127.0.0.1", "ada", "127.0.0.1", 0)]
    write_withheld(own_limit, everything=True)
    assert delays()[1:] == [("127.0.0.1", "ada", "127.0.0.1", tries - 2)]
    assert actions() == ["sign_in.failed"] * 4 + ["sign_in.delayed"] * 2


@pytest.mark.usefixtures("own_limit")
def test_of_a_try_that_comes_too_soon_neither_name_nor_password_is_written_down(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Clock(monkeypatch)
    for _ in range(5):
        answer = try_to_sign_in(Client(), "my secret", "my password")
    assert answer.status_code == 429
    assert delays() == [("127.0.0.1", "", "127.0.0.1", 0)]
    bodies = "".join(Entry.objects.values_list("body", flat=True))
    assert "my secret" not in bodies
    assert "my password" not in bodies


@pytest.mark.usefixtures("own_limit")
def test_a_present_password_that_comes_too_soon_is_counted_too(monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(make_person(username="ada", password=PASSWORD))
    Clock(monkeypatch)
    form = {"current": "wrong wrong", "password": "another long phrase", "again": "another long phrase"}
    for _ in range(7):
        client.post("/settings/password/", form)
    assert actions() == ["password.refused"] * 4 + ["sign_in.delayed"]
    assert delays() == [("ada", "ada", "127.0.0.1", 0)]
