"""The wall of live terminals: its page, its tiles, and what asking for news of them costs."""

import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sessions_app import terminal_pictures
from sessions_app.actions.terminals import newest_screens
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.models import AgentSession, Terminal
from sessions_app.terminal.engine.model import EngineError, StyledScreen
from sessions_app.terminal_pictures import GALLERY, Gallery, Picture
from sessions_app.wall import FEW_TILES, MOST_ASKED
from tests.factories import make_person, make_session, make_terminal, signed_in
from tests.sessions_app.terminals.recorder import start_recorder

pytestmark = pytest.mark.django_db
TILES = "/terminals/tiles/"


@pytest.fixture(autouse=True, scope="module")
def engine() -> Iterator[None]:
    yield
    stop_screens()


@pytest.fixture
def client() -> Client:
    return signed_in(make_person())


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[uuid.UUID, int]]:
    """(terminal, size) of every drawing, which is done as ever."""
    done: list[tuple[uuid.UUID, int]] = []
    real = newest_screens.newest_screens

    def counted(terminals: Sequence[Terminal]) -> dict[uuid.UUID, StyledScreen]:
        done.extend((terminal.pk, terminal.size) for terminal in terminals)
        return real(terminals)

    monkeypatch.setattr(terminal_pictures, "newest_screens", counted)
    return done


def news(client: Client, *tiles: str, **values: Any) -> Any:
    return client.get(TILES, {"tile": tiles, **values})


def version_of(answer: Any) -> str:
    text: str = answer.content.decode()
    start = text.index('data-version="') + len('data-version="')
    return text[start : text.index('"', start)]


def live_ids(answer: Any) -> list[str]:
    text: str = answer.content.decode()
    listed = text[text.index("<ol data-live>") : text.index("</ol>")]
    return [part.split('"')[0] for part in listed.split('data-id="')[1:]]


# The page


def test_the_wall_stands_above_the_list_of_all(client: Client) -> None:
    make_terminal(title="running now", state="live")
    make_terminal(title="ran before", state="ended")
    answer = client.get("/terminals/")
    assert [tile.terminal.title for tile in answer.context["wall"].tiles] == ["running now"]
    assert [row.title for row in answer.context["page"].rows] == ["ran before", "running now"]


@pytest.mark.parametrize(
    ("query", "has_wall", "has_list"),
    [
        ("", True, True),
        ("?view=wall", True, False),
        ("?view=list", False, True),
        ("?state=live", False, True),
    ],
)
def test_the_address_says_what_is_shown(client: Client, query: str, has_wall: bool, has_list: bool) -> None:
    make_terminal()
    answer = client.get(f"/terminals/{query}")
    assert (answer.context["wall"] is not None, answer.context["page"] is not None) == (has_wall, has_list)


def test_another_view_is_refused(client: Client) -> None:
    assert client.get("/terminals/?view=other").status_code == 400


def test_a_filter_keeps_the_view(client: Client) -> None:
    make_terminal()
    assert "?view=list&amp;state=ended" in client.get("/terminals/?view=list").content.decode()


@pytest.mark.parametrize("number", [0, 1, 5, 100])
def test_any_number_of_live_terminals_costs_the_same_queries(client: Client, number: int) -> None:
    for _ in range(number):
        make_terminal(make_session(), b"x")
    client.get("/terminals/")
    for address, most in (("/terminals/", FEW_TILES), ("/terminals/?view=wall", 100)):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        assert len(answer.context["wall"].tiles) == min(number, most)
        # The counts of the rail are remembered for a second, and are among them or not.
        assert len(queries) <= 13


def test_of_many_the_newest_are_shown_and_the_oldest_of_them_comes_first(client: Client) -> None:
    for number in range(FEW_TILES + 3):
        make_terminal(title=str(number), started_ms=1_000 + number)
    shown = [tile.terminal.title for tile in client.get("/terminals/").context["wall"].tiles]
    assert shown == [str(number) for number in range(3, FEW_TILES + 3)]


def test_nothing_live_says_how_to_record_and_nothing_at_all_shows_no_wall(client: Client) -> None:
    empty = client.get("/terminals/").content.decode()
    assert '<section aria-labelledby="live" hidden>' in empty
    assert "No terminals yet" in empty
    make_terminal(state="ended")
    quiet = client.get("/terminals/").content.decode()
    assert '<section aria-labelledby="live">' in quiet
    assert "scrollback record" in quiet


