"""How a request reaches its thread, and what that thread keeps."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from django.core.signals import request_started
from django.db import close_old_connections, connection, reset_queries
from django.db.backends.signals import connection_created

from dashboard.handler import OneThreadHandler, stop_answering
from dashboard.lib.streaming import in_steps

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quiet_afterwards() -> Iterator[None]:
    """No thread may outlive the database of its test, and what the handler does without is for the others."""
    yield
    stop_answering()
    request_started.connect(close_old_connections)
    request_started.connect(reset_queries)


@pytest.fixture
def opened() -> Iterator[list[threading.Thread]]:
    """The threads that opened a connection."""
    found: list[threading.Thread] = []

    def note(**_: object) -> None:
        found.append(threading.current_thread())

    connection_created.connect(note)
    yield found
    connection_created.disconnect(note)


def browser_at(path: str) -> Any:
    scope: dict[str, Any] = {
        "type": "http", "method": "GET", "path": path, "query_string": b"", "headers": [(b"host", b"testserver")],
    }  # fmt: skip
    return ApplicationCommunicator(OneThreadHandler(), scope)  # type: ignore[no-untyped-call]


async def status_of(browser: Any) -> int:
    """Of the answer, which has come whole."""
    await browser.send_input({"type": "http.request", "body": b""})
    status: int = (await browser.receive_output(30))["status"]
    while (await browser.receive_output(30)).get("more_body"):
        pass
    return status


async def visit(path: str) -> int:
    browser = browser_at(path)
    status = await status_of(browser)
    await browser.wait(30)
    return status


def test_a_request_finds_the_connection_of_the_one_before(opened: list[threading.Thread]) -> None:
    async def visit_thrice() -> list[int]:
        statuses = []
        for _ in range(3):
            statuses.append(await visit("/healthz"))
            # A thread is free a moment after its answer is there.
            await asyncio.sleep(0.2)
        return statuses

    assert asyncio.run(visit_thrice()) == [200, 200, 200]

    # That of Postgres comes out of its pool each time, which opens none.
    assert len(opened) == (1 if connection.vendor == "sqlite" else 3)
    assert all(thread.name.startswith("request") for thread in opened)


def test_a_request_is_answered_while_a_socket_waits_for_the_database() -> None:
    async def scenario() -> int:
        # As the sign-in of a socket does: all of them share one thread, and so does what asgiref is given otherwise.
        release = threading.Event()
        waiting = asyncio.create_task(sync_to_async(release.wait)(60))
        browser = browser_at("/healthz")
        try:
            return await status_of(browser)
        finally:
            release.set()
            await waiting
            await browser.wait(30)

    assert asyncio.run(scenario()) == 200


def test_an_answer_in_steps_is_read_in_a_thread_of_its_own(
    opened: list[threading.Thread],
) -> None:
    threads: list[threading.Thread] = []

    def step() -> int | None:
        threads.append(threading.current_thread())
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        return len(threads) if len(threads) < 3 else None

    async def read() -> list[int]:
        return [number async for number in in_steps(step)]

    assert asyncio.run(read()) == [1, 2]
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert opened == threads[:1]
