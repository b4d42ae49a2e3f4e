import uuid

import pytest

from dashboard.lib.errors import Refused
from sessions_app.lookup import Ambiguous, find_named, find_session, short_id
from sessions_app.models import Role, SessionAlias
from sessions_app.models.people import COMMAND_LINE
from tests.factories import make_person, make_session, make_terminal

pytestmark = pytest.mark.django_db

FIRST = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")
SECOND = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce4aaaaa")


@pytest.mark.parametrize(
    "name",
    [
        str(FIRST),
        FIRST.hex,
        str(FIRST).upper(),
        "ce49f601",
        "F601",
        "157fce49f601",
        "9fb4-157fce49f601",
        "9d717bfc9fb4157fce49f601",
        "01990d0f-9d71-7bfc-9fb4-157fce49",
        "thread-9",
        "thre",
        "Fix it",
    ],
)
def test_a_session_is_found_by_its_id_a_piece_of_it_its_own_id_or_its_title(name: str) -> None:
    session = make_session(id=FIRST, external_id="thread-9", title="Fix it")
    make_session(id=SECOND, external_id="other", title="Fix it again")

    assert find_named(name, COMMAND_LINE) == session


def test_a_session_is_found_by_an_alias_and_by_a_first_prompt_without_a_title() -> None:
    session = make_session(title="", first_prompt="Look at this")
    SessionAlias.objects.create(session=session, agent=session.agent, alias="agent:main:x")

    assert find_named("agent:main:x", COMMAND_LINE) == find_named("Look at this", COMMAND_LINE) == session


def test_a_terminal_is_found_by_a_piece_of_its_id_and_by_its_title() -> None:
    terminal = make_terminal(title="make all")

    assert find_named(short_id(terminal), COMMAND_LINE) == terminal
    assert find_named(str(terminal.pk)[:-1], COMMAND_LINE) == terminal
    assert find_named("make all", COMMAND_LINE) == terminal


def test_what_may_be_several_is_listed() -> None:
    make_session(id=FIRST, title="One")
    make_session(id=SECOND, title="Two\x1b[2J")

    with pytest.raises(Ambiguous) as refusal:
        find_named("01990d0f", COMMAND_LINE)

    listing = str(refusal.value)
    assert str(FIRST) in listing
    assert str(SECOND) in listing
    assert "\x1b" not in listing


def test_a_title_that_is_also_an_id_of_another_is_ambiguous() -> None:
    make_session(id=FIRST, title="One")
    make_terminal(title="ce49f601")

    with pytest.raises(Ambiguous):
        find_named("ce49f601", COMMAND_LINE)


@pytest.mark.parametrize("name", ["", "601", "zzzz", "ffffffff", str(SECOND), "%", "____"])
def test_what_is_not_there_is_refused(name: str) -> None:
    make_session(id=FIRST, title="", first_prompt="", external_id="thread-9")

    with pytest.raises(Refused, match="There is no session or terminal called"):
        find_named(name, COMMAND_LINE)


def test_the_trash_is_not_looked_through() -> None:
    make_session(id=FIRST, deleted_ms=1)
    terminal = make_terminal(make_session(deleted_ms=1))

    for name in (str(FIRST), str(terminal.pk)):
        with pytest.raises(Refused):
            find_named(name, COMMAND_LINE)


def test_somebody_who_was_disabled_finds_nothing() -> None:
    make_session(id=FIRST)

    with pytest.raises(Refused):
        find_named(str(FIRST), make_person(Role.OPERATOR, is_active=False))


def test_where_a_session_is_meant_terminals_are_left_aside() -> None:
    session = make_session(id=FIRST)
    terminal = make_terminal(title="ce49f601")

    assert find_session("ce49f601", COMMAND_LINE) == session
    with pytest.raises(Refused, match="There is no session called"):
        find_session(str(terminal.pk), COMMAND_LINE)


def test_too_few_digits_of_an_id_are_said_to_be_so() -> None:
    make_session(id=FIRST)

    with pytest.raises(
        Refused, match=r"called '601': of an id, give at least 4 digits\. See: scrollback list"
    ):
        find_named("601", COMMAND_LINE)
