"""A small JSON client for the server's API: one kept-alive connection, time limits, typed errors.

Redirects are not followed, so a token is never sent anywhere but to the server it was made for.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from sessions_app.client.home import Target

_TIMEOUT_S = 10.0
_MAX_RESPONSE_BYTES = 1_000_000


class Unavailable(Exception):
    """The server cannot be reached or cannot answer now; the same request may succeed later."""


class Problem(Exception):
    """The server's answer is an error (RFC 9457). `members` holds all that the problem document says."""

    def __init__(self, status: int, members: Mapping[str, Any]) -> None:
        self.status = status
        self.type = str(members.get("type", "about:blank"))
        self.members = members
        said = [str(members[key]) for key in ("title", "detail") if members.get(key)]
        super().__init__(": ".join([f"HTTP {status}", *said]))


class Client:
    """Speaks to one server. Not safe for use by several threads at once."""

    def __init__(self, target: Target, timeout_s: float = _TIMEOUT_S) -> None:
        self.target = target
        parts = urlsplit(target.url)
        self._path = parts.path.rstrip("/")
        self._connected = False
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._connection = http.client.HTTPSConnection(host, port, timeout=timeout_s, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=timeout_s)

    def get(self, path: str) -> dict[str, Any]:
        """Answer to a GET. Raises Problem and Unavailable."""
        return self._request("GET", path, b"", "application/json")

    def put(self, path: str, document: Mapping[str, Any]) -> dict[str, Any]:
        """Answer to a PUT of a JSON document. Raises Problem and Unavailable."""
        return self._request("PUT", path, json.dumps(document).encode("ascii"), "application/json")

    def post(self, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        """Answer to a POST. Raises Problem and Unavailable."""
        return self._request("POST", path, body, content_type)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()
        self._connected = False

    def _request(self, method: str, path: str, body: bytes, content_type: str) -> dict[str, Any]:
        try:
            status, answer = self._exchange(method, path, body, content_type)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unavailable(_reason(error)) from error
        members = _decode(answer)
        if 200 <= status < 300 and members is not None:
            return members
        if status in (408, 425, 429) or status >= 500:
            raise Unavailable(f"the server answered {status}")
        raise Problem(status, members or {"title": "the answer is not that of a Scrollback server"})

    def _exchange(self, method: str, path: str, body: bytes, content_type: str) -> tuple[int, bytes]:
        headers = {
            "Authorization": f"Bearer {self.target.token}",
            "Content-Type": content_type,
            "Accept": "application/json, application/problem+json",
        }
        kept_alive = self._connected
        try:
            response = self._respond(method, path, body, headers)
        except (ConnectionError, http.client.RemoteDisconnected):
            # A server may close an idle connection at any time; all requests here can be repeated safely.
            self.close()
            if not kept_alive:
                raise
            response = self._respond(method, path, body, headers)
        answer = response.read(_MAX_RESPONSE_BYTES + 1)
        if len(answer) > _MAX_RESPONSE_BYTES:
            raise http.client.HTTPException("the answer is too long")
        self._connected = not response.will_close
        return response.status, answer

    def _respond(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        # A request on a connection that was closed makes another by itself.
        if self._connection.sock is None and not self.target.is_there():
            raise Unavailable("the server on this machine has ended")
        self._connection.request(method, self._path + path, body, headers)
        return self._connection.getresponse()


def _decode(answer: bytes) -> dict[str, Any] | None:
    try:
        members = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return members if isinstance(members, dict) else None


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
