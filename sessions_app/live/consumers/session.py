"""News of one session: how far its timeline reaches."""

from sessions_app.live.close_codes import CloseCode
from sessions_app.live.consumers.base import LiveConsumer, Refusal
from sessions_app.live.facts import Interest, News
from sessions_app.live.reading import in_database
from sessions_app.models import AgentSession


class SessionConsumer(LiveConsumer):
    """`/live/sessions/<id>/?after=<seq>`: says that there are places beyond the client's."""

    _told = 0

    def interest(self) -> Interest:
        return "session", self.scope["url_route"]["kwargs"]["session_id"]

    async def begin(self) -> None:
        self._told = self.query("after")
        await self._tell(await in_database(self._last_seq))

    async def deliver(self, news: News) -> None:
        if news.anything:
            await self._tell(await in_database(self._last_seq))
        for fact in news.changed:
            if fact.is_gone:
                raise Refusal(CloseCode.UNKNOWN)
            if not await self._tell(fact.seq):
                # The same places, but the session's own row moved: its title, its status, its counters.
                await self.send_message("changed", seq=fact.seq)

    async def _tell(self, seq: int) -> bool:
        if seq <= self._told:
            return False
        self._told = seq
        await self.send_message("news", seq=seq)
        return True

    def _last_seq(self) -> int:
        _, session_id = self.interest()
        sessions = AgentSession.objects.filter(pk=session_id).visible_to(self.person)
        seq: int | None = sessions.values_list("last_seq", flat=True).first()
        if seq is None:
            raise Refusal(CloseCode.UNKNOWN)
        return seq
