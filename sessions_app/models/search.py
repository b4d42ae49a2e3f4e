"""What the search indexes know about: a row for each searchable text, and what sessions are called.

The indexes themselves are in sessions_app/search/index.py.
"""

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


class TitleWords(models.Model):
    """The words of a session's title and first prompt, as they are now; none for a session that has neither.

    `id` is where the index of titles has them, the newest sessions highest. The words themselves stand here too: a
    list that walks through sessions asks each whether it has a word, and SQLite's index needs them to take them out.
    """

    id = models.BigAutoField(primary_key=True)
    session = models.OneToOneField(AgentSession, on_delete=models.CASCADE, related_name="+")
    # In lower case, each once, with a space before and behind each.
    words = models.TextField()

    def __str__(self) -> str:
        return self.words.strip()
