from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0004_name_of_an_empty_log"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["actor_label", "action", "idx"], name="audit_actor_action"),
        ),
    ]
