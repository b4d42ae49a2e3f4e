"""What sessions are called, by word: an FTS5 table on SQLite, an index over an expression on Postgres."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from sessions_app.search.index import CREATE_TITLES_POSTGRES, CREATE_TITLES_SQLITE, add_titles
from sessions_app.search.titles import title_words

SESSIONS_AT_ONCE = 2_000


def create_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Before the rows: Postgres makes no index on a table whose new rows still wait for checks."""
    is_sqlite = editor.connection.vendor == "sqlite"
    editor.execute(CREATE_TITLES_SQLITE if is_sqlite else CREATE_TITLES_POSTGRES, params=None)
    _fill(apps)


def _fill(apps: StateApps) -> None:
    """The sessions that are there, in the order in which they came."""
    model = apps.get_model("sessions_app", "TitleWords")
    sessions = apps.get_model("sessions_app", "AgentSession").objects.order_by("started_ms", "pk")
    portion = []
    for pk, title, prompt in sessions.values_list("pk", "title", "first_prompt").iterator(SESSIONS_AT_ONCE):
        if words := title_words(title, prompt):
            portion.append(model(session_id=pk, words=words))
        if len(portion) == SESSIONS_AT_ONCE:
            add_titles((row.pk, row.words) for row in model.objects.bulk_create(portion))
            portion = []
    add_titles((row.pk, row.words) for row in model.objects.bulk_create(portion))


def drop_index(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    """Postgres drops its index together with the table."""
    if editor.connection.vendor == "sqlite":
        editor.execute("DROP TABLE search_titles", params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0015_terminal_derivation"),
    ]

    operations = [
        migrations.CreateModel(
            name="TitleWords",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("words", models.TextField()),
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="sessions_app.agentsession",
                    ),
                ),
            ],
        ),
        migrations.RunPython(create_index, drop_index),
    ]
