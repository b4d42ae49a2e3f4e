"""A project: the folder that agents worked in."""

from typing import ClassVar

from django.db import models

from dashboard.lib.clock import now_ms
from dashboard.lib.ids import new_id


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    path = models.CharField(max_length=1024, unique=True)
    name = models.CharField(max_length=200)
    created_ms = models.BigIntegerField(default=now_ms)

    class Meta:
        ordering: ClassVar[list[str]] = ["name", "path"]

    def __str__(self) -> str:
        return self.name
