"""Middleware of the shell: static files under ASGI, and refusals as pages."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile

from dashboard.lib.db import explain
from dashboard.lib.errors import BadRequest, Conflict, Refused
from dashboard.metrics import count_answer


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise, with the file read at once.

    Under ASGI a response that streams from a synchronous iterator is buffered with a warning for each
    file; the assets are small and cached for ever by the browser, so they are read whole.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file:
                content = found.file.read()
        response = HttpResponse(content, status=int(found.status))
        # A static file says itself what it is; without the default type an unknown one stays unknown.
        del response["content-type"]
        for name, value in found.headers:
            response[name] = value
        return response


class AnswerCountMiddleware:
    """Counts every answer for `/metrics`, those of the other middleware too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        count_answer(response.status_code)
        return response


_STATUS: dict[type[Refused], int] = {BadRequest: 400, Conflict: 409}


class RefusalMiddleware:
    """Turns a Refused or a database error from any page into its page, with the one line that helps."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, Refused):
            status = next((code for kind, code in _STATUS.items() if isinstance(exception, kind)), 422)
            return render(
                request, f"{400 if status != 409 else 409}.html", {"message": str(exception)}, status=status
            )
        if isinstance(exception, DatabaseError) and not connection.in_atomic_block:
            connection.close()
            return render(request, "503.html", {"message": explain(exception)}, status=503)
        return None
