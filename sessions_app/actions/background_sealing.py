"""A thread of the server that seals what is at rest; of several servers on one database one does it.

Output of terminals goes first, and between two pieces of all others: it is to be sealed within seconds.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from typing import Final

from django.conf import settings
from django.db import DatabaseError

from audit.actors import SYSTEM
from dashboard.lib.background import BackgroundThread
from dashboard.lib.clock import now_ms
from dashboard.lib.db import explain, is_unreadable_text
from dashboard.lib.only_one import OnlyOne
from sessions_app.actions.sealing import (
    KeepsChanging,
    seal_session,
    seal_source,
    sessions_at_rest,
    sources_at_rest,
)
from sessions_app.actions.terminals.sealing import UnreadableOutput, longest_unsealed, seal
from sessions_app.models import Terminal
from sessions_app.sealed_lines import UnreadableLines
from sessions_app.sealed_rows import UnreadableRows

logger = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 10.0
# After each piece it rests for so many times as long as it worked, a fifth of a core at most; longer beside pages.
_RESTS: Final = 4
_AT_ONCE: Final = 50
# What is damaged is left alone for so long.
_LEFT_ALONE_S: Final = 3_600.0


class BackgroundSealing(BackgroundThread):
    """Of all servers and commands on this database one seals. What was hashed and not written is hashed again later."""

    def __init__(self, every_s: float = LOOK_EVERY_S) -> None:
        super().__init__("sealing", every_s)
        self._turn = OnlyOne("sealing")
        self._left_alone: dict[uuid.UUID, float] = {}
        self._output_due = 0.0

    def failed(self, error: Exception) -> None:
        logger.debug("nothing can be sealed: %s", explain(error))

    def ended(self) -> None:
        self._turn.release()

    def look(self) -> None:
        if self._turn.take():
            self.seal_what_rests()

    def seal_what_rests(self) -> None:
        """Everything that is at rest now."""
        self._output_due = 0.0
        self._seal_output()
        while not self.stopping.is_set():
            due = self._due()
            if not due:
                return
            for key, pieces in due:
                self._seal(key, pieces)

    def _seal_output(self) -> None:
        """Of all terminals with output that waits for it, when it is time to look. A few milliseconds each."""
        now = time.monotonic()
        if now < self._output_due:
            return
        self._left_alone = {key: until for key, until in self._left_alone.items() if until > now}
        while (key := longest_unsealed(now_ms(), self._left_alone)) is not None:
            began = time.monotonic()
            self._seal_terminal(key)
            if self.stopping.wait((time.monotonic() - began) * _RESTS):
                return
        self._output_due = time.monotonic() + self.every_s

    def _seal_terminal(self, key: uuid.UUID) -> None:
        try:
            terminal = Terminal.objects.filter(pk=key).first()
            if terminal is None or not seal(terminal):
                # Whoever sends its output, or another server, came first.
                self._left_alone[key] = time.monotonic() + self.every_s
        except UnreadableOutput as error:
            self._leave_damaged(key, error)
        except DatabaseError as error:
            if not is_unreadable_text(error):
                raise
            # Or no other would ever be sealed again.
            self._leave_damaged(key, error)

    def _due(self) -> list[tuple[uuid.UUID, Iterator[int]]]:
        """The next ones, sessions before sources, each with what seals it."""
        moment, rest_ms = now_ms(), settings.SEAL_AFTER_MS
        sessions = sessions_at_rest(moment, rest_ms).exclude(pk__in=list(self._left_alone))
        keys = list(sessions.order_by("updated_ms").values_list("pk", flat=True)[:_AT_ONCE])
        if keys:
            return [(key, seal_session(key, actor=SYSTEM)) for key in keys]
        sources = sources_at_rest(moment, rest_ms).exclude(pk__in=list(self._left_alone))
        keys = list(sources.order_by("read_ms").values_list("pk", flat=True)[:_AT_ONCE])
        return [(key, seal_source(key, actor=SYSTEM)) for key in keys]

    def _seal(self, key: uuid.UUID, pieces: Iterator[int]) -> None:
        began = time.monotonic()
        try:
            for _ in pieces:
                if self.rest((time.monotonic() - began) * _RESTS):
                    return
                self._seal_output()
                began = time.monotonic()
        except (UnreadableRows, UnreadableLines) as error:
            self._leave_damaged(key, error)
        except KeepsChanging:
            self._left_alone[key] = time.monotonic() + self.every_s

    def _leave_damaged(self, key: uuid.UUID, error: Exception) -> None:
        self._left_alone[key] = time.monotonic() + _LEFT_ALONE_S
        logger.warning("%s cannot be sealed: %s", key, error)
