"""People and roles, as an operator works with them."""

import threading

import pytest
from django.db import connection
from django.test import Client

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.errors import Conflict
from sessions_app.actions import people
from sessions_app.models import Person, Role
from tests.factories import PASSWORD, START_MS, make_person, signed_in

pytestmark = pytest.mark.django_db


def written() -> list[tuple[str, str]]:
    return list(Entry.objects.order_by("idx").values_list("action", "target_label"))


@pytest.mark.parametrize("role", [Role.VIEWER, Role.AUDITOR])
def test_people_are_not_there_for_others_and_their_changes_refused(role: Role) -> None:
    somebody = make_person()
    client = signed_in(make_person(role))
    assert client.get("/settings/people/").status_code == 404
    assert client.get(f"/settings/people/{somebody.pk}/").status_code == 404
    assert client.post(f"/settings/people/{somebody.pk}/disable/").status_code == 403
    assert client.post("/settings/people/add/", {"username": "eve", "role": "operator"}).status_code == 403
    assert Person.objects.count() == 2
    assert [action for action, _ in written()] == ["request.denied"] * 4


def test_an_operator_adds_a_person_and_gets_a_link_for_them_once() -> None:
    client = signed_in(make_person())
    answer = client.post(
        "/settings/people/add/", {"username": "Ben", "display_name": "Ben", "role": "auditor"}
    )
    page = answer.content.decode()
    ben = Person.objects.get(username="ben")
    assert ben.role == Role.AUDITOR
    path = "/setup/" + page.split("http://testserver/setup/")[1].split("/")[0] + "/"
    assert Client().get(path).status_code == 200
    assert path not in client.get("/settings/people/").content.decode()
    assert [action for action, _ in written()] == ["person.created", "person.invited"]
    assert path.split("/")[2] not in "".join(Entry.objects.values_list("body", flat=True))


@pytest.mark.parametrize(
    "values, message",
    [
        ({"username": "ada", "role": "viewer"}, "already"),
        ({"username": "no spaces", "role": "viewer"}, "Lower-case"),
        ({"username": "eve", "role": "king"}, "valid choice"),
        ({"username": "x" * 65, "role": "viewer"}, "at most 64"),
    ],
)
def test_a_person_who_cannot_be_added_is_refused_in_place(values: dict[str, str], message: str) -> None:
    client = signed_in(make_person(username="ada"))
    answer = client.post("/settings/people/add/", values)
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert Person.objects.count() == 1


def test_a_role_is_changed_once() -> None:
    client, ben = signed_in(make_person()), make_person(Role.VIEWER, username="ben")
    for _ in range(2):
        answer = client.post(f"/settings/people/{ben.pk}/role/", {"role": "auditor"})
        assert answer["Location"] == f"/settings/people/{ben.pk}/"
    ben.refresh_from_db()
    assert (ben.role, ben.access_version) == (Role.AUDITOR, 1)
    assert written() == [("person.role_changed", "ben")]


