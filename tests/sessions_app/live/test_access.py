"""Who may open a socket, and how it ends when they no longer may."""

import asyncio
import json
import time
from collections.abc import Callable
from functools import partial

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created

from audit.actors import SYSTEM
from audit.models import Entry
from dashboard.lib.ids import new_id
from sessions_app.actions import denials
from sessions_app.actions.denials import DenialLimit, note_denied
from sessions_app.actions.people import change_role, disable_person
from sessions_app.live import refusals
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers import base
from sessions_app.live.origin import is_own_origin
from sessions_app.models import AgentSession, Person, Role
from tests.factories import make_person, make_session, make_terminal
from tests.sessions_app.live.sockets import Socket, cookie_of, here, run

pytestmark = pytest.mark.django_db(transaction=True)


def paths() -> list[str]:
    session = make_session()
    return [
        "/live/console/",
        f"/live/sessions/{session.pk}/",
        f"/live/terminals/{make_terminal(session).pk}/",
    ]


async def code_of(path: str, cookie: str) -> int:
    async with Socket(path, cookie) as socket:
        assert socket.accepted
        return await socket.close_code()


def test_a_stranger_is_told_to_sign_in() -> None:
    async def scenario() -> None:
        for path in await here(paths):
            assert await code_of(path, "") == CloseCode.UNAUTHENTICATED

    run(scenario)


@pytest.mark.parametrize("role", list(Role))
def test_whoever_may_read_may_listen(role: Role) -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person(role)))
        for path in await here(paths):
            async with Socket(path, cookie) as socket:
                assert socket.accepted
                event = await socket.event() if "sessions" not in path else None
                assert event is None or event["type"] == "websocket.send"

    run(scenario)


def test_who_connects_is_seen_without_opening_the_database_for_each() -> None:
    """It would open SQLite's file, and read its schema."""
    if connection.vendor != "sqlite":
        pytest.skip("Postgres has a pool, and what it gives out is told as opened")
    opened: list[object] = []

    def note(connection: object, **_: object) -> None:
        opened.append(connection)

    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        connection_created.connect(note)
        for _ in range(20):
            async with Socket("/live/console/", cookie) as socket:
                await socket.event()

    try:
        run(scenario)
    finally:
        connection_created.disconnect(note)
    # Those of the threads, and the hub's.
    assert len(opened) < 10


def test_a_postgres_that_was_started_again_lets_everybody_in() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no server that could end connections")

    def end_all_others() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        terminal = await here(lambda: make_terminal(make_session()))
        path = f"/live/terminals/{terminal.pk}/"
        # As many as have threads, each with a connection of its own.
        sockets = [Socket(path, cookie) for _ in range(8)]
        await asyncio.gather(*(socket.__aenter__() for socket in sockets))
        await asyncio.gather(*(socket.__aexit__() for socket in sockets))
        await here(end_all_others)
        for _ in range(8):
            async with Socket(path, cookie) as socket:
                assert (await socket.event())["type"] == "websocket.send"

    run(scenario)


@pytest.mark.parametrize("kind", ["sessions", "terminals"])
def test_what_does_not_exist_is_unknown(kind: str) -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        assert await code_of(f"/live/{kind}/{new_id()}/", cookie) == CloseCode.UNKNOWN
        assert await code_of("/live/elsewhere/", cookie) == CloseCode.UNKNOWN

    run(scenario)


def test_what_is_in_the_trash_is_unknown() -> None:
    def trashed() -> tuple[str, list[str]]:
        found = paths()
        AgentSession.objects.update(deleted_ms=1)
        return cookie_of(make_person()), found[1:]

    async def scenario() -> None:
        cookie, found = await here(trashed)
        for path in found:
            assert await code_of(path, cookie) == CloseCode.UNKNOWN

    run(scenario)


def test_a_socket_closes_when_its_session_goes_to_the_trash() -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        _, session_path, terminal_path = await here(paths)
        async with Socket(session_path, cookie) as session, Socket(terminal_path, cookie) as terminal:
            await terminal.event()
            await here(lambda: AgentSession.objects.update(deleted_ms=1, updated_ms=2))
            assert await session.close_code() == CloseCode.UNKNOWN
            assert await terminal.close_code() == CloseCode.UNKNOWN

    run(scenario)


