"""Who opens a socket.

As Channels' AuthMiddlewareStack says it, but on the threads that keep their connection to the database: theirs is one
for all sockets, and on SQLite it opens the file, and closes it, for each.
"""

from importlib import import_module
from typing import Any, Protocol, cast

from channels.auth import get_user
from channels.sessions import CookieMiddleware
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase

from sessions_app.live.origin import Application
from sessions_app.live.reading import in_database
from sessions_app.models import Person


class _CheckedUser(Protocol):
    """Channels' check of a login without its hop to a thread."""

    def func(self, scope: dict[str, Any]) -> Person | AnonymousUser: ...


class SignedIn:
    """ASGI middleware: puts `session` and `user` into the scope. Raises DatabaseError."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._with_cookies = CookieMiddleware(self._let_in)

    async def __call__(self, scope: Any, receive: Application, send: Application) -> None:
        await self._with_cookies(scope, receive, send)

    async def _let_in(self, scope: Any, receive: Application, send: Application) -> None:
        key = scope["cookies"].get(settings.SESSION_COOKIE_NAME)
        session, user = await in_database(_login_of, key)
        await self._application({**scope, "session": session, "user": user}, receive, send)


def _login_of(key: str | None) -> tuple[SessionBase, Person | AnonymousUser]:
    session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    return session, cast("_CheckedUser", get_user).func({"session": session})
