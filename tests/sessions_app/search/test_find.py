import uuid
from itertools import islice, product

import pytest
from django.contrib.auth.models import AnonymousUser

from dashboard.lib.errors import BadRequest
from dashboard.lib.text import storable
from sessions_app.models import AgentSession, Person, SearchEntry, SearchKind
from sessions_app.models.blob import Blob, Codec
from sessions_app.search import index
from sessions_app.search.find import find
from sessions_app.search.query import parse
from tests.factories import START_MS, make_message, make_person, make_project, make_session, make_tool_call

pytestmark = pytest.mark.django_db


def searchable(kind: SearchKind, at_ms: int, identity: uuid.UUID, session: AgentSession, text: str) -> None:
    entry = index.entry_id(at_ms, identity)
    SearchEntry.objects.create(id=entry, kind=kind, object_id=identity, session=session)
    index.add([(entry, storable(text))])


def said(session: AgentSession, text: str, at_ms: int = START_MS) -> None:
    message = make_message(session, text=text, at_ms=at_ms)
    searchable(SearchKind.MESSAGE, at_ms, message.pk, session, text)


@pytest.fixture
def ada() -> Person:
    return make_person()


def excerpts(text: str, person: Person) -> list[str]:
    return ["".join(piece for piece, _ in hit.excerpt) for hit in find(parse(text), person).hits]


def test_every_word_must_occur(ada: Person) -> None:
    session = make_session()
    said(session, "The write lock is held")
    said(session, "Nothing is locked here", START_MS + 1)

    assert excerpts("write lock", ada) == ["The write lock is held"]


def test_newest_first(ada: Person) -> None:
    session = make_session()
    for position in (2, 0, 1):
        said(session, f"Find me {position}", START_MS + position * 1000)

    assert excerpts("find me", ada) == ["Find me 2", "Find me 1", "Find me 0"]


def test_a_phrase_stands_together_over_line_ends(ada: Person) -> None:
    session = make_session()
    said(session, "one\n  two")
    said(session, "two one", START_MS + 1)

    assert excerpts('"one two"', ada) == ["one two"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("café", "CAFÉ au lait"),
        ("snake_case", "def snake_case():"),
        ("модель", "Новая МОДЕЛЬ"),
        ("漢字", "漢字 here"),
    ],
)
def test_words_are_found_whatever_their_case_and_script(ada: Person, text: str, wanted: str) -> None:
    session = make_session()
    said(session, wanted)

    assert excerpts(text, ada) == [wanted]


def test_the_excerpt_marks_what_was_looked_for(ada: Person) -> None:
    session = make_session()
    said(session, "x " * 200 + "the needle is here" + " y" * 200)

    (hit,) = find(parse("needle"), ada).hits
    assert ("needle", True) in hit.excerpt
    assert hit.excerpt[0] == hit.excerpt[-1] == ("…", False)
    assert hit.seq == 1


def test_long_outputs_are_searched_to_their_end(ada: Person) -> None:
    session = make_session()
    text = "filler " * 20_000 + "needle"
    call = make_tool_call(session, output=text)
    searchable(SearchKind.TOOL_CALL, START_MS, call.pk, session, text)

    (hit,) = find(parse("needle"), ada).hits
    assert ("needle", True) in hit.excerpt


@pytest.mark.parametrize(
    ("codec", "data"), [(Codec.ZSTD, b"never compressed"), (Codec.RAW, b"no UTF-8 \xff")]
)
def test_a_damaged_text_keeps_nothing_from_being_found(ada: Person, codec: Codec, data: bytes) -> None:
    session = make_session()
    body = "needle " + "x" * 10_000 + " thread"
    message = make_message(session, body)
    searchable(SearchKind.MESSAGE, message.at_ms, message.pk, session, body)
    said(session, "needle and thread")
    assert Blob.objects.filter(pk=message.text_blob_id).update(codec=codec, data=data) == 1

    # The index knows all of its words.
    assert [len(excerpts(text, ada)) for text in ("needle", "thread")] == [2, 2]
    assert len(excerpts('"needle and thread"', ada)) == 1


def test_a_text_without_a_word_and_one_with_too_many_do_no_harm(ada: Person) -> None:
    letters = [chr(code) for code in range(0x10428, 0x10450)]
    many = " ".join(islice(map("".join, product(letters, repeat=4)), 100_000))
    assert len(many.encode()) > 2**20, "more than a tsvector holds"
    session = make_session()
    said(session, f"{many} needle")
    said(session, "!?", START_MS + 1)

    assert len(find(parse("needle"), ada).hits) == 1


def test_qualifiers_narrow_the_hits(ada: Person) -> None:
    app = make_session(agent="codex", project=make_project(path="/home/ada/app"))
    other = make_session(agent="claude-code")
    said(app, "needle", START_MS)
    said(other, "needle", START_MS + 86_400_000)

    assert len(excerpts("needle", ada)) == 2
    assert len(excerpts("agent:codex needle", ada)) == 1
    assert len(excerpts("project:ada/app needle", ada)) == 1
    assert len(excerpts(f"session:{other.pk} needle", ada)) == 1
    assert len(excerpts("before:2026-03-02 needle", ada)) == 1
    # Beyond what an entry's number can say.
    for far in ("9999-12-31", "2110-01-01"):
        assert excerpts(f"before:{far} needle", ada) == excerpts("needle", ada)
        assert excerpts(f"after:{far} needle", ada) == []
    assert len(excerpts("kind:tool needle", ada)) == 0


