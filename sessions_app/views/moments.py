"""The moment that an address names with `?t=`."""

from django.http import HttpRequest

from dashboard.lib.formatting import moment_us
from dashboard.lib.text import one_line
from sessions_app.legible import legible


def moment_us_in(request: HttpRequest) -> int | None:
    """The place on a clock that `?t=` names, in microseconds; None where it names none."""
    return moment_us(request.GET.get("t", ""))


def moment_in(request: HttpRequest) -> int | None:
    """The same in whole milliseconds, as sessions count."""
    us = moment_us_in(request)
    return None if us is None else us // 1000


def unread_moment_in(request: HttpRequest) -> str:
    """What `?t=` says, to be shown, when that is no moment; otherwise nothing."""
    return legible(one_line(request.GET.get("t", ""), 40)) if moment_in(request) is None else ""
