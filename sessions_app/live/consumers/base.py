"""What every live socket does: let in, join, follow, and close with a code that says why."""

import asyncio
import json
import logging
import math
import time
from abc import ABC, abstractmethod
from typing import Any
from urllib.parse import parse_qs

from autobahn.exception import Disconnected
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from dashboard.lib.errors import CorruptData
from sessions_app.access import READ, may
from sessions_app.actors import actor_of
from sessions_app.live.close_codes import CloseCode
from sessions_app.live.facts import Interest, Login, Mailbox, News
from sessions_app.live.hub import get_hub
from sessions_app.live.refusals import note_refused
from sessions_app.models import Person

logger = logging.getLogger(__name__)

MAX_MESSAGE_CHARS = 1_000
# A page cannot see the pings of the protocol, so it asks whether anybody is there.
PING = {"type": "ping"}
# Whoever pings and does not read must not be able to fill the server's memory with answers.
PONG_EVERY_S = 1.0
# While the database is away a consumer asks again by itself, should nobody tell that it is back.
RETRY_S = 2.0


class Refusal(Exception):
    """The socket has to close with this code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class _Socket(AsyncWebsocketConsumer):
    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        # The server's WebSocket library takes a plain int only, and drops the whole frame for any other.
        await super().close(None if code is None else int(code), reason)


class LiveConsumer(_Socket, ABC):
    """Subclasses say what they follow (`interest`), and send what is new in `begin` and `deliver`.

    The socket is accepted before it is refused: a refusal at the handshake reaches a browser as a bare 403,
    without the code that tells it whether to try again.
    """

    person: Person
    mailbox: Mailbox | None = None
    _following: asyncio.Task[None] | None = None
    _ponged_at = -math.inf

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # The server may cancel a socket's application without a word of disconnection.
            self._leave()

    def interest(self) -> Interest | None:
        """The one session or terminal to hear about, or None for all that lists show."""
        return None

    async def begin(self) -> None:
        """Send what is new to this client already. Raises Refusal when it may not, or cannot, be here."""

    @abstractmethod
    async def deliver(self, news: News) -> None:
        """Send what follows from the news; `news.anything` means to look at everything again."""

    async def take(self, message: dict[str, Any]) -> None:
        """A message of the client. Most sockets have no use for any."""
        raise Refusal(CloseCode.MISTAKE)

    async def connect(self) -> None:
        await self.accept()
        scope: dict[str, Any] = {**self.scope}
        person, key = scope["user"], scope["session"].session_key
        if not isinstance(person, Person) or not key:
            await note_refused(scope, "sign-in")
            await self.close(CloseCode.UNAUTHENTICATED)
            return
        if not may(person, READ):
            await note_refused(scope, READ, actor=actor_of(person))
            await self.close(CloseCode.FORBIDDEN)
            return
        self.person = person
        self.mailbox = Mailbox(Login(person.pk, person.access_version, key), self.interest())
        get_hub().join(self.mailbox)
        self._following = asyncio.create_task(self._follow(self.mailbox))

    async def disconnect(self, code: int) -> None:
        self._leave()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = json.loads(text_data) if text_data and len(text_data) <= MAX_MESSAGE_CHARS else None
            if not isinstance(message, dict):
                raise Refusal(CloseCode.MISTAKE)
            if message == PING:
                await self._pong()
            else:
                await self.take(message)
        except Refusal as refusal:
            await self.close(refusal.code)
        except (ValueError, RecursionError):
            await self.close(CloseCode.MISTAKE)

    async def send_message(self, message_type: str, /, **members: Any) -> None:
        await self._send(text_data=json.dumps({"type": message_type, **members}, separators=(",", ":")))

    async def send_frame(self, frame: bytes) -> None:
        await self._send(bytes_data=frame)

    def query(self, name: str) -> int:
        """A whole number of the address, 0 when it is not there. Raises Refusal for anything else."""
        values = parse_qs(self.scope["query_string"].decode("latin1")).get(name, ["0"])
        if len(values) != 1 or not values[0].isascii() or not values[0].isdecimal() or len(values[0]) > 18:
            raise Refusal(CloseCode.MISTAKE)
        return int(values[0])

    async def _send(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            await self.send(text_data, bytes_data)
        except Disconnected:
            # The browser went a moment ago; that it did is told to this consumer next.
            self._leave()

    async def _pong(self) -> None:
        """Also a ping that comes too soon was answered a moment ago."""
        now = time.monotonic()
        if now - self._ponged_at >= PONG_EVERY_S:
            self._ponged_at = now
            await self.send_message("pong")

    async def _follow(self, mailbox: Mailbox) -> None:
        try:
            await self._until_it_works(self.begin)
            while True:
                news = await mailbox.wait()
                if news.close is not None:
                    raise Refusal(news.close)
                if news.database is not None:
                    await self.send_message("database", available=not news.database, reason=news.database)
                await self._until_it_works(self.deliver, news)
        except Refusal as refusal:
            await self.close(refusal.code)
        except CorruptData as error:
            logger.warning(
                "A live socket to %s %s meets damage: %s", *(self.interest() or ("all", "")), error
            )
            await self.close(CloseCode.DAMAGED)
        except Exception:
            logger.exception("A live socket failed")
            await self.close(CloseCode.FAILED)

    async def _until_it_works(self, step: Any, *arguments: Any) -> None:
        """A step that reads the database is repeated until the database is there."""
        while True:
            try:
                await step(*arguments)
                return
            except DatabaseError:
                await asyncio.sleep(RETRY_S)

    def _leave(self) -> None:
        if self.mailbox is not None:
            get_hub().leave(self.mailbox)
        if self._following is not None:
            self._following.cancel()


class UnknownConsumer(_Socket):
    """Every address that is none."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(CloseCode.UNKNOWN)
        raise StopConsumer
