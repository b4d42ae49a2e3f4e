from django.db import migrations


class Migration(migrations.Migration):
    """Changes no table: the triggers, which are put back after it, refuse checkpoints of bytes on SQLite."""

    dependencies = [("audit", "0006_nothing_beyond_the_log")]
    operations = []
