"""What runs have spent, by model, for what is in the database already."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import dashboard.lib.ids

_TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_NEW_ID = {"sqlite": "lower(hex(randomblob(16)))", "postgresql": "gen_random_uuid()"}

# A run whose messages add up to its sums has spent what they say, with their models. Of any other (its source
# counts for the run, not for messages) all there is to know is the run's model. One statement, so that a
# million messages take one look.
_FILL = """
WITH spent AS (
    SELECT run_id, model, {sums}
    FROM sessions_app_message
    WHERE run_id IS NOT NULL AND ({any})
    GROUP BY run_id, model
), told AS (
    SELECT run_id, {totals} FROM spent GROUP BY run_id
), whole AS (
    SELECT run.id FROM sessions_app_run AS run JOIN told ON told.run_id = run.id WHERE {equal}
)
INSERT INTO sessions_app_modelusage (id, run_id, model, {names}, cache_write_1h_tokens)
SELECT {new_id}, run_id, model, {names}, 0 FROM spent WHERE run_id IN (SELECT id FROM whole)
UNION ALL
SELECT {new_id}, id, model, {names}, 0 FROM sessions_app_run
WHERE ({any}) AND id NOT IN (SELECT id FROM whole)
"""


def fill(apps: StateApps, editor: BaseDatabaseSchemaEditor) -> None:
    statement = _FILL.format(
        new_id=_NEW_ID[editor.connection.vendor],
        names=", ".join(_TOKENS),
        # A sum of Postgres is a number without bounds.
        sums=", ".join(f"CAST(SUM({name}) AS bigint) AS {name}" for name in _TOKENS),
        totals=", ".join(f"CAST(SUM({name}) AS bigint) AS {name}" for name in _TOKENS),
        any=" OR ".join(f"{name} <> 0" for name in _TOKENS),
        equal=" AND ".join(f"run.{name} = told.{name}" for name in _TOKENS),
    )
    editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0010_session_places")]

    operations = [
        migrations.CreateModel(
            name="ModelUsage",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=dashboard.lib.ids.new_id, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("model", models.CharField(blank=True, max_length=120)),
                ("input_tokens", models.BigIntegerField(default=0)),
                ("output_tokens", models.BigIntegerField(default=0)),
                ("cache_read_tokens", models.BigIntegerField(default=0)),
                ("cache_write_tokens", models.BigIntegerField(default=0)),
                ("cache_write_1h_tokens", models.BigIntegerField(default=0)),
                (
                    "run",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="usage",
                        to="sessions_app.run",
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=("run", "model"), name="model_usage")]},
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
