"""What `serve` puts in order before it answers."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone
from pytest_django.fixtures import Settings

from dashboard import serving
from dashboard.lib.config import own_names

pytestmark = pytest.mark.django_db


def test_logins_that_are_over_are_forgotten() -> None:
    now = timezone.now()
    for key, hours in (("over", -1), ("valid", 1)):
        Session.objects.create(session_key=key, session_data="", expire_date=now + timedelta(hours=hours))
    serving.forget_ended_logins()
    assert list(Session.objects.values_list("session_key", flat=True)) == ["valid"]


BY_IPV4 = {"127.0.0.1", "localhost", "console.localhost"}
BY_IPV6 = {"[::1]", "localhost", "console.localhost"}


@pytest.mark.parametrize(
    ("host", "names", "address"),
    [
        ("127.0.0.1", BY_IPV4, "127.0.0.1"),
        ("localhost", BY_IPV4, "127.0.0.1"),
        ("0.0.0.0", BY_IPV4, "127.0.0.1"),  # noqa: S104  nothing is bound
        ("::1", BY_IPV6, "[::1]"),
        ("::", BY_IPV4 | BY_IPV6, "[::1]"),
        # Another program may listen at the loopback addresses.
        ("192.168.1.5", {"192.168.1.5"}, "192.168.1.5"),
        ("127.0.0.2", {"127.0.0.2"}, "127.0.0.2"),
        ("console.lan", {"console.lan"}, "console.lan"),
    ],
)
def test_recorders_know_it_by_the_names_that_lead_to_what_it_listens_on(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, host: str, names: set[str], address: str
) -> None:
    monkeypatch.setattr(serving, "_has_ipv6_loopback", lambda: True)
    settings.ALLOWED_HOSTS = [*own_names("127.0.0.1"), "console.example"]
    settings.CSRF_TRUSTED_ORIGINS = ["https://console.example"]
    serving.answer_to(host)

    origins = serving.own_origins(host, 8765)

    # Of a server on all addresses, this machine's own are among them, whichever those are.
    elsewhere = set(own_names(host)) - BY_IPV4 - BY_IPV6
    expected = {f"http://{name}:8765" for name in names | elsewhere | {"console.example"}}
    assert set(origins) == expected | {"https://console.example"}
    assert serving.local_address(host, 8765) == f"http://{address}:8765/"


def test_where_ipv6_is_switched_off_all_addresses_are_those_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_has_ipv6_loopback", lambda: False)
    assert serving.local_address("::", 8765) == "http://127.0.0.1:8765/"
