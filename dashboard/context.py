"""What every page of the console knows."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from audit.health import last_health
from sessions_app.access import KEEP_OWN, READ_AUDIT, may
from sessions_app.models import Person
from sessions_app.nav_counts import nav_counts


def console(request: HttpRequest) -> dict[str, Any]:
    """The counts of the rail, where to fetch them, whether to offer marks, and what is wrong with the audit log.

    Nothing for who is not signed in.
    """
    # Refused requests may come here before anybody asked who they are.
    person = getattr(request, "user", None)
    if not isinstance(person, Person):
        return {}
    return {
        "nav_counts": nav_counts(person),
        "counts_url": reverse("counts"),
        "may_keep_own": may(person, KEEP_OWN),
        "log_troubles": last_health().grave if may(person, READ_AUDIT) else (),
    }
