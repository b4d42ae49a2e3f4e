from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0014_source_unrecorded"),
    ]

    operations = [
        migrations.AddField(
            model_name="terminal",
            name="derivation",
            field=models.IntegerField(default=0),
        ),
    ]
