"""Sockets to the whole application, as a browser opens them, without a server in between."""

import json
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any, Self

from asgiref.sync import async_to_sync, sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.test import Client

from sessions_app.models import Person
from sessions_app.terminal import wire
from sessions_app.terminal.follower import Follower, Hole
from tests.factories import signed_in

# Of what comes at once where nothing else uses the processors.
PATIENCE_S = 30.0
HOST = "localhost:8765"
PEER = "10.0.0.7"
ORIGIN = f"http://{HOST}"


def run[Answer](test: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    """Run a test on an event loop; what it calls with `here` runs in this thread, with this connection."""
    return async_to_sync(test)()


async def here[**Arguments, Answer](
    function: Callable[Arguments, Answer], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Answer:
    return await sync_to_async(function)(*arguments, **named)


def cookie_of(person: Person | None) -> str:
    return "" if person is None else _cookie(signed_in(person))


def _cookie(client: Client) -> str:
    name = settings.SESSION_COOKIE_NAME
    return f"{name}={client.cookies[name].value}"


@cache
def whole_application() -> Any:
    # Static files are served too, from a folder that `serve` makes.
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    from dashboard.asgi import application

    return application


class Socket:
    """One open WebSocket. `Socket(path, cookie)` in an `async with`."""

    def __init__(self, path: str, cookie: str, *, origin: str | None = ORIGIN, host: str = HOST) -> None:
        headers = [(b"host", host.encode()), (b"cookie", cookie.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        self._communicator = WebsocketCommunicator(whole_application(), path, headers=headers)
        self._communicator.scope["client"] = (PEER, 50_000)
        self.accepted = False

    async def __aenter__(self) -> Self:
        self.accepted, _ = await self._communicator.connect(timeout=PATIENCE_S)
        return self

    async def __aexit__(self, kind: type[BaseException] | None = None, *exception: object) -> None:
        if kind is not None:
            # The application may be cancelled by now, and would cover up what went wrong.
            self._communicator.stop(exceptions=False)
            return
        await self._communicator.disconnect(timeout=PATIENCE_S)

    async def send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self._communicator.send_to(text_data=text)

    async def event(self) -> dict[str, Any]:
        """The next thing that the application sends, as ASGI has it."""
        event: dict[str, Any] = dict(await self._communicator.receive_output(timeout=PATIENCE_S))
        return event

    async def message(self, *types: str) -> dict[str, Any]:
        """The next JSON message, of one of these types when any are given."""
        while True:
            event = await self.event()
            assert event["type"] == "websocket.send", event
            message: dict[str, Any] = json.loads(event["text"])
            if not types or message["type"] in types:
                return message

    async def close_code(self) -> int:
        """The code with which the application closes; whatever it sends before is passed over."""
        while True:
            event = await self.event()
            if event["type"] == "websocket.close":
                code: int = event["code"]
                return code

    async def is_quiet(self) -> bool:
        return await self._communicator.receive_nothing(timeout=0.3)


class Viewer(Socket):
    """Follows a terminal as a browser does: takes what fits, acknowledges, and keeps what it would show."""

    def __init__(self, terminal_id: object, cookie: str, *, follower: Follower | None = None) -> None:
        self.follower = follower or Follower()
        super().__init__(f"/live/terminals/{terminal_id}/?offset={self.follower.expected}", cookie)
        self.shown = b""
        self.frames: list[wire.Frame] = []
        self.acknowledges = True

    async def step(self) -> wire.Frame:
        """Take one frame."""
        event = await self.event()
        assert event["type"] == "websocket.send", event
        frame = wire.decode(event["bytes"])
        self.frames.append(frame)
        applied = self.follower.receive(frame)
        assert not isinstance(applied, Hole), f"a hole before {frame}"
        if isinstance(applied, wire.OutputFrame):
            self.shown += applied.data
        elif isinstance(applied, wire.KeyframeFrame):
            self.shown = applied.data
        if self.acknowledges and isinstance(frame, wire.OutputFrame | wire.KeyframeFrame):
            await self.acknowledge()
        return frame

    async def acknowledge(self) -> None:
        await self.send({"ack": self.follower.expected})

    async def until(self, offset: int) -> bytes:
        """Everything shown, once the viewer has come this far."""
        while self.follower.expected < offset:
            await self.step()
        return self.shown

    def of_kind[Kind: wire.Frame](self, kind: type[Kind]) -> list[Kind]:
        return [frame for frame in self.frames if isinstance(frame, kind)]
