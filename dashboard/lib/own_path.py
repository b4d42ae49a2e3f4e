"""Where a form may lead on to: never out of the console."""

from typing import Final

from django.utils.http import url_has_allowed_host_and_scheme

FIRST_PAGE: Final = "/"


def own_path(goal: str) -> str:
    """`goal` if it is a path of this console, else the first page."""
    if goal.startswith("/") and url_has_allowed_host_and_scheme(goal, allowed_hosts=None):
        return goal
    return FIRST_PAGE
