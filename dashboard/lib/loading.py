"""Filling an empty database from rows that were written elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.core.management.color import no_style
from django.db import connection, models

from dashboard.lib.db import vendor, write_transaction


@contextmanager
def loading() -> Iterator[None]:
    """One transaction, outside of any, in which a row may come before the one that it names.

    SQLite heeds no foreign key inside: with one that waits for its row it would look through a table for each row
    that is written meanwhile. All of them are looked at in the end. Raises IntegrityError.
    """
    with connection.constraint_checks_disabled(), write_transaction():
        yield
        connection.check_constraints()


def settle_references() -> None:
    """Let Postgres look at what was written since: it keeps a note of each row until then. Raises IntegrityError."""
    if vendor() == "postgresql":
        connection.check_constraints()


def number_on(loaded: Sequence[type[models.Model]]) -> None:
    """Let the next row of tables that number their rows come after those that are there."""
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(loaded)):
            cursor.execute(statement)
