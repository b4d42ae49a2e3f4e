from typing import Any

from django.db import migrations, models
from django.db.models import F


def forget_what_was_guessed(apps: Any, schema_editor: Any) -> None:
    """Recordings from files were said to come from the machine that read them, those without a time to have begun
    when their file was written.
    """
    recorded = apps.get_model("sessions_app", "Terminal").objects.filter(source__isnull=False)
    recorded.exclude(host="").update(host="")
    recorded.filter(started_ms=F("source__modified_ns") / 1_000_000).update(is_start_known=False)


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0012_sealing"),
    ]

    operations = [
        migrations.AddField(
            model_name="terminal",
            name="is_start_known",
            field=models.BooleanField(default=True),
        ),
        migrations.RunPython(forget_what_was_guessed, migrations.RunPython.noop),
    ]
