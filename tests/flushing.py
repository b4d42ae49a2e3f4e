"""Emptying the tables after a transactional test, which the audit log's triggers refuse to everybody else."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from django.db import connection, transaction
from django.db.backends.base.operations import BaseDatabaseOperations

from audit import triggers

_REMOVALS = ("_no_delete", "_no_truncate")


@contextmanager
def triggers_let_go_of_flushes() -> Iterator[None]:
    """While it lasts, a flush takes the triggers away and puts them back, in the flush's own transaction."""
    flush = BaseDatabaseOperations.execute_sql_flush

    def with_triggers_away(operations: BaseDatabaseOperations, statements: Sequence[str]) -> None:
        if triggers.missing():
            # Of a database that was never migrated, or a test's own doing: post_migrate sees to it.
            flush(operations, statements)
            return
        removals = [name for name in triggers.names() if name.endswith(_REMOVALS)]
        with transaction.atomic(), connection.cursor() as cursor:
            for name in removals:
                on_table = "" if connection.vendor == "sqlite" else f" ON {_table(name)}"
                cursor.execute(f"DROP TRIGGER {name}{on_table}")
            flush(operations, statements)
            triggers.install(removals)

    with patch.object(BaseDatabaseOperations, "execute_sql_flush", with_triggers_away):
        yield


def _table(trigger: str) -> str:
    return next(trigger.removesuffix(removal) for removal in _REMOVALS if trigger.endswith(removal))
