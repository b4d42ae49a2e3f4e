"""News for lists: which rows changed, and the numbers beside the places."""

import asyncio
import time

from django.db import DatabaseError

from sessions_app.access import READ_AUDIT, may
from sessions_app.live.consumers.base import LiveConsumer
from sessions_app.live.facts import News
from sessions_app.live.reading import in_database
from sessions_app.models import Person
from sessions_app.nav_counts import nav_counts

# Counting is not free: so often at most, however much changes.
COUNT_AFTER_S = 1.0


class ConsoleConsumer(LiveConsumer):
    """`/live/console/`: says what changed; pages fetch it through their own views."""

    _counts: dict[str, int] | None = None
    _counting: asyncio.Task[None] | None = None
    # When something changed that no count was begun after.
    _changed_at: float | None = None

    async def begin(self) -> None:
        await self._send_counts()
        # What is remembered may be from before this socket was told of changes.
        self._count_soon()

    async def deliver(self, news: News) -> None:
        if news.anything:
            await self.send_message("refresh")
        for fact in news.changed:
            if fact.kind != "audit" or may(self.person, READ_AUDIT):
                gone = {"gone": True} if fact.is_gone else {}
                await self.send_message("changed", kind=fact.kind, id=str(fact.id), seq=fact.seq, **gone)
        if not news.anything and all(fact.kind == "audit" for fact in news.changed):
            # No number beside a place comes from the log.
            return
        self._count_soon()

    async def disconnect(self, code: int) -> None:
        if self._counting is not None:
            self._counting.cancel()
        await super().disconnect(code)

    def _count_soon(self) -> None:
        self._changed_at = time.monotonic()
        if self._counting is None or self._counting.done():
            self._counting = asyncio.create_task(self._count_later())

    async def _count_later(self) -> None:
        """Once after any number of changes."""
        # What changes while the answer is on its way may not be in it.
        while self._changed_at is not None:
            await asyncio.sleep(COUNT_AFTER_S)
            since, self._changed_at = self._changed_at, None
            try:
                await self._send_counts(since)
            except DatabaseError:
                # Nobody else may have met the error, so nobody else would ask for another count.
                self._changed_at = time.monotonic()

    async def _send_counts(self, since: float = 0.0) -> None:
        """`since`: what a page counted before that moment and remembered is not sent."""
        counts = await in_database(_counts_of, self.person, since)
        if counts != self._counts:
            self._counts = dict(counts)
            await self.send_message("counts", **counts)


def _counts_of(person: Person, since: float) -> dict[str, int]:
    """Of somebody who was read when the socket opened, and may have marked everything as read since."""
    moments = Person.objects.filter(pk=person.pk).values_list("read_before_ms", flat=True)
    person.read_before_ms = moments.first() or 0
    return nav_counts(person, since=since)
