from django.db import migrations


class Migration(migrations.Migration):
    """Changes no table: the triggers, which are put back after it, refuse rows about entries that are not there."""

    dependencies = [("audit", "0005_entries_of_an_actor_and_action")]
    operations = []
