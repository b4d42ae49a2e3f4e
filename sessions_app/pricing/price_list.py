"""The prices of models: the list that comes with the program, and what the operator's settings file says instead."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from sessions_app.pricing.names import model_key

PARTS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
_SHIPPED: Final = Path(__file__).with_name("prices.toml")
_DATES: Final = ("from", "to")
# Dollars for a million tokens: beyond, somebody has mistaken the unit.
_HIGHEST: Final = 100_000


class PriceError(ValueError):
    """A price is wrong; the message names it and says what it may be."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens of each part; None where nothing is known. `until` is no more within."""

    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    since: date | None = None
    until: date | None = None
    #: From the operator's settings.
    is_own: bool = False

    def holds_on(self, day: date) -> bool:
        return (self.since is None or day >= self.since) and (self.until is None or day < self.until)

    def of(self, part: str) -> Decimal | None:
        found: Decimal | None = getattr(self, part)
        return found


@dataclass(frozen=True, slots=True)
class PriceList:
    #: The day of the list that comes with the program.
    as_of: date
    prices: Mapping[str, tuple[Price, ...]]
    #: (setting, value, where it stands) for whoever wants to know what is in force.
    settings: tuple[tuple[str, str, str], ...] = ()

    def find(self, model: str, day: date) -> Price | None:
        """None where no price is known; never that of a model with a similar name."""
        return next((price for price in self.prices.get(model_key(model), ()) if price.holds_on(day)), None)


def read_prices(file: Mapping[str, Any], file_name: str) -> PriceList:
    """The list, with the section [prices] of a settings file in force over it. Raises PriceError."""
    as_of, prices = _shipped()
    section = file.get("prices", {})
    if not isinstance(section, Mapping):
        raise PriceError('prices must hold a section for each model, such as [prices."my-model"].')
    settings = [("prices", f"list of {as_of}, {len(prices)} models", "default")]
    named: dict[str, str] = {}
    for name, value in section.items():
        own, key = _own_prices(name, value), model_key(name)
        if key in named:
            raise PriceError(f'prices."{name}" and prices."{named[key]}" are the same model.')
        named[key], prices[key] = name, own
        settings.append((f'prices."{name}"', "; ".join(map(_shown, own)), file_name))
    return PriceList(as_of, prices, tuple(settings))


def _shipped() -> tuple[date, dict[str, tuple[Price, ...]]]:
    document = tomllib.loads(_SHIPPED.read_text(encoding="utf-8"), parse_float=Decimal)
    found: dict[str, list[Price]] = {}
    for entry in document["price"]:
        rule = document["cache"].get(entry.get("cache"), {})
        factors = {f"cache_{name}": factor for name, factor in rule.items()}
        values = {part: entry[part] for part in PARTS if part in entry}
        values = {part: entry["input"] * factor for part, factor in factors.items()} | values
        price = _price(str(entry["models"]), values | {name: entry[name] for name in _DATES if name in entry})
        for model in entry["models"]:
            found.setdefault(model_key(model), []).append(price)
    return document["as_of"], {key: _in_turn(key, prices) for key, prices in found.items()}


def _own_prices(name: str, value: Any) -> tuple[Price, ...]:
    """A section of the settings file, or several of one model, each with the days it holds."""
    where = f'prices."{name}"'
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(isinstance(entry, Mapping) for entry in entries):
        raise PriceError(f"{where} must be a section with {', '.join(PARTS)}.")
    for entry in entries:
        for key, inner in entry.items():
            if isinstance(inner, Mapping):
                raise PriceError(
                    f'{where}.{key} is no price; a name with a dot stands in quotes: "{name}.{key}".'
                )
            if key not in (*PARTS, *_DATES):
                raise PriceError(f"{where}.{key} is no price; there are {', '.join((*PARTS, *_DATES))}.")
    return _in_turn(where, [replace(_price(where, entry), is_own=True) for entry in entries])


def _price(where: str, values: Mapping[str, Any]) -> Price:
    for part in PARTS[:2]:
        if part not in values:
            raise PriceError(f"{where} needs a price of {part}.")
    amounts = {part: _amount(f"{where}.{part}", values[part]) for part in PARTS if part in values}
    since, until = (_day(f"{where}.{name}", values.get(name)) for name in _DATES)
    if since is not None and until is not None and since >= until:
        raise PriceError(f"{where}: it begins on {since} and must end after that, not on {until}.")
    return Price(
        amounts["input"],
        amounts["output"],
        amounts.get("cache_read"),
        amounts.get("cache_write"),
        amounts.get("cache_write_1h"),
        since,
        until,
    )


def _amount(where: str, value: Any) -> Decimal:
    # By way of its shortest text: 0.3 is three tenths here.
    amount = Decimal(str(value)) if type(value) in (int, float, Decimal) else None
    if amount is None or not amount.is_finite() or not 0 <= amount <= _HIGHEST:
        raise PriceError(
            f"{where} must be dollars for a million tokens, from 0 to {_HIGHEST:,}, not {value!r}."
        )
    return amount


def _day(where: str, value: Any) -> date | None:
    if value is not None and type(value) is not date:
        raise PriceError(f"{where} must be a day such as 2026-08-21, without quotes, not {value!r}.")
    return value


def _in_turn(where: str, prices: Iterable[Price]) -> tuple[Price, ...]:
    """By the days they hold. Raises PriceError where two hold on one day."""
    ordered = sorted(prices, key=lambda price: price.since or date.min)
    for before, after in pairwise(ordered):
        if before.until is None or after.since is None or before.until > after.since:
            raise PriceError(f"{where}: two prices hold on one day; give each `from` and `to`.")
    return tuple(ordered)


def _shown(price: Price) -> str:
    parts = [f"{part.replace('_', ' ')} {price.of(part)}" for part in PARTS if price.of(part) is not None]
    parts += [f"from {price.since}"] if price.since else []
    return ", ".join(parts + ([f"to {price.until}"] if price.until else []))
