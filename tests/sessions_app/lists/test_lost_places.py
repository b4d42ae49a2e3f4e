"""A link to a page further on whose place cannot be read leads to the beginning, and says so."""

import re

import pytest
from django.test import Client

from dashboard.lib.keyset import encode_cursor
from sessions_app.models import SearchEntry, SearchKind
from sessions_app.search import index
from tests.factories import START_MS, make_message, make_person, make_session, make_terminal, signed_in

pytestmark = pytest.mark.django_db

TOLD = "This link's place in the list could not be read; this is the beginning."
LISTS = ["/sessions/?", "/runs/?", "/terminals/?", "/terminals/?state=ended&", "/search/?q=needle&"]


@pytest.fixture
def client() -> Client:
    """A console with one row on each list."""
    session = make_session(title="A needle", with_main_run=True)
    make_terminal(session, state="ended")
    message = make_message(session, "needle")
    entry = index.entry_id(START_MS, message.pk)
    SearchEntry.objects.create(id=entry, kind=SearchKind.MESSAGE, object_id=message.pk, session=session)
    index.add([(entry, "needle")])
    return signed_in(make_person())


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize(
    "cursor", ["", "zzz", "WyJhIl0", "WzEsMl0!", "é", "A" * 999, encode_cursor(["x", "y"])]
)
def test_a_place_that_cannot_be_read_is_the_beginning(client: Client, address: str, cursor: str) -> None:
    page = client.get(f"{address}after={cursor}")
    assert page.status_code == 200
    assert page.content.decode().count(TOLD) == 1
    assert rows_of(page.content.decode()) == rows_of(client.get(address).content.decode()) >= 1


@pytest.mark.parametrize("address", LISTS[:4])
def test_so_is_one_that_leads_back(client: Client, address: str) -> None:
    page = client.get(f"{address}before=zzz").content.decode()
    assert TOLD in page
    assert rows_of(page) >= 1


@pytest.mark.parametrize("address", LISTS)
def test_a_place_that_can_be_read_is_gone_to_without_a_word(client: Client, address: str) -> None:
    place = encode_cursor([1] if "search" in address else [1, "00000000-0000-7000-8000-000000000000"])
    page = client.get(f"{address}after={place}").content.decode()
    assert TOLD not in page
    assert rows_of(page) == 0
    assert TOLD not in client.get(address).content.decode()


@pytest.mark.parametrize("address", LISTS[:3])
def test_a_name_that_no_list_knows_is_refused(client: Client, address: str) -> None:
    assert client.get(f"{address}cursor=zzz").status_code == 400


def rows_of(page: str) -> int:
    return len(re.findall("data-row[ >]", page))
