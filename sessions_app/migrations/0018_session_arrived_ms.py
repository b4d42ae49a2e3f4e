"""When rows of a session came last: of those that are there, the later of their last activity and their arrival.

On SQLite the rows are changed in place, about 12 s for a million sessions; Django would write the whole table and its
indexes anew, which takes four times as long.
On Postgres an update would leave as many dead rows and write every index row by row; a change of the column's type
writes the table and its indexes once.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import dashboard.lib.clock

TABLE = "sessions_app_agentsession"


def add(_: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    table = editor.quote_name(TABLE)
    editor.execute(f"ALTER TABLE {table} ADD COLUMN arrived_ms bigint NOT NULL DEFAULT 0")
    if editor.connection.vendor == "sqlite":
        # The default stays, as SQLite cannot drop one; every row is written with a value.
        editor.execute(f"UPDATE {table} SET arrived_ms = max(last_activity_ms, created_ms)")  # noqa: S608  its own name
        return
    editor.execute(
        f"ALTER TABLE {table} ALTER COLUMN arrived_ms DROP DEFAULT, "
        "ALTER COLUMN arrived_ms TYPE bigint USING greatest(last_activity_ms, created_ms)"
    )


def drop(_: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute(f"ALTER TABLE {editor.quote_name(TABLE)} DROP COLUMN arrived_ms")


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0017_words_of_grown_replies"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunPython(add, drop)],
            state_operations=[
                migrations.AddField(
                    model_name="agentsession",
                    name="arrived_ms",
                    field=models.BigIntegerField(default=dashboard.lib.clock.now_ms),
                ),
            ],
        ),
    ]
