"""`scrollback user` and `scrollback token`: the way in that is always open to who owns the machine."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from audit.models import Entry
from dashboard.announcing import announced
from sessions_app.models import ApiToken, Person, Role
from tests.factories import PASSWORD, make_person

pytestmark = pytest.mark.django_db


def scrollback(*arguments: str) -> tuple[int, str, str]:
    """(exit status, standard output, standard error)."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(*arguments, stdout=out, stderr=err)
    except SystemExit as exit_:
        return int(exit_.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def answer_of(*arguments: str) -> Any:
    status, out, err = scrollback(*arguments, "--json")
    assert (status, err) == (0, "")
    return json.loads(out)


@pytest.fixture(autouse=True)
def pages_and_home(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda text: monkeypatch.setattr("sys.stdin", io.StringIO(text))


def test_a_person_is_added_with_a_link_that_works() -> None:
    answer = answer_of("user", "add", "Ada", "--role", "operator", "--display-name", "Ada L.")
    assert (answer["username"], answer["role"], answer["active"]) == ("ada", "operator", True)
    assert answer["link"].startswith(f"http://127.0.0.1:{settings.CONFIG.port}/setup/")
    path = "/setup/" + answer["link"].split("/setup/")[1]
    assert "Ada L." in Client().get(path).content.decode()
    assert set(Entry.objects.values_list("actor_type", flat=True)) == {"command"}


def test_a_link_leads_to_the_server_that_runs() -> None:
    make_person(username="ada")
    with announced(settings.HOME, "http://box.lan:9000/", []):
        assert answer_of("user", "link", "ada")["link"].startswith("http://box.lan:9000/setup/")


def test_a_link_does_not_lead_to_where_a_server_was_that_has_been_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "HOME", tmp_path)
    make_person(username="ada")
    told = {"url": "http://box.lan:9000/", "origins": [], "pid": 1}
    (tmp_path / "server.json").write_text(json.dumps(told))
    assert answer_of("user", "link", "ada")["link"].startswith("http://127.0.0.1:")


def test_a_person_is_added_with_a_password_from_standard_input(typed: Any) -> None:
    typed(f"{PASSWORD}\n")
    assert "link" not in answer_of("user", "add", "ada", "--password-stdin")
    ada = Person.objects.get()
    assert ada.check_password(PASSWORD)
    assert ada.role == Role.VIEWER


@pytest.mark.parametrize(
    "text, arguments, message",
    [
        ("short\n", ("user", "add", "eve", "--password-stdin"), "too short"),
        ("", ("user", "add", "eve", "--password-stdin"), "No password"),
        ("", ("user", "add", "no spaces"), "not a user name"),
        ("", ("user", "add", "local:recorder"), "not a user name"),
        ("", ("user", "add", "ADA"), "already"),
        ("", ("user", "role", "nobody", "viewer"), "nobody named"),
        ("", ("user", "role", "ada", "viewer"), "last active operator"),
        ("", ("user", "disable", "ada"), "last active operator"),
        ("password1234\n", ("user", "password", "ada"), "too common"),
        ("", ("user", "link", "gone"), "disabled"),
        ("", ("user", "setup-link"), "set up already"),
        ("", ("token", "create", "ci", "--owner", "nobody", "--scope", "read"), "nobody named"),
        ("", ("token", "create", "ci", "--owner", "ada", "--scope", "read", "--days", "400"), "365"),
        ("", ("token", "revoke", "12345678"), "no token"),
    ],
)
def test_what_cannot_be_done_is_refused_with_one_line(
    text: str, arguments: tuple[str, ...], message: str, typed: Any
) -> None:
    make_person(username="ada")
    make_person(username="gone", role=Role.VIEWER, is_active=False)
    typed(text)
    status, out, err = scrollback(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("scrollback: ")
    assert message in err
    assert err.count("\n") == 1
    assert Person.objects.count() == 2
    assert not Entry.objects.exists()


def test_roles_access_and_passwords_are_changed(typed: Any) -> None:
    make_person(username="ada")
    make_person(Role.VIEWER, username="ben")
    assert answer_of("user", "role", "ben", "auditor")["changed"] is True
    assert answer_of("user", "role", "ben", "auditor")["changed"] is False
    assert answer_of("user", "disable", "ben")["active"] is False
    assert answer_of("user", "enable", "ben")["active"] is True
    typed(PASSWORD)
    answer_of("user", "password", "ben")
    assert Person.objects.get(username="ben").check_password(PASSWORD)
    people = {row["username"]: row["role"] for row in answer_of("user", "list")["people"]}
    assert people == {"ada": "operator", "ben": "auditor"}
    assert Entry.objects.count() == 4


def test_a_new_first_run_link_is_printed_while_nobody_exists() -> None:
    status, out, _ = scrollback("user", "setup-link")
    assert status == 0
    path = "/setup/" + out.strip().split("/setup/")[1]
    assert Client().get(path).status_code == 200


def test_a_token_is_made_listed_and_revoked() -> None:
    make_person(username="ada")
    made = answer_of("token", "create", "ci", "--owner", "ada", "--scope", "write", "--scope", "read")
    assert made["scopes"] == ["read", "write"]
    api = Client(headers={"Authorization": f"Bearer {made['token']}"})
    assert api.get("/api/v1/sessions").status_code == 200
    (row,) = answer_of("token", "list")["tokens"]
    assert (row["prefix"], row["state"]) == (made["prefix"], "good")
    assert row["last_used"] is not None
    assert made["token"] not in json.dumps(row)
    assert answer_of("token", "revoke", f"sbk_{row['prefix']}_")["changed"] is True
    assert answer_of("token", "revoke", row["prefix"])["changed"] is False
    assert api.get("/api/v1/sessions").status_code == 401
    assert ApiToken.objects.count() == 1


@pytest.mark.parametrize("arguments", [("user", "list"), ("token", "list")])
def test_an_empty_list_says_so(arguments: tuple[str, ...]) -> None:
    status, out, _ = scrollback(*arguments)
    assert status == 0
    assert out.strip()
