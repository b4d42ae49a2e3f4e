"""Every address by every method for operator, viewer, auditor, stranger and token, as the table says."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from audit.record import Attachment, record
from audit.signing import write_checkpoint
from dashboard.lib.db import write_transaction
from sessions_app.actions.tokens import create_token
from sessions_app.actors import actor_of
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.hub import stop_hub
from sessions_app.live.reading import stop_reading
from sessions_app.live.routing import websocket_urlpatterns
from sessions_app.models import Person, Role, Scope
from tests.factories import (
    make_blob,
    make_message,
    make_note,
    make_person,
    make_saved_view,
    make_session,
    make_source,
    make_terminal,
    make_tool_call,
    signed_in,
)
from tests.sessions_app.access.table import NO_SOCKET, RIGHTS, SCOPES, TABLE, Row
from tests.sessions_app.live.sockets import Socket, cookie_of, here, run

SAFE = ("GET", "HEAD")
METHODS = (*SAFE, "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PAGES = {route: row for route, row in TABLE.items() if row.kind in ("page", "open")}
API = {route: row for route, row in TABLE.items() if row.kind == "api"}
SOCKETS = {route: row for route, row in TABLE.items() if row.kind == "socket"}
# Rights are no matter of the engine; that what an address does can be done on both is seen as the operator.
_OTHERS = [*(role for role in Role if role != Role.OPERATOR), "stranger"]
ROLES = [Role.OPERATOR, *(pytest.param(role, marks=pytest.mark.once) for role in _OTHERS)]
SCOPES_ALONE = [
    pytest.param(scope, marks=() if scope == Scope.ADMIN else pytest.mark.once) for scope in Scope
]
_PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\^\(\?P<(\w+)>\.\*\)\$")


@pytest.fixture(autouse=True)
def addresses_of_development_too(settings: Settings) -> None:
    settings.ROOT_URLCONF = "tests.sessions_app.access.urls"


def routes(patterns: Any, prefix: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


@pytest.mark.once  # Nothing of a database.
def test_the_pages_of_development_are_among_the_addresses() -> None:
    found = set(routes(get_resolver().url_patterns))
    assert "-/patterns/" in found
    assert found - set(routes(get_resolver("dashboard.urls").url_patterns)) == {
        "-/patterns/",
        "-/patterns/<slug:name>/",
    }


def test_every_address_stands_in_the_table_and_the_table_names_no_other() -> None:
    real = set(routes(get_resolver().url_patterns)) | set(routes(websocket_urlpatterns)) - {NO_SOCKET}
    assert real - set(TABLE) == set(), "add a line for each to tests/sessions_app/access/table.py"
    assert set(TABLE) - real == set(), "these lines name no address"


class World:
    """One of everything, so that every address leads somewhere. What is personal belongs to `person`."""

    def __init__(self, person: Person, *, signs: bool = True) -> None:
        """Beside a server, which has the key and signs by itself, nothing is signed here."""
        session = make_session(with_main_run=True)
        image = make_blob(b"GIF89a")
        attachment = {"sha256": image.sha256, "media_type": "image/gif", "size": 6, "name": "screen.gif"}
        message = make_message(session, "x" * 5_000, attachments=[attachment])
        call = make_tool_call(session, message=message, output="y" * 5_000)
        token, _ = create_token(person, "ci", [Scope.READ], actor=actor_of(person))
        with write_transaction():
            entry = record("session.archived", actor=actor_of(person), attachment=Attachment(b"payload"))
        if signs:
            write_checkpoint()
        self.values: dict[str, Any] = {
            "session_id": session.pk,
            "run_id": session.runs.get().pk,
            "message_id": message.pk,
            "call_id": call.pk,
            "source_id": make_source(session).pk,
            "lone_source_id": make_source().pk,
            "terminal_id": make_terminal(session, b"output").pk,
            "note_id": make_note(person, session).pk,
            "deleted_note_id": make_note(person, session, deleted_ms=1).pk,
            "person_id": make_person(Role.VIEWER).pk,
            "token_id": token.pk,
            "view_id": make_saved_view(person).pk,
            "sha256": make_blob().sha256,
            "part": "output",
            "number": 1,
            "idx": entry.idx,
            "form": "csv",
            "token": "unknown",
            "rest": "nothing/here",
        }

    def path(self, route: str, row: Row) -> str:
        chosen = {name: self.values.get(value, value) for name, value in row.path.items()}
        values = {**self.values, **chosen}
        return "/" + _PARAMETER.sub(lambda match: str(values[match[1] or match[2]]), route)


def send(client: Client, method: str, path: str, row: Row) -> Any:
    """The answer; whatever it changed is undone."""
    with transaction.atomic():
        try:
            return client.generic(method, path) if method != "POST" else client.post(path, row.values)
        finally:
            transaction.set_rollback(True)


def right_to(method: str, row: Row) -> str | None:
    """None where the address knows no such method. HEAD is GET without its body."""
    return row.methods.get("GET" if method == "HEAD" else method)


def leads_to_sign_in(answer: Any) -> bool:
    return bool(answer.status_code == 302 and answer["Location"].startswith("/sign-in/"))


@pytest.mark.django_db
@pytest.mark.parametrize("route", PAGES)
@pytest.mark.parametrize("role", ROLES)
def test_a_page_is_for_whom_the_table_says(route: str, role: str) -> None:
    row = PAGES[route]
    person = make_person(Role.OPERATOR if role == "stranger" else role)
    make_person()
    path = World(person).path(route, row)
    cookies = Client().cookies if role == "stranger" else signed_in(person).cookies
    for method in METHODS:
        # The login of before: what the last method made of it is undone, and its cookies are not kept.
        client = Client()
        client.cookies.update(cookies)
        answer = send(client, method, path, row)
        what = f"{method} {path} as {role}: {answer.status_code}"
        if row.kind == "open":
            # What an auditor sends is refused, and recorded, before the address is asked.
            refusals = (403, 405) if role == Role.AUDITOR else (405,)
            assert (answer.status_code in refusals) == (right_to(method, row) is None), what
            assert not leads_to_sign_in(answer), what
        elif role == "stranger":
            assert leads_to_sign_in(answer), what
        elif (right := right_to(method, row)) is None:
            assert answer.status_code in (403, 404, 405), what
        elif method == "HEAD" and answer.status_code == 405:
            # An export is recorded, and what is recorded is a download.
            assert route.startswith("audit/export/"), what
        elif right in RIGHTS[role]:
            assert answer.status_code in (200, 204, 302, 400, 409, 422), what
            assert not leads_to_sign_in(answer) or route == "sign-out/", what
        else:
            assert answer.status_code == (404 if method in SAFE else 403), what


@pytest.mark.django_db
@pytest.mark.parametrize("route", API)
def test_the_api_is_for_tokens_with_the_right_and_reads_for_logins(route: str) -> None:
    row = API[route]
    operator = make_person()
    path = World(operator).path(route, row)
    for method in METHODS:
        assert send(Client(), method, path, row).status_code == 401, f"{method} {path} as a stranger"
    for role in Role:
        client = signed_in(make_person(role))
        for method in METHODS:
            status = send(client, method, path, row).status_code
            what = f"{method} {path} signed in as {role}: {status}"
            if method in ("OPTIONS", "TRACE"):
                assert status in (401, 404, 405), what
            elif method not in SAFE:
                assert status == 401, what
            elif (right := right_to(method, row)) is None:
                assert status in (404, 405), what
            else:
                assert (status in (200, 400)) == (right in RIGHTS[role]), what


@pytest.mark.django_db
@pytest.mark.parametrize("route", API)
@pytest.mark.parametrize("scope", SCOPES_ALONE)
def test_a_token_may_what_its_scope_says(route: str, scope: Scope) -> None:
    row = API[route]
    operator = make_person()
    path = World(operator).path(route, row)
    _, text = create_token(operator, "test", [scope], actor=actor_of(operator))
    client = Client(headers={"Authorization": f"Bearer {text}"})
    for method in METHODS:
        status = send(client, method, path, row).status_code
        what = f"{method} {path} with {scope}: {status}"
        if (right := right_to(method, row)) is None:
            assert status in (404, 405), what
        elif right in SCOPES[scope]:
            assert status in (200, 201, 204, 400, 409, 415, 422), what
        else:
            assert status == 403, what


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("route", SOCKETS)
@pytest.mark.parametrize("role", ROLES)
def test_a_socket_is_for_whom_the_table_says(route: str, role: str) -> None:
    row = SOCKETS[route]

    def prepare() -> tuple[str, str]:
        person = make_person(Role.OPERATOR if role == "stranger" else role)
        return World(person).path(route, row), cookie_of(None if role == "stranger" else person)

    async def scenario() -> None:
        path, cookie = await here(prepare)
        async with Socket(path, cookie) as socket:
            assert socket.accepted
            if role == "stranger" or row.methods["GET"] not in RIGHTS[role]:
                code = CloseCode.UNAUTHENTICATED if role == "stranger" else CloseCode.FORBIDDEN
                assert await socket.close_code() == code
            else:
                assert (await socket.event())["type"] == "websocket.send"

    try:
        run(scenario)
    finally:
        stop_hub()
        stop_reading()
