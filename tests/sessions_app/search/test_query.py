import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard.lib.errors import BadRequest
from sessions_app.models import SearchKind
from sessions_app.search.index import Term
from sessions_app.search.query import Query, parse


def test_words_must_all_occur_and_the_last_may_still_be_typed() -> None:
    assert parse("Fix login").terms == (Term("fix"), Term("login", is_prefix=True))


def test_a_short_beginning_is_a_whole_word() -> None:
    assert parse("fix lo").terms == (Term("fix"), Term("lo"))


def test_a_star_makes_a_beginning() -> None:
    assert parse("migr* done!").terms == (Term("migr", is_prefix=True), Term("done", is_prefix=True))


def test_quoted_words_must_stand_together() -> None:
    query = parse('"write lock" now')

    assert query.terms == (Term("write"), Term("lock"), Term("now", is_prefix=True))
    assert query.phrases == ("write lock",)


def test_a_path_is_looked_for_as_it_is_written() -> None:
    query = parse("sessions_app/models.py")

    assert query.terms == (Term("sessions_app"), Term("models"), Term("py"))
    assert query.phrases == ("sessions_app/models.py",)


def test_an_open_quote_is_closed_by_the_end() -> None:
    assert parse('"write lock').phrases == ("write lock",)


def test_qualifiers_narrow() -> None:
    query = parse('kind:tool agent:codex project:"my app" after:2026-02-23 before:2026-03-01 error')

    assert query.kind is SearchKind.TOOL_CALL
    assert (query.agent, query.project) == ("codex", "my app")
    assert query.after_ms == 1_771_891_200_000
    assert query.before_ms == 1_772_323_200_000
    assert query.terms == (Term("error", is_prefix=True),)


def test_what_only_looks_like_a_qualifier_is_a_word() -> None:
    assert parse("http://localhost:8000/").terms == (
        Term("http"),
        Term("localhost"),
        Term("8000", is_prefix=True),
    )


@pytest.mark.parametrize(
    "text", ["kind:nothing x", "after:yesterday x", 'session:"" x', "x" * 501, "a b c " * 10]
)
def test_what_cannot_be_read_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(BadRequest):
        parse(text)


def test_an_empty_query_asks_for_nothing() -> None:
    assert parse("  ").is_empty
    assert parse("?!").is_empty


@given(st.text(max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except BadRequest:
        return
    assert isinstance(query, Query)
    for term in query.terms:
        assert term.word
        assert not set(term.word) & set("\"'*&|!:() \\")


def test_a_whole_id_of_a_session_is_read_and_a_piece_is_left_to_be_looked_up() -> None:
    whole = parse("session:01990d0f-9d71-7bfc-9fb4-157fce49f601 x")
    piece = parse("session:ce49f601 x")

    assert whole.session_id == uuid.UUID("01990d0f-9d71-7bfc-9fb4-157fce49f601")
    assert (piece.session, piece.session_id) == ("ce49f601", None)
