from django.db import migrations, models


class Migration(migrations.Migration):
    """Indexes for the pages. Nothing but indexes: on SQLite any other change would drop the table's triggers."""

    dependencies = [("audit", "0002_merkle_log")]

    operations = [
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["decision", "idx"], name="audit_decision"),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(
                condition=models.Q(("run_id__isnull", False)), fields=["run_id", "idx"], name="audit_run"
            ),
        ),
        migrations.AddIndex(model_name="entry", index=models.Index(fields=["at_ms"], name="audit_at")),
    ]
