"""What sessions and runs cost, from their tokens in the database."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions_app.costs import cost_of_run, cost_of_session, costs_of_runs, costs_of_sessions
from sessions_app.models import AgentSession
from tests.factories import make_run, make_session, make_usage
from tests.samples import sample
from tests.sessions_app.importers.importing import CLAUDE, CODEX, run_import

pytestmark = pytest.mark.django_db


def at(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp() * 1000)


def test_a_session_costs_what_its_runs_do() -> None:
    session = make_session()
    main = make_run(session)
    child = make_run(session, parent=main)
    make_usage(
        main,
        "claude-sonnet-4-5",
        input_tokens=1_000_000,
        cache_write_tokens=3_000,
        cache_write_1h_tokens=1_000,
    )
    make_usage(main, "claude-haiku-4-5", output_tokens=1_000_000)
    make_usage(child, "claude-sonnet-4-5", input_tokens=1_000_000)

    found = cost_of_session(session)

    assert [(model.model, model.amount) for model in found.models] == [
        ("claude-sonnet-4-5", Decimal("6.0135")),
        ("claude-haiku-4-5", Decimal(5)),
    ]
    assert found.amount == Decimal("11.0135")
    assert cost_of_run(child).amount == 3
    assert cost_of_run(main).amount == Decimal("8.0135")


def test_what_codex_read_from_the_cache_is_not_paid_as_input_too() -> None:
    counts = {"input_tokens": 1_000_000, "output_tokens": 1_000, "cache_read_tokens": 900_000}
    within = make_run(make_session(agent="codex"))
    make_usage(within, "gpt-5-codex", **counts)
    apart = make_run(make_session(agent="claude-code"))
    make_usage(apart, "gpt-5-codex", **counts)

    assert [line.tokens for line in cost_of_run(within).models[0].lines] == [100_000, 1_000, 900_000]
    assert cost_of_run(within).amount == Decimal("0.2475")
    assert [line.tokens for line in cost_of_run(apart).models[0].lines] == [1_000_000, 1_000, 900_000]


def test_a_run_counts_at_the_prices_of_the_day_it_began() -> None:
    session = make_session()
    before = make_run(session, started_ms=at(2026, 7, 30) - 1)
    after = make_run(session, key="later", started_ms=at(2026, 7, 30))
    for run in (before, after):
        make_usage(run, "gpt-5.6-luna", output_tokens=1_000_000)

    assert (cost_of_run(before).amount, cost_of_run(after).amount) == (Decimal(6), Decimal("1.2"))
    assert cost_of_session(session).amount == Decimal("7.2")


def test_tokens_that_name_no_model_are_those_of_the_runs_model() -> None:
    run = make_run(make_session(), model="claude-opus-4-6")
    make_usage(run, "", output_tokens=1_000_000)
    nameless = make_run(make_session(), model="")
    make_usage(nameless, "", output_tokens=1_000_000)

    assert cost_of_run(run).amount == 25
    assert cost_of_run(nameless).amount is None
    assert cost_of_run(nameless).unknown == ("a model that is not named",)


def test_many_sessions_and_runs_are_one_query_each() -> None:
    sessions = [make_session() for _ in range(20)]
    runs = [make_run(session) for session in sessions]
    for number, run in enumerate(runs):
        make_usage(run, "claude-sonnet-4-5", output_tokens=number)

    for costs, ids in ((costs_of_sessions, sessions), (costs_of_runs, runs)):
        with CaptureQueriesContext(connection) as queries:
            found = costs([row.pk for row in ids])
        assert len(queries) == 1
        assert [found[row.pk].amount for row in ids[1:]] == [
            15 * Decimal(n) / 1_000_000 for n in range(1, 20)
        ]
        assert found[ids[0].pk].amount is None


def test_real_histories_cost_what_their_counts_come_to_by_hand() -> None:
    run_import(sample(CLAUDE), sample(CODEX))

    claude = cost_of_session(AgentSession.objects.get(agent="claude-code"))
    by_hand = 818 * Decimal(3) + 51_933 * Decimal(15) + 3_647_854 * Decimal("0.3") + 137_976 * Decimal("3.75")
    assert (claude.amount, claude.is_complete) == (by_hand / 1_000_000, True)
    codex = cost_of_session(AgentSession.objects.get(agent="codex"))
    fresh = 33_810_485 - 31_621_504
    by_hand = fresh * Decimal("1.75") + 133_999 * Decimal(14) + 31_621_504 * Decimal("0.175")
    assert (codex.amount, codex.is_complete) == (by_hand / 1_000_000, True)
