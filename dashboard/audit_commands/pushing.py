"""A signed head sent to another machine, which the one who could change the log cannot reach."""

import base64
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from dashboard.lib.errors import Refused

_TIMEOUT_S: Final = 10.0


def push_note(note: str, url: str) -> int:
    """POST the note as text; returns the status that the other side answered. Raises Refused.

    What it answered with anything but success has not arrived: a redirect is not followed, as the note would be
    left behind.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise Refused(f"{_shown(url)} is no http or https address.")
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if "@" in parts.netloc:
        given = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(given.encode()).decode()}"
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    try:
        request = urllib.request.Request(bare, note.encode(), headers, method="POST")  # noqa: S310
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=_TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            raise Refused(f"{_shown(url)} answered {error.code}: the head was not taken.") from error
    except urllib.error.URLError as error:
        raise Refused(f"{_shown(url)} cannot be reached: {error.reason}.") from error
    except (OSError, HTTPException, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise Refused(f"The head was not sent to {_shown(url)}: {reason}.") from error


def _shown(url: str) -> str:
    """Without what may be a secret in it, and in one line."""
    plain = url.partition("?")[0]
    scheme, mark, rest = plain.partition("://")
    if mark:
        host, slash, path = rest.partition("/")
        plain = f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"
    return repr(plain[:200])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
