"""What runs have spent, by model. These are facts; prices are applied on reading (sessions_app/costs.py)."""

from typing import ClassVar

from django.db import models

from dashboard.lib.ids import new_id
from sessions_app.models.run import Run


class ModelUsage(models.Model):
    """The tokens of one run with one model, as its source counts them; over all models they are the run's sums."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="usage", db_index=False)
    # "" where the source does not say.
    model = models.CharField(max_length=120, blank=True)
    input_tokens = models.BigIntegerField(default=0)
    output_tokens = models.BigIntegerField(default=0)
    cache_read_tokens = models.BigIntegerField(default=0)
    cache_write_tokens = models.BigIntegerField(default=0)
    # Of those written to the cache the ones that stay for an hour, where the source says it.
    cache_write_1h_tokens = models.BigIntegerField(default=0)

    objects: ClassVar[models.Manager["ModelUsage"]] = models.Manager()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["run", "model"], name="model_usage"),
        ]

    def __str__(self) -> str:
        return f"{self.model or 'no model named'} in {self.run_id}"
