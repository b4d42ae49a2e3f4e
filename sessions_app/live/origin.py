"""Only pages of this console may open its sockets.

A cookie does not know ports: a page served by any other program of this host sends ours along. Channels'
AllowedHostsOriginValidator compares host names alone and lets such a page in, so the whole origin counts.
"""

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from sessions_app.live.refusals import note_refused

type Application = Callable[..., Awaitable[Any]]

_ORIGIN = re.compile(r"(https?)://([^/?#@\s\\]+)\Z")
_MOST_ORIGIN_CHARS = 300
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def is_own_origin(
    origin: str, host: str, *, scheme: str, allowed_hosts: Iterable[str], trusted_origins: Iterable[str]
) -> bool:
    """Does a request to `host` with this Origin header come from a page of this console?

    The origin is the one the client spoke to (`scheme`, and `host` with its port), or one that the operator
    named exactly, as behind a proxy that ends TLS.
    """
    parts = _ORIGIN.match(origin)
    if parts is None:
        return False
    if origin in trusted_origins:
        return True
    claimed_scheme, claimed_host = parts.groups()
    port = _DEFAULT_PORTS[claimed_scheme]
    if claimed_scheme != scheme or claimed_host.removesuffix(port) != host.lower().removesuffix(port):
        return False
    domain, _ = split_domain_port(host)
    return bool(domain) and validate_host(domain, list(allowed_hosts))


class ExactOrigin:
    """ASGI middleware: any other page gets HTTP 403 instead of a socket, and an entry of the audit log says so."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: dict[str, Any], receive: Application, send: Application) -> None:
        origins = _values(scope, b"origin")
        hosts = _values(scope, b"host")
        # A secure cookie can only have come over TLS, whatever stands between.
        secure = scope.get("scheme") == "wss" or settings.SESSION_COOKIE_SECURE
        if len(origins) == len(hosts) == 1 and is_own_origin(
            origins[0],
            hosts[0],
            scheme="https" if secure else "http",
            allowed_hosts=settings.ALLOWED_HOSTS,
            trusted_origins=settings.CSRF_TRUSTED_ORIGINS,
        ):
            await self._application(scope, receive, send)
            return
        # Who is signed in there is not looked up: a page that is not ours speaks for nobody.
        await note_refused(scope, "origin", details={"origin": " ".join(origins)[:_MOST_ORIGIN_CHARS]})
        # Closed before it was accepted, which the server answers with 403.
        await send({"type": "websocket.close"})


def _values(scope: dict[str, Any], name: bytes) -> list[str]:
    return [value.decode("latin1") for key, value in scope["headers"] if key == name]
