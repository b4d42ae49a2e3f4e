"""Connections that wait in the pool while Postgres ends them, as when it is started again."""

import select
import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from django.db import connection

from dashboard.lib.db import refuse_ended, vendor

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = 6


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
    if vendor() == "sqlite":
        pytest.skip("SQLite has no server that could end a connection")
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
    if vendor() == "sqlite":
        pytest.skip("SQLite has no server that could tell anything")
    place = connection.settings_dict
    options = {"host": place["HOST"], "user": place["USER"], "dbname": place["NAME"], "autocommit": True}
    with psycopg.connect(**options) as waited, psycopg.connect(**options) as other:
        waited.execute("LISTEN something")
        other.execute("NOTIFY something")
        assert select.select([waited.fileno()], [], [], 20)[0]
        refuse_ended(waited)
        # It has been read.
        assert not select.select([waited.fileno()], [], [], 0)[0]
