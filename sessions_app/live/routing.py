"""The addresses of the live sockets; the protocol itself is in docs/live-protocol.md."""

from django.urls import URLPattern, path, re_path

from sessions_app.live.consumers.base import UnknownConsumer
from sessions_app.live.consumers.console import ConsoleConsumer
from sessions_app.live.consumers.session import SessionConsumer
from sessions_app.live.consumers.terminal import TerminalConsumer

websocket_urlpatterns: list[URLPattern] = [
    path("live/console/", ConsoleConsumer.as_asgi()),  # type: ignore[arg-type]
    path("live/sessions/<uuid:session_id>/", SessionConsumer.as_asgi()),  # type: ignore[arg-type]
    path("live/terminals/<uuid:terminal_id>/", TerminalConsumer.as_asgi()),  # type: ignore[arg-type]
    re_path("", UnknownConsumer.as_asgi()),  # type: ignore[arg-type]
]
