"""The word index of the search: FTS5 on SQLite, a tsvector on Postgres."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from sessions_app.search.index import CREATE_POSTGRES, CREATE_SQLITE


def create_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    for statement in CREATE_SQLITE if editor.connection.vendor == "sqlite" else CREATE_POSTGRES:
        editor.execute(statement, params=None)


def drop_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    editor.execute("DROP TABLE search_text", params=None)


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial")]
    operations = [migrations.RunPython(create_index, drop_index)]