def test_the_last_operator_stays_one() -> None:
    ada = make_person(username="ada")
    make_person(is_active=False)
    make_person(is_system=True)
    client = signed_in(ada)
    for path, values in ((f"{ada.pk}/role/", {"role": "viewer"}), (f"{ada.pk}/disable/", {})):
        answer = client.post(f"/settings/people/{path}", values)
        assert answer.status_code == 200
        assert "last active operator" in answer.content.decode()
    ada.refresh_from_db()
    assert (ada.role, ada.is_active, ada.access_version) == (Role.OPERATOR, True, 0)
    assert written() == []


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_disable_each_other_at_once_leave_one() -> None:
    pair = [make_person(username="ada"), make_person(username="ben")]
    refused: list[people.LastOperator] = []
    start = threading.Barrier(2)

    def disable(victim: Person) -> None:
        try:
            start.wait(10)
            people.disable_person(victim.pk, actor=SYSTEM)
        except people.LastOperator as refusal:
            refused.append(refusal)
        finally:
            connection.close()

    threads = [threading.Thread(target=disable, args=(victim,)) for victim in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(refused) == 1
    assert Person.objects.active_operators().count() == 1


def test_disabling_asks_first_and_can_be_undone() -> None:
    client, ben = signed_in(make_person()), make_person(Role.VIEWER, username="ben")
    bens = signed_in(ben)
    assert "Disable ben?" in client.get(f"/settings/people/{ben.pk}/disable/").content.decode()
    assert bens.get("/settings/").status_code == 200
    assert client.post(f"/settings/people/{ben.pk}/disable/").status_code == 302
    assert bens.get("/settings/").status_code == 302
    assert client.post(f"/settings/people/{ben.pk}/enable/").status_code == 302
    assert bens.get("/settings/").status_code == 302, "an old login must not come back to life"
    assert written() == [("person.disabled", "ben"), ("person.enabled", "ben")]


def test_a_disabled_person_gets_no_link() -> None:
    client, ben = signed_in(make_person()), make_person(Role.VIEWER, is_active=False)
    answer = client.post(f"/settings/people/{ben.pk}/link/")
    assert answer.status_code == 422
    assert "Enable them first" in answer.content.decode()


def test_the_built_in_person_is_nowhere() -> None:
    system = make_person(username="local:recorder", is_system=True)
    client = signed_in(make_person())
    assert "local:recorder" not in client.get("/settings/people/").content.decode()
    for verb in ("", "disable/"):
        assert client.get(f"/settings/people/{system.pk}/{verb}").status_code == 404
    assert client.post(f"/settings/people/{system.pk}/link/").status_code == 404


def test_a_name_is_given_once() -> None:
    people.create_person("ada", Role.VIEWER, actor=SYSTEM)
    with pytest.raises(Conflict):
        people.create_person("ADA", Role.OPERATOR, actor=SYSTEM)
    assert Person.objects.count() == 1


def test_nothing_is_changed_when_the_entry_cannot_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError("the log is full")

    ben = make_person(Role.VIEWER)
    monkeypatch.setattr(people, "record", broken)
    with pytest.raises(OSError, match="full"):
        people.change_role(ben.pk, Role.OPERATOR, actor=SYSTEM)
    ben.refresh_from_db()
    assert (ben.role, ben.access_version) == (Role.VIEWER, 0)


def test_text_of_people_is_never_markup() -> None:
    client = signed_in(make_person())
    make_person(Role.VIEWER, display_name="<img src=x onerror=alert(1)>")
    page = client.get("/settings/people/").content.decode()
    assert "<img src=x" not in page
    assert "&lt;img src=x" in page


def test_people_change_their_own_name_and_password() -> None:
    ada = make_person(Role.VIEWER, username="ada", password=PASSWORD)
    client, elsewhere = signed_in(ada), signed_in(ada)
    client.post("/settings/name/", {"display_name": "Ada L."})
    wrong = {"current": "wrong wrong", "password": "a fine new one", "again": "a fine new one"}
    assert "not your present password" in client.post("/settings/password/", wrong).content.decode()
    assert elsewhere.get("/settings/").status_code == 200
    key = client.session.session_key
    client.post("/settings/password/", {**wrong, "current": PASSWORD})
    ada.refresh_from_db()
    assert ada.display_name == "Ada L."
    assert ada.check_password("a fine new one")
    assert client.get("/settings/").status_code == 200
    assert client.session.session_key != key
    assert elsewhere.get("/settings/").status_code == 302


def test_guessing_the_present_password_on_an_open_page_is_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    # However long the tries take on a busy machine, the delay is not over.
    monkeypatch.setattr("sessions_app.actions.sign_in.now_ms", lambda: START_MS)
    client = signed_in(make_person(password=PASSWORD))
    wrong = {"current": "wrong wrong", "password": "a fine new one", "again": "a fine new one"}
    for _ in range(4):
        client.post("/settings/password/", wrong)
    assert "Too many tries" in client.post("/settings/password/", wrong).content.decode()


def test_all_other_sign_ins_can_be_ended() -> None:
    ada = make_person(Role.VIEWER)
    client, elsewhere = signed_in(ada), signed_in(ada)
    client.get("/settings/")
    client.post("/settings/sign-out-others/")
    assert client.get("/settings/").status_code == 200
    assert elsewhere.get("/settings/").status_code == 302
