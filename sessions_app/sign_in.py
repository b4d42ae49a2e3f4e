"""Nothing is open without signing in, but the few pages that say so themselves.

Everything that decides whether a request is let in stands here; what each role may do is in access.py.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from django.contrib.auth import SESSION_KEY, logout
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.contrib.sessions.backends.base import UpdateError
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_cache_control
from django.utils.http import urlencode

from audit.actors import Actor
from dashboard.lib.clock import now_ms
from dashboard.lib.writable import waiting_for_locks
from sessions_app.access import may, may_send
from sessions_app.actions.denials import note_denied
from sessions_app.actions.sign_in import record_sign_out
from sessions_app.actors import requester
from sessions_app.models import Person

IDLE_MS: Final = 60 * 60 * 1000
LONGEST_S: Final = 12 * 60 * 60
_SEEN: Final = "seen_ms"
# The session is written this often at most, not by every request.
_SEEN_EVERY_MS: Final = 60 * 1000
_KEEP_WAIT_MS: Final = 500
SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS")

type _View = Callable[..., HttpResponseBase]


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Django's deny-by-default; the API, /healthz and /metrics answer for themselves.

    It also ends logins that were not used for an hour, and keeps what signed-in people see out of caches.
    """

    def process_request(self, request: HttpRequest) -> None:
        # A request without a login must not cost a look at the database.
        if SESSION_KEY not in request.session or not isinstance(request.user, Person):
            return
        now = now_ms()
        seen = request.session.get(_SEEN)
        if isinstance(seen, int) and now - seen > IDLE_MS:
            record_sign_out(request.user, expired=True)
            logout(request)
        elif not isinstance(seen, int) or now - seen > _SEEN_EVERY_MS:
            self._keep_seen(request, now)

    def _keep_seen(self, request: HttpRequest, now: int) -> None:
        """At once: a page that changes nothing is shown also while nothing can be written.

        What is not kept is tried again by the next request; without it the login ends sooner, never later.
        """
        session = request.session
        was_modified = session.modified
        session[_SEEN] = now
        try:
            with waiting_for_locks(_KEEP_WAIT_MS):
                session.save()
        except UpdateError as error:
            if not isinstance(error.__context__, OperationalError):
                # The login was ended meanwhile, which Django's own middleware says when it keeps it.
                return
            connection.close()
        session.modified = was_modified

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if not response.has_header("Cache-Control"):
            patch_cache_control(response, no_store=True, private=True)
        return response

    def process_view(
        self, request: HttpRequest, view_func: _View, view_args: tuple[Any, ...], view_kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if request.path.startswith("/api/"):
            # It takes no login for what changes anything, and writes down who sends one (api/callers.py).
            return None
        match = request.resolver_match
        address = (match.url_name if match else None) or ""
        if request.method not in SAFE_METHODS and not may_send(request.user, address):
            record_denied(request, "send")
            raise PermissionDenied
        if request.path in ("/healthz", "/metrics"):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(  # type: ignore[override]
        self, request: HttpRequest, view_func: _View
    ) -> HttpResponseBase:
        if not request.headers.get("HX-Request"):
            return super().handle_no_permission(request, view_func)
        return signed_out(request)


def signed_out(request: HttpRequest) -> HttpResponse:
    """To a request of htmx: a part must not be replaced by the sign-in page, the whole page goes there."""
    response = HttpResponse(status=401)
    response["HX-Redirect"] = f"/sign-in/?{urlencode({'next': _page_of(request)})}"
    return response


def _page_of(request: HttpRequest) -> str:
    """The path of the page that an htmx request came from."""
    _, _, rest = request.headers.get("HX-Current-URL", "").partition("://")
    _, slash, path = rest.partition("/")
    return slash + path or "/"


def me(request: HttpRequest) -> Person:
    """The signed-in person, in a view that the middleware guards."""
    if not isinstance(request.user, Person):
        raise PermissionDenied
    return request.user


def requires(right: str) -> Callable[[_View], _View]:
    """Only for people with this right (sessions_app/access.py).

    For others a page is not there (404), a change is refused (403), and either is written down.
    """

    def decorate(view: _View) -> _View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if may(request.user, right):
                return view(request, *args, **kwargs)
            record_denied(request, right)
            if request.method in SAFE_METHODS:
                raise Http404
            raise PermissionDenied

        return guarded

    return decorate


def record_denied(request: HttpRequest, right: str, *, actor: Actor | None = None) -> None:
    """Write down that somebody tried what they may not do. The query is left out: it may hold secrets."""
    note_denied(str(request.method), request.path, right, actor=actor or requester(request))
