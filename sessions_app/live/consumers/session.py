"""News of one session: how far its timeline reaches."""

from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import LiveConsumer, Refusal
from sessions_app.live.facts import Interest, News
from sessions_app.live.reading import in_database
from sessions_app.models import AgentSession


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
        seq, self._updated_ms = await in_database(self._cursors)
        await self._tell(seq, self._updated_ms)

    async def deliver(self, news: News) -> None:
        if news.anything:
            await self._tell(*await in_database(self._cursors))
        for fact in news.changed:
            if fact.is_gone:
                raise Refusal(CloseCode.UNKNOWN)
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

    def _cursors(self) -> tuple[int, int]:
        _, session_id = self.interest()
        sessions = AgentSession.objects.filter(pk=session_id).visible_to(self.person)
        found: tuple[int, int] | None = sessions.values_list("last_seq", "updated_ms").first()
        if found is None:
            raise Refusal(CloseCode.UNKNOWN)
        return found
