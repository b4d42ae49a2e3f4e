"""Pages of the shell itself: health, and what is shown when something is wrong."""

import sys
from typing import Final, cast

from django.core.exceptions import DisallowedHost
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit.health import health
from dashboard.lib.db import engine_version, explain
from dashboard.metrics import CONTENT_TYPE, exposition, is_from_this_machine
from dashboard.overview import overview
from sessions_app.access import READ
from sessions_app.api.callers import caller_of, require
from sessions_app.api.problems import BAD_REQUEST, UNAUTHENTICATED, Problem
from sessions_app.legible import legible
from sessions_app.models import Person
from sessions_app.sign_in import record_denied, requires, signed_out

# No name of a host is longer.
_HOST_CHARS: Final = 253


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and the audit log can take entries, else 503 with the reason.

    Open to everybody, so it says little.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
        engine = engine_version()
    except DatabaseError as error:
        return JsonResponse({"status": "unavailable", "reason": explain(error)}, status=503)
    sound = health()
    if not sound:
        return JsonResponse({"status": "unavailable", "reason": sound.problems[0]}, status=503)
    return JsonResponse({"status": "ok", "engine": engine.split()[0]})


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """For a token that may read, and for programs on this machine. A login is neither: no page has a use for it."""
    try:
        if "Authorization" in request.headers or not is_from_this_machine(request):
            caller = caller_of(request)
            if caller.token is None:
                raise Problem(UNAUTHENTICATED, "Send a token: Authorization: Bearer sbk_…")
            require(request, caller, READ)
    except Problem as problem:
        return problem.response()
    return HttpResponse(exposition(), content_type=CONTENT_TYPE)


@require_safe
@requires(READ)
def now(request: HttpRequest) -> HttpResponse:
    return render(request, "dashboard/now.html", {"overview": overview(cast(Person, request.user))})


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    message = "Something in the address or the form is not valid."
    title = "This request cannot be read"
    if isinstance(exception, DisallowedHost):
        title = "This console does not go by that name"
        message = (
            f"{_host_of(request)} is none of the names that it answers to. Call it by its address, or add the name to "
            "serve.allowed_hosts in its settings file and start it again."
        )
    if request.path.startswith("/api/"):
        return Problem(BAD_REQUEST, message).response()
    return render(request, "400.html", {"title": title, "message": message}, status=400)


def _host_of(request: HttpRequest) -> str:
    """As the browser called it, without the port."""
    host = legible(str(request.META.get("HTTP_HOST", "")))
    return host.rpartition(":")[0][:_HOST_CHARS] or host[:_HOST_CHARS] or "This address"


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "403.html", {"message": str(exception or "")}, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    if request.user.is_authenticated:
        record_denied(request, "csrf")
    elif request.headers.get("HX-Request"):
        # The token went with the login.
        return signed_out(request)
    message = "The form was open for too long, or came from another page. Load the page again and send it once more."
    return render(request, "403.html", {"message": message}, status=403)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    return render(request, "404.html", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Also for a login that cannot be read or kept, which fails outside of every view."""
    error = sys.exception()
    if isinstance(error, DatabaseError):
        connection.close()
        return render(request, "503.html", {"message": explain(error)}, status=503)
    return render(request, "500.html", status=500)
