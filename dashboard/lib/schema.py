"""How the database's schema stands to the one that this program knows."""

import fcntl
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from django.apps import apps
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from dashboard.lib.db import sqlite_path, vendor
from dashboard.lib.errors import Refused

# Any number that nothing else locks: the letters "schema".
_LOCK_KEY: Final = 0x736368656D61


@dataclass(frozen=True)
class SchemaState:
    """Counts of migrations applied and pending, and the names of those that this program does not know."""

    applied: int
    pending: int
    newer: tuple[str, ...]

    def refuse_newer(self) -> None:
        if self.newer:
            raise Refused(
                f"The database was made by a newer Scrollback (it has {self.newer[-1]}). "
                "Update the program; nothing was changed."
            )


def schema_state() -> SchemaState:
    """Raises DatabaseError when the database is away."""
    executor = MigrationExecutor(connection)
    loader = executor.loader
    known = {app.label for app in apps.get_app_configs()}
    applied = [migration for migration in loader.applied_migrations if migration[0] in known]
    newer = sorted(f"{app}.{name}" for app, name in applied if (app, name) not in loader.disk_migrations)
    pending = 0 if newer else len(executor.migration_plan(loader.graph.leaf_nodes()))
    return SchemaState(len(applied), pending, tuple(newer))


def applied_migrations(labels: Collection[str]) -> tuple[str, ...]:
    """What the database has of these apps, as `app.name`, in order. Raises DatabaseError."""
    applied = MigrationRecorder(connection).applied_migrations()
    return tuple(sorted(f"{app}.{name}" for app, name in applied if app in labels))


def require_schema() -> None:
    """Make the tables of an empty database; raises Refused for one that is older or newer than this program.

    Only `serve` brings an older one up to date: another command might do so below a running server.
    """
    if _is_up_to_date():
        return
    with _alone():
        state = schema_state()
        state.refuse_newer()
        if not state.applied:
            _migrate()
        elif state.pending:
            raise Refused(
                f"The database is older than this program (pending migrations: {state.pending}). "
                "Start `scrollback serve` once to bring it up to date."
            )


def bring_up_to_date() -> int:
    """Apply what is pending; returns how many migrations that was. Raises Refused for a newer database."""
    if _is_up_to_date():
        return 0
    with _alone():
        state = schema_state()
        state.refuse_newer()
        if state.pending:
            _migrate()
        return state.pending


def _is_up_to_date() -> bool:
    path = sqlite_path()
    # Two that make the same file at once refuse each other, so not even a look at an absent one is free.
    if path is not None and not (os.path.exists(path) and os.path.getsize(path)):
        return False
    state = schema_state()
    state.refuse_newer()
    return not state.pending


def _migrate() -> None:
    """Apply everything or, when killed, nothing: Django records a migration after it has committed its tables."""
    # SQLite changes tables only while it checks no foreign keys, and heeds that outside of a transaction alone.
    with connection.constraint_checks_disabled(), transaction.atomic():
        call_command("migrate", interactive=False, verbosity=0)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait until no other process changes this database's schema, and keep others waiting.

    The system lets go of it for a process that is killed. Raises Refused when there is no place for the lock.
    """
    path = sqlite_path()
    if path is not None:
        with _file_lock(f"{path}.migrating"):
            yield
    elif vendor() == "postgresql":
        # On the very connection that migrates: whoever waits goes on when the last statement of a killed one is
        # over, and not in the middle of it.
        with connection.cursor() as cursor:
            # However long the other one takes.
            cursor.execute("SET lock_timeout=0")
            cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK_KEY])
        try:
            yield
        finally:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [_LOCK_KEY])
                cursor.execute("RESET lock_timeout")
    else:
        yield


@contextmanager
def _file_lock(path: str) -> Iterator[None]:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    except FileNotFoundError:
        # The database cannot be there either, which it says itself.
        yield
        return
    except OSError as error:
        raise Refused(f"{path} cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
