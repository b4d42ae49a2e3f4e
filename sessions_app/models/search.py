"""What the search index knows about: one row per searchable text. The words are in sessions_app/search/."""

from typing import ClassVar

from django.db import models

from sessions_app.models.session import AgentSession


class SearchKind(models.TextChoices):
    MESSAGE = "message", "Message"
    TOOL_CALL = "tool_call", "Tool call"
    SESSION = "session", "Session"
    # Of a TerminalText; a terminal may belong to no session.
    TERMINAL = "terminal", "Terminal"


class SearchEntry(models.Model):
    """`id` begins with the time, so that descending ids are newest first on both engines.

    The upper 42 bits are milliseconds, the lower 21 tell entries of one millisecond apart.
    """

    id = models.BigIntegerField(primary_key=True)
    kind = models.CharField(max_length=16, choices=SearchKind)
    object_id = models.UUIDField()
    session = models.ForeignKey(AgentSession, on_delete=models.CASCADE, null=True, related_name="+")

    class Meta:
        indexes: ClassVar[list[models.Index]] = []

    def __str__(self) -> str:
        return f"{self.kind} {self.object_id}"
