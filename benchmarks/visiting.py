"""Asking for pages as a person who is signed in: in this process, and over HTTP from the real server.

Only for a process in which Django is set up (Console.use_here).
"""

import gzip
import http.client
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from benchmarks.harness import Console, Pace, percentiles, timed
from benchmarks.processes import Failed
from sessions_app.models import Person, Role
from tests.browser.running import Server

TIMEOUT_S = 120.0


def make_operator(username: str = "ada") -> Person:
    person = Person(username=username, role=Role.OPERATOR)
    person.set_unusable_password()
    person.save()
    return person


def cookie_of(person: Person) -> str:
    """The value of the cookie that signing in gives."""
    session = SessionStore()
    session[SESSION_KEY] = str(person.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = person.get_session_auth_hash()
    session.create()
    assert session.session_key is not None
    return session.session_key


def cookie_header(cookie: str) -> dict[str, str]:
    return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"}


@contextmanager
def serving(console: Console) -> Iterator[Server]:
    """The real server in a process of its own, on the console's data."""
    with Server(console.home, console.database_url, secret_key=console.secret_key) as server:
        yield server


@dataclass(frozen=True)
class Answer:
    """`sent` are the bytes of the body as they came over the wire, `plain` those that a reader gets."""

    milliseconds: float
    sent: int
    plain: bytes
    encoding: str


class Visitor:
    """One browser's connection, kept open."""

    def __init__(self, server: Server, cookie: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
        self._headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}", "Accept-Encoding": "gzip"}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def rest(self) -> None:
        """Let go of the connection, which the server ends after a minute without a request; the next opens it."""
        self._connection.close()

    def get(self, path: str) -> Answer:
        """Raises Failed for anything but a page."""
        started = time.perf_counter()
        self._connection.request("GET", path, headers=self._headers)
        response = self._connection.getresponse()
        body = response.read()
        milliseconds = (time.perf_counter() - started) * 1000
        if response.status != http.client.OK:
            raise Failed(f"GET {path} gave {response.status}")
        encoding = response.headers.get("Content-Encoding", "")
        return Answer(
            milliseconds, len(body), gzip.decompress(body) if encoding == "gzip" else body, encoding
        )


def client_of(person: Person) -> Client:
    """The whole stack of middleware and views, in this process, without a server around it."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.force_login(person)
    return client


def get_in_process(client: Client, path: str) -> None:
    response = client.get(path)
    if response.status_code != http.client.OK:
        raise Failed(f"GET {path} gave {response.status_code}")


def page_figures(path: str, client: Client, visitor: Visitor, count: int) -> dict[str, dict[str, Any]]:
    """Percentiles of `count` requests each: of the application alone, and over HTTP with the server around it.

    `at_full_speed` are those of the first while no neighbour slowed the processor down; `slowdown` says how much the
    others did (harness.Pace).
    """
    # The first request of each kind finds caches and plans cold; it belongs to no percentile.
    get_in_process(client, path)
    visitor.rest()
    costs, pace = [], Pace()
    for _ in range(count):
        costs.append(timed(lambda: get_in_process(client, path)))
        pace.take(costs[-1])
    processor = percentiles([cost.processor_ms for cost in costs])
    visitor.get(path)
    return {
        "in_process": {
            **percentiles([cost.wall_ms for cost in costs]),
            # On a busy machine the time that it took is mostly waiting; this is not.
            "cpu_p50_ms": processor["p50_ms"],
            "cpu_p95_ms": processor["p95_ms"],
            "slowdown": pace.slowdown,
            "at_full_speed": pace.at_full_speed(),
        },
        "over_http": percentiles([visitor.get(path).milliseconds for _ in range(count)]),
    }


def gzip_size(content: bytes) -> int:
    """What a proxy that compresses would send."""
    return len(zlib.compress(content, 6))
