"""News of one session: how far its timeline reaches."""

from typing import NoReturn

from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import LiveConsumer, Refusal
from sessions_app.live.facts import Interest, News
from sessions_app.live.reading import in_database
from sessions_app.models import AgentSession
from sessions_app.models.session import TRASHED


class SessionConsumer(LiveConsumer):
    """`/live/sessions/<id>/?after=<seq>`: says that there are places beyond the client's."""

    # The newest place, and the moment of the row, that the client knows of.
    _seq = 0
    _updated_ms = 0
    # The newest place that the database was seen to have.
    _newest = 0

    def interest(self) -> Interest:
        return "session", self.scope["url_route"]["kwargs"]["session_id"]

    async def begin(self) -> None:
        self._seq = self.query("after")
        seq, self._updated_ms = await self._cursors()
        await self._tell(seq, self._updated_ms)

    async def deliver(self, news: News) -> None:
        if news.anything:
            await self._tell(*await self._cursors())
        for fact in news.changed:
            if fact.is_gone:
                await self._leave_for_good()
            await self._tell(fact.seq, fact.updated_ms)

    async def _tell(self, seq: int, updated_ms: int) -> None:
        if seq < self._newest:
            # The hub looked before this socket read for itself; places are never taken back.
            return
        self._newest = seq
        if seq > self._seq:
            await self.send_message("news", seq=seq)
        elif updated_ms != self._updated_ms:
            # The same places, but the row itself moved: its title, its status, its counters.
            await self.send_message("changed", seq=seq)
        self._seq, self._updated_ms = max(seq, self._seq), updated_ms

    async def _cursors(self) -> tuple[int, int]:
        """Raises Refusal when the session is not there for this person."""
        return await in_database(self._row) or await self._leave_for_good()

    async def _leave_for_good(self) -> NoReturn:
        """The close code is the same for both; from the trash there is a way back."""
        if await in_database(self._is_trashed):
            await self.send_message("trashed")
        raise Refusal(CloseCode.UNKNOWN)

    def _row(self) -> tuple[int, int] | None:
        sessions = AgentSession.objects.filter(pk=self.interest()[1]).visible_to(self.person)
        found: tuple[int, int] | None = sessions.values_list("last_seq", "updated_ms").first()
        return found

    def _is_trashed(self) -> bool:
        return AgentSession.objects.filter(TRASHED, pk=self.interest()[1]).exists()