def test_a_tile_shows_its_terminal_and_hostile_titles_are_text(client: Client) -> None:
    session = make_session(title="<b>Fix</b> the queue")
    recorder = start_recorder(session, cols=132, rows=40)
    recorder.write(b"<script>alert(1)</script>\r\n")
    Terminal.objects.update(title="<img src=x onerror=alert(1)>")
    page = (
        client.get("/terminals/").content.decode() + news(client, f"{recorder.terminal.pk}.").content.decode()
    )
    for text in (
        "132\N{MULTIPLICATION SIGN}40",
        f"/sessions/{session.pk}/",
        "Live",
        "&lt;script&gt;alert(1)",
    ):
        assert text in page
    for text in ("<script>alert", "<img src=x", "<b>Fix"):
        assert text not in page


# News of the tiles


def test_a_tile_is_sent_once_for_each_change(client: Client) -> None:
    GALLERY.forget()
    recorder = start_recorder()
    recorder.write(b"compiling\r\n")
    name = str(recorder.terminal.pk)
    first = news(client, f"{name}.")
    assert first.status_code == 200
    assert "compiling" in first.content.decode()
    assert news(client, f"{name}.{version_of(first)}").status_code == 204
    recorder.exit(2)
    changed = news(client, f"{name}.{version_of(first)}")
    assert "Exit 2" in changed.content.decode()


def test_a_new_title_is_a_change(client: Client) -> None:
    terminal = make_terminal(make_session(title="Before"), b"x")
    before = version_of(news(client, f"{terminal.pk}."))
    AgentSession.objects.update(title="After")
    assert "After" in news(client, f"{terminal.pk}.{before}").content.decode()


def test_what_is_in_the_trash_is_gone(client: Client) -> None:
    terminal, other = make_terminal(make_session(), b"x"), uuid.uuid4()
    AgentSession.objects.update(deleted_ms=1)
    answer = news(client, f"{terminal.pk}.abc", f"{other}.").content.decode()
    assert f'data-gone="{terminal.pk}"' in answer
    assert f'data-gone="{other}"' in answer
    assert "data-row" not in answer


def test_who_is_live_is_said_in_the_order_of_the_wall(client: Client) -> None:
    terminals = [make_terminal(started_ms=number) for number in range(1, 6)]
    make_terminal(state="ended")
    assert live_ids(news(client, live=3)) == [str(terminal.pk) for terminal in terminals[2:]]
    assert live_ids(news(client, live=200)) == [str(terminal.pk) for terminal in terminals]


@pytest.mark.parametrize(
    "query", ["?tile=x", "?tile=.", "?live=0", "?live=x", "?live=-1", "?live=201", "?live=99999"]
)
def test_questions_that_make_no_sense_are_refused(client: Client, query: str) -> None:
    assert client.get(TILES + query).status_code == 400


def test_no_more_tiles_than_a_wall_has_in_view_are_answered_at_once(client: Client) -> None:
    assert news(client, *[f"{uuid.uuid4()}." for _ in range(MOST_ASKED + 1)]).status_code == 400


# The pictures


def test_twenty_walls_cost_one_drawing(drawings: list[tuple[uuid.UUID, int]]) -> None:
    GALLERY.forget()
    recorder = start_recorder()
    recorder.write(b"one\r\n")
    clients = [signed_in(make_person()) for _ in range(20)]
    for client in clients:
        assert news(client, f"{recorder.terminal.pk}.").status_code == 200
    assert drawings == [(recorder.terminal.pk, 5)]


def test_an_idle_terminal_is_never_drawn_again(drawings: list[tuple[uuid.UUID, int]]) -> None:
    gallery, terminal = Gallery(redraw_s=0), make_terminal(output=b"resting\r\n")
    for _ in range(5):
        gallery.pictures_of([terminal])
    assert drawings == [(terminal.pk, terminal.size)]


def test_a_busy_terminal_is_drawn_once_a_second_and_says_when_it_is_behind(
    client: Client, drawings: list[tuple[uuid.UUID, int]]
) -> None:
    GALLERY.forget()
    recorder = start_recorder()
    recorder.write(b"one\r\n")
    version = version_of(news(client, f"{recorder.terminal.pk}."))
    recorder.write(b"two\r\n")
    behind = news(client, f"{recorder.terminal.pk}.{version}").content.decode()
    assert "data-behind" in behind
    assert "two" not in behind
    assert len(drawings) == 1


