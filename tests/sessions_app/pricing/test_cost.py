import tomllib
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from sessions_app.pricing.cost import NO_NAME, Cost, Parts, Usage, cost_of
from sessions_app.pricing.price_list import PARTS, read_prices

DAY = date(2026, 11, 1)
PRICES = read_prices({}, "")


def cost(*usages: tuple[str, Parts], day: date = DAY) -> Cost:
    return cost_of([Usage(model, day, parts) for model, parts in usages], PRICES)


def test_each_part_is_counted_at_its_own_price() -> None:
    found = cost(("claude-sonnet-4-5-20250929", Parts(12_345, 2_000, 1_000_000, 40_000, 10_000)))

    (model,) = found.models
    assert [(line.words, line.tokens, line.price, line.amount) for line in model.lines] == [
        ("input", 12_345, Decimal(3), Decimal("0.037035")),
        ("output", 2_000, Decimal(15), Decimal("0.03")),
        ("cache read", 1_000_000, Decimal("0.3"), Decimal("0.3")),
        ("cache write", 40_000, Decimal("3.75"), Decimal("0.15")),
        ("cache write, 1 h", 10_000, Decimal(6), Decimal("0.06")),
    ]
    assert found.amount == model.amount == Decimal("0.577035")
    assert (found.is_complete, found.unknown, found.as_of) == (True, (), PRICES.as_of)


def test_a_model_without_a_price_is_unknown_and_not_free() -> None:
    found = cost(("gpt-9", Parts(input=1_000)), ("claude-opus-4-6", Parts(output=1_000_000)))

    assert found.amount == 25
    assert not found.is_complete
    assert found.unknown == ("gpt-9",)
    assert [model.model for model in found.models] == ["claude-opus-4-6", "gpt-9"]
    assert cost(("gpt-9", Parts(input=1_000))).amount is None


def test_a_part_without_a_price_is_unknown_by_itself() -> None:
    found = cost(("minimax-m2", Parts(input=1_000_000, cache_read=5)))

    assert (found.amount, found.unknown) == (Decimal("0.3"), ("minimax-m2 (cache read)",))


def test_tokens_of_no_model_are_unknown() -> None:
    found = cost(("", Parts(input=1)))

    assert (found.amount, found.unknown) == (None, (NO_NAME,))


def test_what_was_not_counted_costs_nothing_that_is_known() -> None:
    for found in (cost(), cost(("gpt-5", Parts()))):
        assert (found.amount, found.is_complete, found.unknown, found.models) == (None, False, (), ())


def test_synthetic_replies_are_free() -> None:
    found = cost(("<synthetic>", Parts(input=7, output=7)))

    assert found.amount == 0
    assert found.is_complete


def test_a_price_that_changed_gives_two_lines_of_arithmetic() -> None:
    usages = [
        Usage("gpt-5.6-luna", day, Parts(input=1_000_000))
        for day in (date(2026, 7, 1), date(2026, 7, 2), date(2026, 8, 1))
    ]

    found = cost_of(usages, PRICES)

    assert [(model.lines[0].tokens, model.amount) for model in found.models] == [
        (2_000_000, Decimal(2)),
        (1_000_000, Decimal("0.2")),
    ]


def test_own_prices_are_told_from_the_list() -> None:
    own = read_prices(tomllib.loads("[prices.x]\ninput = 1\noutput = 1"), "file")

    assert cost_of([Usage("x", DAY, Parts(input=1))], own).has_own_prices
    assert not cost(("gpt-5", Parts(input=1))).has_own_prices


@given(
    st.lists(
        st.tuples(st.sampled_from(["claude-haiku-4-5", "gpt-5-nano", "gpt-9"]), st.integers(0, 2**50)),
        max_size=9,
    )
)
def test_the_sum_is_exact_however_the_tokens_are_split(spent: list[tuple[str, int]]) -> None:
    apart = cost(*[(model, Parts(cache_read=tokens)) for model, tokens in spent])
    expected = sum(
        (tokens * {"claude-haiku-4-5": 100, "gpt-5-nano": 5}.get(model, 0) for model, tokens in spent), 0
    )

    assert (apart.amount or 0) * 1_000_000_000 == expected
    assert all(line.tokens for model in apart.models for line in model.lines)
    assert {line.part for model in apart.models for line in model.lines} <= set(PARTS)