def test_pages_show_every_hit_once(ada: Person) -> None:
    session = make_session()
    for position in range(11):
        said(session, f"needle {position}", START_MS + position)
    seen, cursor = [], None
    while True:
        page = find(parse("needle"), ada, cursor=cursor, limit=3)
        seen += [hit.seq for hit in page.hits]
        cursor = page.next
        if cursor is None:
            break

    assert seen == list(range(11, 0, -1))


def test_a_search_that_runs_out_of_time_says_so_and_can_go_on(ada: Person) -> None:
    session = make_session()
    for position in range(5):
        said(session, "needle", START_MS + position)

    partial = find(parse("needle"), ada, deadline_seconds=0)
    assert partial.is_partial
    rest = find(parse("needle"), ada, cursor=partial.next)
    assert len(partial.hits) + len(rest.hits) == 5


def test_what_is_indexed_twice_is_on_one_page_only(ada: Person) -> None:
    session = make_session()
    grown, other = [make_message(session, text="needle thread", at_ms=START_MS) for _ in range(2)]
    place = index.entry_id(START_MS, grown.pk)
    # Of another that has the same place, too: they stand between each other.
    for entry, message, words in (
        (place + 3, grown, "needle thread"), (place + 2, other, "needle thread"),
        (place + 1, grown, "needle"), (place, other, "thread"),
    ):  # fmt: skip
        SearchEntry.objects.create(id=entry, kind=SearchKind.MESSAGE, object_id=message.pk, session=session)
        index.add([(entry, words)])

    for query, limit in product(("needle", "thread", "needle thread"), (1, 2, 3)):
        found, cursor = [], None
        while True:
            page = find(parse(query), ada, cursor=cursor, limit=limit)
            found += [hit.object_id for hit in page.hits]
            cursor = page.next
            if cursor is None:
                break
        assert sorted(found, key=str) == sorted((grown.pk, other.pk), key=str), (query, limit)


def test_what_has_the_words_in_its_older_entry_only_is_found_behind_a_cursor(ada: Person) -> None:
    session = make_session()
    place = index.entry_id(START_MS, session.pk)
    AgentSession.objects.filter(pk=session.pk).update(title="Renamed", first_prompt="needle")
    between = make_message(session, text="needle", at_ms=START_MS)
    for entry, kind, pk, words in (
        (place + 2, SearchKind.SESSION, session.pk, "Renamed"),
        (place + 1, SearchKind.MESSAGE, between.pk, "needle"),
        (place, SearchKind.SESSION, session.pk, "needle"),
    ):
        SearchEntry.objects.create(id=entry, kind=kind, object_id=pk, session=session)
        index.add([(entry, words)])

    first = find(parse("needle"), ada, limit=1)
    assert [hit.kind for hit in first.hits] == [SearchKind.MESSAGE]
    assert [hit.kind for hit in find(parse("needle"), ada, cursor=first.next).hits] == [SearchKind.SESSION]


def test_deleted_sessions_and_strangers_find_nothing(ada: Person) -> None:
    said(make_session(deleted_ms=START_MS), "needle")
    assert excerpts("needle", ada) == []

    said(make_session(), "needle", START_MS + 1)
    assert find(parse("needle"), AnonymousUser()).hits == []
    assert len(excerpts("needle", ada)) == 1


def test_removed_text_is_no_longer_found(ada: Person) -> None:
    session = make_session()
    said(session, "needle")
    entry = SearchEntry.objects.get()
    index.remove([(entry.pk, "needle")])

    assert index.candidates(parse("needle").terms, before=None, after=None, limit=10) == []


FIRST = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")
SECOND = uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce4aaaaa")


@pytest.fixture
def twins() -> None:
    """Two sessions whose ids begin alike, and that say the same."""
    for number, identity in enumerate((FIRST, SECOND)):
        said(make_session(id=identity), f"needle {number}", START_MS + number)


@pytest.mark.usefixtures("twins")
@pytest.mark.parametrize("name", [str(FIRST), "ce49f601", "01990d0f-9d71-7bfc-9fb4-157fce49"])
def test_one_session_is_searched_by_its_id_or_a_piece_of_it(ada: Person, name: str) -> None:
    assert excerpts(f"needle session:{name}", ada) == ["needle 0"]


@pytest.mark.usefixtures("twins")
def test_a_piece_that_may_be_several_sessions_is_refused_with_all_of_them(ada: Person) -> None:
    with pytest.raises(BadRequest) as refusal:
        find(parse("needle session:01990d0f"), ada)

    assert {str(FIRST), str(SECOND)} <= set(str(refusal.value).split())


@pytest.mark.usefixtures("twins")
def test_a_piece_of_no_session_is_refused_even_without_words(ada: Person) -> None:
    with pytest.raises(BadRequest, match="There is no session called 'ffffffff'"):
        find(parse("session:ffffffff"), ada)
