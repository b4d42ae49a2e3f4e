"""What Ctrl K offers: Enter takes the first of it."""

import re
import uuid
from typing import Any

import pytest
from django.test import Client

from sessions_app.actions.titles import keep_titles
from sessions_app.models import AgentSession, RunKind
from sessions_app.palette import ROWS
from tests.factories import START_MS, make_person, make_run, make_session, make_terminal, signed_in

pytestmark = pytest.mark.django_db

FIRST = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


def titled(title: str, *, at_ms: int = START_MS, **facts: Any) -> AgentSession:
    """A session that is found by its title."""
    session = make_session(title=title, last_activity_ms=at_ms, **facts)
    keep_titles({session.pk: (session.title, session.first_prompt)})
    return session


def offered(client: Client, text: str) -> list[str]:
    """The addresses, in their order."""
    answer = client.get("/-/palette/", {"q": text})
    return re.findall(r'<a [^>]*href="([^"]+)"', answer.content.decode())


@pytest.mark.parametrize("text", ["Fix the queue", "fix the QUEUE", " Fix the queue "])
def test_a_session_called_exactly_so_comes_first(client: Client, text: str) -> None:
    session = titled("Fix the queue")
    others = [titled(f"Fix the queue {number}", at_ms=START_MS + number) for number in range(1, 60)]
    found = offered(client, text)
    assert found[0] == f"/sessions/{session.pk}/"
    assert found[1] == f"/sessions/{others[-1].pk}/"
    assert found[-1].startswith("/search/?q=")
    assert len(found) == len(set(found)) == 2 + ROWS


def test_a_session_without_a_title_is_called_by_its_first_prompt(client: Client) -> None:
    session = titled("", first_prompt="Look at the log")
    assert offered(client, "look at the log")[0] == f"/sessions/{session.pk}/"


def test_what_has_the_text_in_its_title_comes_before_the_search(client: Client) -> None:
    session = titled("Fix the queue")
    assert offered(client, "fix the") == [f"/sessions/{session.pk}/", "/search/?q=fix%20the"]


def test_the_closest_title_comes_first_and_of_equals_the_newest(client: Client) -> None:
    begins = [titled(f"Fix the queue {number}", at_ms=START_MS + number) for number in range(2)]
    prompted = titled("", first_prompt="fix the lamp", at_ms=START_MS - 1)
    holds = titled("Please fix the queue", at_ms=START_MS + 5)
    has_words = titled("The queue", first_prompt="Fix it", at_ms=START_MS + 9)
    closest = [begins[1], begins[0], prompted, holds, has_words]
    assert offered(client, "fix the")[:-1] == [f"/sessions/{session.pk}/" for session in closest]


def test_a_place_comes_before_sessions_as_soon_as_its_name_begins_so(client: Client) -> None:
    session = titled("Run the tests")
    assert offered(client, "Run") == ["/runs/", f"/sessions/{session.pk}/", "/search/?q=Run"]
    assert offered(client, "un") == ["/search/?q=un"]


@pytest.mark.parametrize(
    "text", [str(FIRST), FIRST.hex, "01990D0F-9d71", "01990d0f", "0199", "CE49F601", "thread-9"]
)
def test_an_id_its_beginning_or_its_last_eight_digits_lead_there(client: Client, text: str) -> None:
    session = make_session(id=FIRST, external_id="thread-9")
    make_session(id=uuid.UUID("01a00d0f-9d71-7bfc-9fb4-157fce000000"))
    assert offered(client, text)[0] == f"/sessions/{session.pk}/"


@pytest.mark.parametrize("text", ["ce49f602", "e49f601", "199", "01990d0g", "thread", "%", "_" * 8, "a\x00b"])
def test_what_is_no_id_leads_to_the_search(client: Client, text: str) -> None:
    make_session(id=FIRST, external_id="thread-9")
    assert offered(client, text)[0].startswith("/search/?q=")


def test_a_beginning_that_many_share_says_nothing_yet(client: Client) -> None:
    for number in range(ROWS + 1):
        make_session(id=uuid.UUID(int=FIRST.int + number))
    assert offered(client, "01990d0f")[0].startswith("/search/?q=")
    assert offered(client, FIRST.hex)[0] == f"/sessions/{FIRST}/"


def test_runs_and_terminals_are_found_by_their_ids_and_runs_by_their_titles(client: Client) -> None:
    run = make_run(make_session(), key="a", kind=RunKind.SUBAGENT, title="Read the tests")
    terminal = make_terminal(title="make all")
    assert offered(client, "read the tests")[:2] == [f"/runs/{run.pk}/", "/search/?q=read%20the%20tests"]
    assert offered(client, run.pk.hex[-8:])[0] == f"/runs/{run.pk}/"
    assert offered(client, terminal.pk.hex[-8:])[0] == f"/terminals/{terminal.pk}/"


def test_a_place_is_gone_to_by_its_name(client: Client) -> None:
    assert offered(client, "terminals") == ["/terminals/", "/search/?q=terminals"]


def test_what_is_in_the_trash_is_not_offered(client: Client) -> None:
    session = titled("Fix the queue", deleted_ms=1)
    run, terminal = make_run(session, title="Read the tests"), make_terminal(session)
    for text in ("Fix the queue", session.pk.hex, run.pk.hex, terminal.pk.hex):
        assert offered(client, text)[0].startswith("/search/?q=")
