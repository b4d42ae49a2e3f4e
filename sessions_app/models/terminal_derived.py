"""What is derived from a terminal's bytes: screens to start from, and its text. It can be made again at any time."""

from typing import ClassVar

from django.db import models

from dashboard.lib.ids import new_id
from sessions_app.models.blob import Codec, unpack
from sessions_app.models.terminal import Terminal


class TerminalKeyframe(models.Model):
    """VT text that rebuilds the screen after `offset` bytes and the events numbered up to `event`."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="keyframes", db_index=False)
    offset = models.BigIntegerField()
    event = models.BigIntegerField()
    at_us = models.BigIntegerField()
    cols = models.IntegerField()
    rows = models.IntegerField()
    # With lines of scrollback above the screen, for a viewer that opens here or scrolls up to here.
    is_heavy = models.BooleanField()
    size = models.IntegerField()
    codec = models.CharField(max_length=8, choices=Codec)
    data = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["terminal", "offset", "is_heavy"], name="terminal_keyframe_offset"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} keyframe at {self.offset}"

    def read(self) -> bytes:
        return unpack(bytes(self.data), self.codec, self.size)


class TerminalText(models.Model):
    """Lines that were to be read between `offset` and `end` (sessions_app/terminal/lines.py), for the search."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    terminal = models.ForeignKey(Terminal, on_delete=models.CASCADE, related_name="texts", db_index=False)
    offset = models.BigIntegerField()
    end = models.BigIntegerField()
    first_us = models.BigIntegerField()
    last_us = models.BigIntegerField()
    size = models.IntegerField()
    codec = models.CharField(max_length=8, choices=Codec)
    data = models.BinaryField()

    class Meta:
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["terminal", "offset"], name="terminal_text_offset"),
        ]

    def __str__(self) -> str:
        return f"{self.terminal_id} text from {self.offset}"

    def read(self) -> bytes:
        return unpack(bytes(self.data), self.codec, self.size)