def test_what_a_session_can_be_restored_from_is_said_before_its_socket_closes() -> None:
    def trash() -> None:
        AgentSession.objects.update(deleted_ms=1, updated_ms=2)

    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        _, path, _ = await here(paths)
        async with Socket(path, cookie) as socket:
            await here(trash)
            await socket.message("trashed")
            assert await socket.close_code() == CloseCode.UNKNOWN
        async with Socket(path, cookie) as late:
            await late.message("trashed")
            assert await late.close_code() == CloseCode.UNKNOWN

    run(scenario)


def test_a_session_that_is_gone_for_good_is_not_said_to_be_in_the_trash() -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        _, path, _ = await here(paths)
        async with Socket(path, cookie) as socket:
            await here(lambda: AgentSession.objects.all().delete())
            assert (await socket.event())["type"] == "websocket.close"

    run(scenario)


def disable(person: Person) -> None:
    disable_person(person.pk, actor=SYSTEM)


def demote(person: Person) -> None:
    change_role(person.pk, Role.VIEWER, actor=SYSTEM)


def sign_out(person: Person) -> None:
    Session.objects.all().delete()


@pytest.mark.parametrize("revoke", [disable, demote, sign_out])
def test_a_socket_closes_within_two_seconds_of_being_revoked(revoke: Callable[[Person], None]) -> None:
    async def scenario() -> None:
        person = await here(make_person)
        await here(make_person)  # somebody else stays operator
        cookie = await here(cookie_of, person)
        path = (await here(paths))[1]
        async with Socket("/live/console/", cookie) as console, Socket(path, cookie) as session:
            await console.message("counts")
            await asyncio.sleep(0)
            await here(revoke, person)
            started = time.monotonic()
            assert await console.close_code() == CloseCode.REVOKED
            assert await session.close_code() == CloseCode.REVOKED
            assert time.monotonic() - started < 2

    run(scenario)


def test_every_socket_says_that_somebody_is_there() -> None:
    async def scenario() -> None:
        cookie, all_paths = await here(lambda: (cookie_of(make_person()), paths()))
        for path in all_paths:
            async with Socket(path, cookie) as socket:
                await socket.send('{"type": "ping"}')
                assert await pongs_of(socket) == 1

    run(scenario)


