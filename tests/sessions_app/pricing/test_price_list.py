import tomllib
from datetime import date
from decimal import Decimal

import pytest

from sessions_app.pricing.price_list import Price, PriceError, PriceList, read_prices

DAY = date(2026, 11, 1)


def settings(text: str) -> PriceList:
    return read_prices(tomllib.loads(text), "/etc/scrollback.toml")


def price(model: str, day: date = DAY) -> Price:
    found = read_prices({}, "").find(model, day)
    assert found is not None, model
    return found


@pytest.mark.parametrize(
    ("model", "input", "output", "read"),
    [
        ("claude-sonnet-4-5-20250929", "3", "15", "0.3"),
        ("claude-sonnet-4-20250514", "3", "15", "0.3"),
        ("claude-opus-4-6", "5", "25", "0.5"),
        ("claude-opus-4-1-20250805", "15", "75", "1.5"),
        ("claude-haiku-4-5-20251001", "1", "5", "0.1"),
        ("gpt-5.3-codex", "1.75", "14", "0.175"),
        ("gpt-5-codex", "1.25", "10", "0.125"),
        ("models/gemini-2.5-flash", "0.3", "2.5", "0.03"),
    ],
)
def test_what_agents_use_has_its_price(model: str, input: str, output: str, read: str) -> None:
    found = price(model)

    assert (found.input, found.output, found.cache_read) == (Decimal(input), Decimal(output), Decimal(read))


def test_anthropics_cache_is_priced_by_its_rule() -> None:
    found = price("claude-sonnet-4-5")

    assert (found.cache_read, found.cache_write, found.cache_write_1h) == (
        Decimal("0.3"),
        Decimal("3.75"),
        Decimal(6),
    )
    assert price("claude-opus-5-5").cache_read == Decimal("0.2"), "a price that is named beats the rule"


@pytest.mark.parametrize("model", ["gpt-5-turbo", "claude-opus-4-9", "claude", "gpt", "", "my-model"])
def test_a_model_that_is_not_listed_has_no_price(model: str) -> None:
    assert read_prices({}, "").find(model, DAY) is None


def test_a_price_holds_on_its_days() -> None:
    assert price("gpt-5.6-luna", date(2026, 7, 29)).input == 1
    assert price("gpt-5.6-luna", date(2026, 7, 30)).input == Decimal("0.2")
    assert price("o3", date(2025, 6, 9)).output == 40
    assert price("o3", date(2025, 6, 10)).output == 8


def test_synthetic_replies_cost_nothing() -> None:
    found = price("<synthetic>")

    assert [
        found.of(part) for part in ("input", "output", "cache_read", "cache_write", "cache_write_1h")
    ] == [0] * 5


def test_settings_add_a_model_and_replace_one() -> None:
    listed = settings(
        '[prices."my-model"]\ninput = 0.3\noutput = 1\n'
        '[prices."anthropic/claude-sonnet-4.5"]\ninput = 2.4\noutput = 12\ncache_read = 0.24\n'
    )

    own = listed.find("my-model", DAY)
    assert own is not None
    assert (own.input, own.output, own.cache_read, own.is_own) == (Decimal("0.3"), Decimal(1), None, True)
    replaced = listed.find("claude-sonnet-4-5-20250929", DAY)
    assert replaced is not None
    assert (replaced.input, replaced.cache_write) == (Decimal("2.4"), None), "no part of the old price stays"
    assert not price("claude-opus-4-6").is_own
    assert listed.settings[1:] == (
        ('prices."my-model"', "input 0.3, output 1", "/etc/scrollback.toml"),
        (
            'prices."anthropic/claude-sonnet-4.5"',
            "input 2.4, output 12, cache read 0.24",
            "/etc/scrollback.toml",
        ),
    )


def test_settings_may_change_a_price_on_a_day() -> None:
    listed = settings(
        '[[prices."my-model"]]\nto = 2026-10-01\ninput = 1\noutput = 2\n'
        '[[prices."my-model"]]\nfrom = 2026-10-01\ninput = 3\noutput = 4\n'
    )

    before, after = listed.find("my-model", date(2026, 9, 30)), listed.find("my-model", date(2026, 10, 1))
    assert before is not None
    assert after is not None
    assert [before.input, after.input] == [1, 3]
    assert listed.settings[1][1] == "input 1, output 2, to 2026-10-01; input 3, output 4, from 2026-10-01"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prices = 3", 'prices must hold a section for each model, such as [prices."my-model"].'),
        ("[prices]\nx = 3", 'prices."x" must be a section with input, output,'),
        ("[prices]\nx = []", 'prices."x" must be a section with input, output,'),
        ("[prices.x]\ninput = 3", 'prices."x" needs a price of output.'),
        ("[prices.x]\noutput = 3", 'prices."x" needs a price of input.'),
        ("[prices.x]\ninput = -1\noutput = 1", "must be dollars for a million tokens, from 0 to 100,000, not -1."),
        ("[prices.x]\ninput = nan\noutput = 1", 'prices."x".input must be dollars for a million tokens'),
        ("[prices.x]\ninput = 1e9\noutput = 1", 'prices."x".input must be dollars for a million tokens'),
        ("[prices.x]\ninput = '3'\noutput = 1", "must be dollars for a million tokens, from 0 to 100,000, not '3'."),
        ("[prices.x]\ninput = true\noutput = 1", 'prices."x".input must be dollars for a million tokens'),
        ("[prices.x]\ninput = 1\noutput = 1\nreasoning = 1", 'prices."x".reasoning is no price; there are input,'),
        ("[prices.gpt-5.1]\ninput = 1\noutput = 1", 'a name with a dot stands in quotes: "gpt-5.1".'),
        ("[prices.x]\ninput = 1\noutput = 1\nfrom = '2026-01-01'", "must be a day such as 2026-08-21, without quotes"),
        ("[prices.x]\ninput = 1\noutput = 1\nfrom = 2026-02-01\nto = 2026-01-01", "it begins on 2026-02-01"),
        ("[[prices.x]]\ninput = 1\noutput = 1\n[[prices.x]]\ninput = 1\noutput = 1", "two prices hold on one day"),
        ("[prices.x]\ninput=1\noutput=1\n[prices.'y/x']\ninput=1\noutput=1", 'prices."y/x" and prices."x" are the'),
    ],
)  # fmt: skip
def test_a_setting_that_is_no_price_is_refused_in_one_line(text: str, said: str) -> None:
    with pytest.raises(PriceError) as error:
        settings(text)

    assert said in str(error.value)
    assert "\n" not in str(error.value)
