import pytest
from django.test import Client

from sessions_app.models import SearchEntry, SearchKind
from sessions_app.search import index
from tests.factories import START_MS, make_message, make_person, make_run, make_session, signed_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def said(text: str, count: int = 1) -> None:
    session = make_session(title="A session")
    run = make_run(session)
    for number in range(count):
        at_ms = START_MS + number
        message = make_message(session, run=run, text=text, at_ms=at_ms)
        entry = index.entry_id(at_ms, message.pk)
        SearchEntry.objects.create(id=entry, kind=SearchKind.MESSAGE, object_id=message.pk, session=session)
        index.add([(entry, text)])


def test_a_hit_leads_to_its_place(client: Client) -> None:
    said("there is a needle here")

    page = client.get("/search/?q=needle").content.decode()
    assert "<mark>needle</mark>" in page
    assert "at=1#seq-1" in page


def test_hostile_text_in_a_hit_stays_text(client: Client) -> None:
    said("needle <script>alert(1)</script> <b>bold</b>")

    page = client.get("/search/?q=needle").content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;b&gt;bold" in page


def test_a_query_that_cannot_be_read_is_explained_in_place(client: Client) -> None:
    response = client.get("/search/?q=after:yesterday+needle")

    assert response.status_code == 200
    assert "after: is a day" in response.content.decode()


def test_pages_lead_on(client: Client) -> None:
    said("needle", 35)

    first = client.get("/search/?q=needle").context["results"]
    second = client.get("/search/", {"q": "needle", "after": first.next}).context["results"]
    assert (len(first.hits), len(second.hits), second.next) == (30, 5, None)


def test_the_kind_can_be_chosen(client: Client) -> None:
    said("needle")

    assert len(client.get("/search/?q=needle+kind:message").context["results"].hits) == 1
    assert len(client.get("/search/?q=needle+kind:tool").context["results"].hits) == 0


def test_nothing_typed_shows_how_to_search(client: Client) -> None:
    assert "Find where it happened" in client.get("/search/").content.decode()


def test_the_palette_offers_sessions_and_the_search(client: Client) -> None:
    make_session(title="Recent work")

    assert "Recent work" in client.get("/-/palette/").content.decode()
    answer = client.get("/-/palette/?q=nothing+like+it").content.decode()
    assert "/search/?q=nothing%20like%20it" in answer
    assert "Recent work" not in answer