def test_whoever_pings_all_the_time_is_answered_once_in_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers that nobody reads would pile up in the server."""

    async def scenario() -> None:
        cookie, path = await here(lambda: (cookie_of(make_person()), paths()[2]))
        async with Socket(path, cookie) as socket:
            monkeypatch.setattr(base, "PONG_EVERY_S", 60.0)
            for _ in range(300):
                await socket.send('{"type": "ping"}')
            assert await pongs_of(socket) == 1
            monkeypatch.setattr(base, "PONG_EVERY_S", 0.0)
            await socket.send('{"type": "ping"}')
            assert await pongs_of(socket) == 1

    run(scenario)


async def pongs_of(socket: Socket) -> int:
    """How many answers to pings it sends until it says nothing more."""
    number = 0
    while not await socket.is_quiet():
        number += "pong" in ((await socket.event()).get("text") or "")
    return number


@pytest.mark.parametrize("message", ["nonsense", "[1]", "{}", '{"ack": 1}', "9" * 2_000, "[" * 900])
def test_a_socket_that_takes_no_messages_closes_on_one(message: str) -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        async with Socket("/live/console/", cookie) as socket:
            await socket.send(message)
            assert await socket.close_code() == 4400

    run(scenario)


# The page that opens it

OWN = "http://console.lan:8765"


@pytest.mark.parametrize(
    ("origin", "scheme", "allowed"),
    [
        (OWN, "http", True),
        ("http://console.lan:8766", "http", False),
        ("http://console.lan", "http", False),
        ("https://console.lan:8765", "http", False),
        ("https://console.lan:8765", "https", True),
        ("https://proxy.example", "http", True),
        ("http://proxy.example", "http", False),
        ("http://other.lan:8765", "http", False),
        ("http://console.lan:8765.evil.example", "http", False),
        ("http://evilconsole.lan:8765", "http", False),
        ("http://console.lan.:8765", "http", False),
        ("http://user@console.lan:8765", "http", False),
        ("http://console.lan:8765/", "http", False),
        ("http://console.lan:8765\n", "http", False),
        ("null", "http", False),
        ("file://", "http", False),
        ("", "http", False),
    ],
)
def test_only_the_very_same_origin_may_open_a_socket(origin: str, scheme: str, allowed: bool) -> None:
    hosts, trusted = ["console.lan"], ["https://proxy.example"]
    found = is_own_origin(
        origin, "console.lan:8765", scheme=scheme, allowed_hosts=hosts, trusted_origins=trusted
    )
    assert found is allowed


def test_a_rebound_name_is_not_ours() -> None:
    assert not is_own_origin(
        "http://evil.example:8765",
        "evil.example:8765",
        scheme="http",
        allowed_hosts=["localhost"],
        trusted_origins=[],
    )


def test_a_default_port_may_be_left_out() -> None:
    assert is_own_origin(
        "http://localhost", "localhost:80", scheme="http", allowed_hosts=["localhost"], trusted_origins=[]
    )


@pytest.mark.parametrize("origin", [None, "http://localhost:9999", "http://evil.example:8765"])
@pytest.mark.usefixtures("own_limit")
def test_another_page_gets_no_socket_and_it_is_written_down(origin: str | None) -> None:
    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person()))
        for _ in range(3):
            async with Socket("/live/console/?after=7", cookie, origin=origin) as socket:
                assert not socket.accepted
        assert await here(written) == [("10.0.0.7", "/live/console/", "origin", origin or "")]

    run(scenario)


# What is written down


@pytest.fixture
def own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "note_denied", partial(note_denied, limit=DenialLimit()))


def written() -> list[tuple[str, str, str, str | None]]:
    """Who, the path, what was missing and the origin, of refused sockets."""
    found = Entry.objects.filter(action="request.denied", decision="deny").order_by("idx")
    details = [json.loads(entry.body)["details"] for entry in found]
    assert {one["method"] for one in details} <= {"WEBSOCKET"}
    return [
        (entry.actor_label, entry.target_label, one["right"], one.get("origin"))
        for entry, one in zip(found, details, strict=True)
    ]


@pytest.mark.usefixtures("own_limit")
def test_a_stranger_who_opens_sockets_is_written_down() -> None:
    async def scenario() -> None:
        found = await here(paths)
        for _ in range(3):
            for path in found:
                assert await code_of(path, "") == CloseCode.UNAUTHENTICATED
        assert await here(written) == [("10.0.0.7", path, "sign-in", None) for path in found]

    run(scenario)


@pytest.mark.usefixtures("own_limit")
def test_a_person_without_the_right_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "may", lambda *_: False)

    async def scenario() -> None:
        cookie = await here(lambda: cookie_of(make_person(username="ada")))
        assert await code_of("/live/console/", cookie) == CloseCode.FORBIDDEN
        assert await here(written) == [("ada", "/live/console/", "read", None)]

    run(scenario)


@pytest.mark.usefixtures("own_limit")
def test_a_socket_is_refused_also_when_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    # Not by caplog: the application sets logging up anew when it is first imported.
    monkeypatch.setattr(refusals.logger, "warning", lambda text, *_: said.append(text))

    def fail(*_: object, **__: object) -> None:
        raise OperationalError("database is locked")

    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(denials, "append_apart", fail)
            assert await code_of("/live/console/", "") == CloseCode.UNAUTHENTICATED
        assert len(said) == 1
        assert "not in the audit log yet" in said[0]
        assert await here(written) == []
        assert await code_of("/live/console/", "") == CloseCode.UNAUTHENTICATED
        assert await here(written) == [("10.0.0.7", "/live/console/", "sign-in", None)]

    run(scenario)
