"""What waits in the pool while Postgres ends it, as when it is started again, and the pool of one that was away."""

import select
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from psycopg_pool import ConnectionPool, PoolTimeout

from dashboard.lib.db import refuse_ended, vendor

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 6


@pytest.fixture(autouse=True)
def on_postgres() -> None:
    if vendor() == "sqlite":
        pytest.skip("SQLite has no server, and no pool")


def place() -> dict[str, Any]:
    """Of the database, for connections beside the pool."""
    found = connection.settings_dict
    return {"host": found["HOST"], "user": found["USER"], "dbname": found["NAME"], "autocommit": True}


def backend() -> int:
    """The process that serves this thread's connection, which goes back to the pool."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            [number] = cursor.fetchone()
            return int(number)
    finally:
        connection.close()


def test_a_connection_that_postgres_has_ended_is_nobodys() -> None:
    # Ours is none of them.
    connection.ensure_connection()
    together = threading.Barrier(NUMBER)

    def one_of_several() -> int:
        connection.ensure_connection()
        # Each has its own before the first gives it back.
        together.wait(20)
        return backend()

    with ThreadPoolExecutor(NUMBER) as threads:
        waiting = {each.result() for each in [threads.submit(one_of_several) for _ in range(NUMBER)]}
        assert len(waiting) == NUMBER
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s) pid", [sorted(waiting)])
            assert cursor.fetchall() == [(True,)] * NUMBER
        connection.close()
        assert not {threads.submit(backend).result() for _ in range(2 * NUMBER)} & waiting


def test_a_connection_that_postgres_has_told_something_is_kept() -> None:
    """As that a setting has changed: there is something to be read of it, and it is well."""
    with psycopg.connect(**place()) as waited, psycopg.connect(**place()) as other:
        waited.execute("LISTEN something")
        other.execute("NOTIFY something")
        assert select.select([waited.fileno()], [], [], 20)[0]
        refuse_ended(waited)
        # It has been read.
        assert not select.select([waited.fileno()], [], [], 0)[0]


def test_a_postgres_that_comes_back_is_found_soon(tmp_path: Path) -> None:
    """Its pool tries to connect after longer and longer; without a limit for about as long as Postgres was away."""
    options = settings.DATABASES["default"]["OPTIONS"]["pool"]
    sockets = tmp_path / "s"
    with ConnectionPool(kwargs={**place(), "host": str(sockets)}, **options) as pool:
        for _ in range(3):
            with pytest.raises(PoolTimeout):
                pool.getconn()
        sockets.symlink_to(place()["host"])
        with pool.connection() as found:
            assert found.execute("SELECT 1").fetchone() == (1,)
