"""How the database's schema stands to the one that this program knows."""

from dataclasses import dataclass

from django.apps import apps
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from dashboard.lib.errors import Refused


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


def migrate() -> None:
    call_command("migrate", interactive=False, verbosity=0)


def require_schema() -> None:
    """Make the tables of an empty database; raises Refused for one that is older or newer than this program.

    Only `serve` brings an older one up to date: another command might do so below a running server.
    """
    state = schema_state()
    state.refuse_newer()
    if not state.applied:
        migrate()
    elif state.pending:
        raise Refused(
            f"The database is older than this program (pending migrations: {state.pending}). "
            "Start `scrollback serve` once to bring it up to date."
        )
