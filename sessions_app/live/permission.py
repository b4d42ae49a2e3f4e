"""Whether those who are connected may still be."""

from collections.abc import Sequence

from django.contrib.sessions.models import Session
from django.utils import timezone

from sessions_app.live.close_codes import CloseCode
from sessions_app.live.facts import Mailbox
from sessions_app.models import Person


def revoked_among(mailboxes: Sequence[Mailbox]) -> list[tuple[Mailbox, CloseCode]]:
    """Those whose person lost or changed their rights, or whose login ended; two queries for everybody."""
    people = {mailbox.login.person_id for mailbox in mailboxes}
    keys = {mailbox.login.session_key for mailbox in mailboxes}
    versions = dict(Person.objects.filter(pk__in=people, is_active=True).values_list("pk", "access_version"))
    alive = set(
        Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now()).values_list(
            "session_key", flat=True
        )
    )
    return [
        (mailbox, CloseCode.REVOKED)
        for mailbox in mailboxes
        if versions.get(mailbox.login.person_id) != mailbox.login.access_version
        or mailbox.login.session_key not in alive
    ]
