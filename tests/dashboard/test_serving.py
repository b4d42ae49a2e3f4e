"""What `serve` puts in order before it answers."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from dashboard import serving

pytestmark = pytest.mark.django_db


def test_logins_that_are_over_are_forgotten() -> None:
    now = timezone.now()
    for key, hours in (("over", -1), ("valid", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(hours=hours))
    serving.forget_ended_logins()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["valid"]
