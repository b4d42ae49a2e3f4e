"""What sessions and runs cost: their tokens by model from the database, at the prices that are in force."""

import uuid
from collections.abc import Collection, Mapping
from datetime import date, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import F, QuerySet, Sum, Value
from django.db.models.functions import Coalesce, NullIf

from sessions_app.models import AgentSession, ModelUsage, Run
from sessions_app.pricing.cost import Cost, Parts, Usage, cost_of
from sessions_app.pricing.price_list import PriceList

# Their input holds what was read from the cache and written to it, as their makers count.
_CACHE_WITHIN_INPUT: Final = frozenset({"codex"})
_DAY_MS: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_LAST_DAY: Final = (date.max - _EPOCH).days


def cost_of_session(session: AgentSession) -> Cost:
    return costs_of_sessions([session.pk])[session.pk]


def cost_of_run(run: Run) -> Cost:
    return costs_of_runs([run.pk])[run.pk]


def costs_of_sessions(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Cost]:
    """One query, however many."""
    return _costs(ModelUsage.objects.filter(run__session__among=ids), "run__session_id", ids)


def costs_of_runs(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Cost]:
    """One query, however many."""
    return _costs(ModelUsage.objects.filter(run__among=ids), "run_id", ids)


def _costs(rows: QuerySet[ModelUsage], by: str, ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Cost]:
    """A run counts at the prices of the day it began; where its tokens name no model, with the run's."""
    named = Coalesce(NullIf(F("model"), Value("")), F("run__model"))
    summed = (
        rows.annotate(of=F(by), day=F("run__started_ms") / _DAY_MS, agent=F("run__session__agent"), named=named)
        .values("of", "day", "agent", "named")
        .annotate(
            input=Sum("input_tokens"), output=Sum("output_tokens"), read=Sum("cache_read_tokens"),
            written=Sum("cache_write_tokens"), for_an_hour=Sum("cache_write_1h_tokens"),
        )
    )  # fmt: skip
    usages: dict[uuid.UUID, list[Usage]] = {identifier: [] for identifier in ids}
    for row in summed:
        usages[row["of"]].append(Usage(row["named"], _day(row["day"]), _parts(row)))
    prices: PriceList = settings.PRICES
    return {identifier: cost_of(found, prices) for identifier, found in usages.items()}


def _parts(row: Mapping[str, Any]) -> Parts:
    fresh = int(row["input"])
    if row["agent"] in _CACHE_WITHIN_INPUT:
        fresh = max(0, fresh - int(row["read"]) - int(row["written"]))
    for_an_hour = int(row["for_an_hour"])
    return Parts(fresh, int(row["output"]), int(row["read"]), int(row["written"]) - for_an_hour, for_an_hour)


def _day(number: Any) -> date:
    return _EPOCH + timedelta(days=min(max(0, int(number)), _LAST_DAY))
