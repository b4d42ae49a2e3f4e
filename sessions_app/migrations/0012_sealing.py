from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("sessions_app", "0011_model_usage"),
    ]

    operations = [
        migrations.AddField(
            model_name="agentsession",
            name="rewrite_count",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="agentsession",
            name="sealed_seq",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddField(
            model_name="source",
            name="sealed_size",
            field=models.BigIntegerField(default=0),
        ),
        migrations.AddIndex(
            model_name="agentsession",
            index=models.Index(
                condition=models.Q(("sealed_seq__lt", models.F("last_seq"))),
                fields=["updated_ms"],
                name="session_unsealed",
            ),
        ),
        migrations.AddIndex(
            model_name="source",
            index=models.Index(
                condition=models.Q(("sealed_size__lt", models.F("read_offset"))),
                fields=["read_ms"],
                name="source_unsealed",
            ),
        ),
    ]
