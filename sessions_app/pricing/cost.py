"""What tokens cost, with the arithmetic: counts times prices, in decimal numbers, and never a guess."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from sessions_app.pricing.price_list import PARTS, Price, PriceList

NO_NAME: Final = "a model that is not named"
_WORDS: Final = {
    "input": "input",
    "output": "output",
    "cache_read": "cache read",
    "cache_write": "cache write",
    "cache_write_1h": "cache write, 1 h",
}


class Parts(NamedTuple):
    """Tokens, each in one part only: `input` without what is read from the cache or written to it, `cache_write`
    without what stays for an hour."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0


class Usage(NamedTuple):
    model: str
    #: The day whose prices count.
    day: date
    parts: Parts


@dataclass(frozen=True, slots=True)
class CostLine:
    """`amount` is `tokens` times `price` by a million; both None where the price is not known."""

    part: str
    tokens: int
    price: Decimal | None

    @property
    def words(self) -> str:
        return _WORDS[self.part]

    @property
    def amount(self) -> Decimal | None:
        return None if self.price is None else (self.tokens * self.price).scaleb(-6)


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What one model cost at one price."""

    model: str
    price: Price | None
    lines: tuple[CostLine, ...]

    @property
    def amount(self) -> Decimal | None:
        """Of what is known of it; None where nothing is."""
        known = [line.amount for line in self.lines if line.amount is not None]
        return sum(known, Decimal()) if known else None

    @property
    def is_complete(self) -> bool:
        return all(line.price is not None for line in self.lines)

    @property
    def unknown(self) -> str:
        """The model, and where only some of its prices are missing, which; "" where none is."""
        if self.is_complete:
            return ""
        missing = [line.words for line in self.lines if line.price is None]
        return self.model if self.price is None else f"{self.model} ({', '.join(missing)})"


@dataclass(frozen=True, slots=True)
class Cost:
    """The dearest model first. `as_of` is the day of the list of prices."""

    models: tuple[ModelCost, ...]
    as_of: date

    @property
    def amount(self) -> Decimal | None:
        """US dollars, as far as prices are known; None where nothing is known, or nothing was counted."""
        known = [model.amount for model in self.models if model.amount is not None]
        return sum(known, Decimal()) if known else None

    @property
    def has_own_prices(self) -> bool:
        return any(model.price is not None and model.price.is_own for model in self.models)

    @property
    def is_complete(self) -> bool:
        return bool(self.models) and not self.unknown

    @property
    def unknown(self) -> tuple[str, ...]:
        """Models of which a price is missing."""
        return tuple(dict.fromkeys(model.unknown for model in self.models if model.unknown))


def cost_of(usages: Iterable[Usage], prices: PriceList) -> Cost:
    sums: dict[tuple[str, Price | None], Parts] = {}
    for usage in usages:
        key = usage.model or NO_NAME, prices.find(usage.model, usage.day) if usage.model else None
        before = sums.get(key, Parts())
        sums[key] = Parts(*(first + second for first, second in zip(before, usage.parts, strict=True)))
    models = [
        ModelCost(model, price, _lines(parts, price)) for (model, price), parts in sums.items() if any(parts)
    ]
    # What is not known comes last.
    models.sort(key=lambda cost: (cost.amount is None, -(cost.amount or 0), cost.model))
    return Cost(tuple(models), prices.as_of)


def _lines(parts: Parts, price: Price | None) -> tuple[CostLine, ...]:
    return tuple(
        CostLine(part, tokens, price.of(part) if price else None)
        for part, tokens in zip(PARTS, parts, strict=True)
        if tokens
    )
