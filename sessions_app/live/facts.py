"""What the hub tells a consumer: small facts that say that there is news, never the news itself."""

import asyncio
import contextlib
import uuid
from dataclasses import dataclass
from typing import Literal

from sessions_app.live.close_codes import CloseCode

type Kind = Literal["session", "run", "terminal", "audit"]
type Interest = tuple[Kind, uuid.UUID]

# Of one consumer's untold facts. Beyond that it is told that anything may have changed.
MAX_UNTOLD = 500


@dataclass(frozen=True, slots=True)
class Changed:
    """A row moved. `seq` is its cursor: a session's last place, a run's session's, a terminal's or the log's size."""

    kind: Kind
    id: uuid.UUID
    seq: int
    updated_ms: int = 0
    # Of a terminal: how many events it has, and its state.
    events: int = 0
    state: str = ""
    # Deleted, or in the trash.
    is_gone: bool = False

    @property
    def about(self) -> Interest:
        return self.kind, self.id


@dataclass(frozen=True, slots=True)
class Login:
    """Who is connected, as they were let in."""

    person_id: uuid.UUID
    access_version: int
    session_key: str


@dataclass(slots=True)
class News:
    """All that a consumer was not told yet."""

    changed: list[Changed]
    # Too much changed to name it.
    anything: bool
    # The database went away (why), or came back ("").
    database: str | None
    close: CloseCode | None


class Mailbox:
    """One consumer's untold facts: a bounded set, where a newer fact about a thing replaces the older one.

    Lives on the consumer's event loop. The hub's thread reaches it through `post` alone.
    """

    def __init__(self, login: Login, interest: Interest | None) -> None:
        """With an `interest`, only facts about this session or terminal; else about all that lists show."""
        self.login = login
        self.interest = interest
        self._loop = asyncio.get_running_loop()
        self._awake = asyncio.Event()
        self._changed: dict[Interest, Changed] = {}
        self._anything = False
        self._database: str | None = None
        self._close: CloseCode | None = None

    async def wait(self) -> News:
        """Everything since the last call, as soon as there is anything (or after `wake`)."""
        await self._awake.wait()
        self._awake.clear()
        news = News(list(self._changed.values()), self._anything, self._database, self._close)
        self._changed, self._anything, self._database = {}, False, None
        return news

    def wake(self) -> None:
        """Let `wait` return though nothing was posted."""
        self._awake.set()

    def post(
        self,
        changed: list[Changed] | None = None,
        *,
        anything: bool = False,
        database: str | None = None,
        close: CloseCode | None = None,
    ) -> None:
        """Put facts in, from any thread."""
        # A loop that is closed has taken its consumer with it.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._take, changed or [], anything, database, close)

    def _take(
        self, changed: list[Changed], anything: bool, database: str | None, close: CloseCode | None
    ) -> None:
        for fact in changed:
            self._changed[fact.about] = fact
        if anything or len(self._changed) > MAX_UNTOLD:
            self._changed.clear()
            self._anything = True
        if database is not None:
            self._database = database
        self._close = self._close or close
        self._awake.set()
