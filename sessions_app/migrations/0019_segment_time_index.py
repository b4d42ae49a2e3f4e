"""An index of segments by their time: a moment was looked for in a dozen steps, each a question to the database.

SQLite reads all output that is stored once to make it, as fast as the disk gives it.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0018_session_arrived_ms"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="terminalsegment",
            index=models.Index(fields=["terminal", "first_us", "offset"], name="terminal_segment_time"),
        ),
    ]
