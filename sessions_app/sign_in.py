"""Nothing is open without signing in, but the few pages that say so themselves."""

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponseBase


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Django's deny-by-default; /healthz and the API answer for themselves."""

    def process_view(self, request: HttpRequest, view_func, view_args, view_kwargs) -> HttpResponseBase | None:  # type: ignore[no-untyped-def]
        if request.path == "/healthz" or request.path.startswith("/api/"):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)
