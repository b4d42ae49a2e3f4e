"""What a load balancer, a supervisor and `doctor` ask."""

import pytest
from django.db import OperationalError, connection
from django.test import Client

pytestmark = pytest.mark.django_db


def test_a_console_with_its_database_is_well() -> None:
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


def test_a_console_without_its_database_says_so_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> None:
        raise OperationalError("disk I/O error")

    monkeypatch.setattr(connection, "cursor", away)
    answer = Client().get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert answer.json()["reason"]
