"""On Postgres, columns that hold compressed bytes are stored as they are: compressing them again only costs."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

COMPRESSED = ("Blob", "SourceChunk", "TerminalSegment", "TerminalKeyframe", "TerminalText")


def store(apps: StateApps, editor: BaseDatabaseSchemaEditor, how: str) -> None:
    if editor.connection.vendor != "postgresql":
        return
    for name in COMPRESSED:
        table = apps.get_model("sessions_app", name)._meta.db_table
        editor.execute(f"ALTER TABLE {table} ALTER COLUMN data SET STORAGE {how}", params=None)


def as_it_is(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    store(apps, editor, "EXTERNAL")


def compressed(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    store(apps, editor, "EXTENDED")


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0005_terminal_derived")]
    operations = [migrations.RunPython(as_it_is, compressed)]
