"""What is typed into the log's box, read and written back."""

import pytest
from django.db import connection

from audit.matching import condition
from audit.models import Entry
from audit.query import Query, Term, parse
from dashboard.lib.errors import BadRequest


def test_qualifiers_negation_quotes_and_free_text_are_told_apart() -> None:
    query = parse(
        'actor:ada action:checkpoint.* -action:sign_in.* "two words" loose before:2026-11-01 idx:4-9'
    )
    assert query.terms == (
        Term("actor", "ada"),
        Term("action", "checkpoint.*"),
        Term("action", "sign_in.*", negated=True),
        Term("", "two words"),
        Term("", "loose"),
        Term("before", "2026-11-01"),
        Term("idx", "4-9"),
    )
    assert query.chosen("action") == ["checkpoint.*"]
    assert query.named("idx")[0].numbers == (4, 9)
    assert query.named("before")[0].moment_ms == 1_793_491_200_000


@pytest.mark.parametrize(
    "text",
    [
        'actor:"ada (command line)" -"a ""quoted"" word"',
        '"-minus" "who:knows" actor:a:b',
        "decision:deny session:01890000-0000-7000-8000-000000000001",
        "after:2026-11-01T14:00+02:00 idx:7",
        'actor:"nightly * (sbk_1a2b)" -actor:"ad*" actor:ad* action:"a*"',
        "",
    ],
)
def test_a_query_is_written_as_it_was_read(text: str) -> None:
    query = parse(text)
    assert str(query) == text
    assert parse(str(query)) == query


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("actr:ada", "no qualifier actr:"),
        ("http://x", 'put it in quotes: "http://x"'),
        ("before:yesterday", "no time"),
        ("before:9999-99-99", "no time"),
        ("-before:2026-11-01", "is written after:"),
        ("idx:9-4", "no number"),
        ("idx:-1", "no number"),
        ("session:12", "no id"),
        ("action:a*b", "only stand at the end"),
        ("actor:a*b", "In quotes it is plain"),
        ("actor:", "needs a value"),
        ('actor:"ada', "cannot be read"),
        ('"ada"bob', "cannot be read"),
        ('""', "nothing to look for"),
        ("x " * 31, "at most 30 parts"),
        ("x" * 601, "at most 600 characters"),
        ("a\x00b", "characters"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadRequest, match=reason.replace("(", r"\(")):
        parse(text)


def test_a_chosen_value_takes_the_place_of_the_others_of_its_name() -> None:
    query = parse("actor:ada -actor:bob words")
    assert str(query.with_only(Term("actor", "eve"))) == "words actor:eve"
    assert str(query.without("actor")) == "words"
    assert str(query.less(query.terms[1])) == "actor:ada words"
    assert not Query()


def test_a_star_is_plain_in_quotes_and_means_the_beginning_outside_of_them() -> None:
    plain, beginning = parse('actor:"ad*" actor:ad*').terms
    assert (plain.beginning, beginning.beginning) == (None, "ad")
    assert plain == Term.exactly("actor", "ad*") != beginning
    assert parse('actor:"ada"').terms == (Term("actor", "ada"),) == (Term.exactly("actor", "ada"),)


@pytest.mark.django_db
def test_what_an_actor_did_seldom_is_found_by_both() -> None:
    """Of a busy actor's entries, and of all with that action, most are others."""
    matching = Entry.objects.filter(condition(parse("actor:eve action:person.role_changed")))
    plan = matching.filter(idx__gte=4_096, idx__lt=8_192).order_by("-idx")
    if connection.vendor == "sqlite":
        assert "audit_actor_action" in plan.explain()
        assert "TEMP B-TREE" not in plan.explain()
    else:
        with connection.cursor() as cursor:
            # A log of a few entries is sooner read as it stands.
            cursor.execute("SET LOCAL enable_seqscan = off")
        assert "audit_actor_action" in plan.explain()