def test_a_picture_is_the_screen_with_its_colours_and_cursor() -> None:
    recorder = start_recorder(cols=100, rows=30)
    recorder.write(
        b"shell\r\n\x1b[?1049h\x1b[2J\x1b[3;5H\x1b[1;31mred\x1b[0m \x1b[7mdialog\x1b[0m\x1b[10;1H> "
    )
    terminal = recorder.refresh()
    svg = Gallery().pictures_of([terminal])[terminal.pk].svg
    assert 'viewBox="0 0 600 390"' in svg
    assert '<text y="36"><tspan x="24" class="bold red">red</tspan>' in svg
    assert 'class="on ground">dialog<' in svg
    assert '<path class="cursor" d="M12 117h6v13h-6z"/>' in svg
    assert "shell" not in svg, "the other screen is hidden"


def test_a_resize_at_the_end_is_shown() -> None:
    recorder = start_recorder()
    recorder.write(b"x")
    gallery = Gallery(redraw_s=0)
    gallery.pictures_of([recorder.refresh()])
    recorder.resize(132, 40)
    terminal = recorder.refresh()
    assert 'viewBox="0 0 792 520"' in gallery.pictures_of([terminal])[terminal.pk].svg


def test_where_the_engine_refuses_the_last_lines_are_shown_and_it_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    class Refusing:
        def styled(self, *arguments: object) -> StyledScreen:
            asked.append(arguments)
            raise EngineError("no")

    monkeypatch.setattr(newest_screens, "screen_engine", Refusing)
    gallery, recorder = Gallery(redraw_s=0), start_recorder()
    for text in ("\x1b[31mone\x1b[0m\r\n", "two\r\n", "<three>\r\n"):
        recorder.write(text.encode())
        terminal = recorder.refresh()
        svg = gallery.pictures_of([terminal])[terminal.pk].svg
    assert len(asked) == 1
    for text in ("one", "two", "&lt;three&gt;"):
        assert f">{text}<" in svg


def test_an_idle_terminal_is_drawn_again_once_the_engine_may_be_asked(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    GALLERY.forget()
    monkeypatch.setattr(terminal_pictures, "PLAIN_S", 0)
    terminal = make_terminal(output=b"\x1b[31mred\x1b[0m")
    with monkeypatch.context() as away:
        away.setattr(terminal_pictures, "newest_screens", lambda _: {})
        plain = news(client, f"{terminal.pk}.")
    assert ">red<" in plain.content.decode()
    assert 'class="red">red<' in news(client, f"{terminal.pk}.{version_of(plain)}").content.decode()
    # And then it is left as it is.
    drawn = GALLERY.newest(terminal)
    news(client, f"{terminal.pk}.")
    assert GALLERY.newest(terminal) is drawn


def test_a_reader_of_an_older_row_does_not_turn_the_picture_back() -> None:
    gallery, terminal = Gallery(redraw_s=0), make_terminal(output=b"one\r\ntwo\r\n")
    newest = gallery.pictures_of([terminal])[terminal.pk]
    terminal.size = 5
    assert gallery.pictures_of([terminal])[terminal.pk] == newest


def test_those_who_come_while_it_is_drawn_wait_for_that_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, terminal = Gallery(), Terminal(title="slow", size=3)
    drawn, begun, go_on = list[int](), threading.Event(), threading.Event()

    def slow(terminals: Sequence[Terminal]) -> dict[uuid.UUID, StyledScreen]:
        if not terminals:
            return {}
        drawn.append(terminals[0].size)
        begun.set()
        assert go_on.wait(10)
        return {terminals[0].pk: StyledScreen(80, (), 0, 0, cursor_visible=False, is_alternate=False)}

    monkeypatch.setattr(terminal_pictures, "newest_screens", slow)
    pictures: list[Picture] = []

    def look() -> None:
        pictures.append(gallery.pictures_of([terminal])[terminal.pk])

    threads = [threading.Thread(target=look) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert (drawn, len(pictures), len(set(map(id, pictures)))) == ([3], 8, 1)


def test_the_pictures_looked_at_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_pictures, "MAX_KEPT", 3)
    gallery, terminals = Gallery(), [make_terminal(output=b"x") for _ in range(5)]
    gallery.pictures_of(terminals)
    assert [bool(gallery.newest(terminal)) for terminal in terminals] == [False, False, True, True, True]
