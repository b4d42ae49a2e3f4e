import uuid
from typing import Any

from django.db import migrations, models

from audit.tree import Frontier, leaf_hash

_TILE_HEIGHT = 8
_ROWS = 2_000


def grow_tree(apps: Any, schema_editor: Any) -> None:
    """Every entry that is there becomes a leaf, as it stands."""
    connection = schema_editor.connection
    entry_model, subtree_model = apps.get_model("audit", "Entry"), apps.get_model("audit", "Subtree")
    frontier = Frontier()
    rows = entry_model.objects.order_by("idx").values_list("idx", "body")
    while batch := list(rows.filter(idx__gte=frontier.size)[:_ROWS]):
        leaves, subtrees = [], []
        for idx, body in batch:
            if idx != frontier.size:
                raise RuntimeError(
                    f"audit entry {frontier.size} is missing: restore the database before it is migrated"
                )
            leaf = leaf_hash(body.encode())
            leaves.append((leaf, idx))
            for height, number, found in frontier.append(leaf):
                if not height % _TILE_HEIGHT:
                    subtrees.append(subtree_model(level=height // _TILE_HEIGHT, number=number, hash=found))
        with connection.cursor() as cursor:
            cursor.executemany("UPDATE audit_entry SET leaf = %s WHERE idx = %s", leaves)
        subtree_model.objects.bulk_create(subtrees)
    apps.get_model("audit", "Log").objects.create(pk=1, size=frontier.size, frontier=frontier.encode())


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                ("size", models.BigIntegerField(primary_key=True, serialize=False)),
                ("at_ms", models.BigIntegerField()),
                ("note", models.TextField()),
                ("key", models.CharField(max_length=200)),
            ],
        ),
        migrations.CreateModel(
            name="Log",
            fields=[
                ("id", models.PositiveSmallIntegerField(primary_key=True, serialize=False)),
                ("log_id", models.UUIDField(default=uuid.uuid4)),
                ("size", models.BigIntegerField()),
                ("frontier", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Payload",
            fields=[
                ("idx", models.BigIntegerField(primary_key=True, serialize=False)),
                ("salt", models.BinaryField(max_length=16)),
                ("data", models.BinaryField()),
            ],
        ),
        migrations.CreateModel(
            name="Pruning",
            fields=[
                ("idx", models.BigIntegerField(primary_key=True, serialize=False)),
                ("first_idx", models.BigIntegerField()),
                ("last_idx", models.BigIntegerField()),
            ],
        ),
        migrations.CreateModel(
            name="Subtree",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("level", models.PositiveSmallIntegerField()),
                ("number", models.BigIntegerField()),
                ("hash", models.BinaryField(max_length=32)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("level", "number"), name="audit_subtree_place")
                ],
            },
        ),
        migrations.AddField(
            model_name="entry", name="leaf", field=models.BinaryField(max_length=32, null=True)
        ),
        migrations.RunPython(grow_tree, migrations.RunPython.noop),
        migrations.AlterField(model_name="entry", name="leaf", field=models.BinaryField(max_length=32)),
    ]
