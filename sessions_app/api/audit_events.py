"""What agents report to the audit log, many events at once: docs/audit-cover.md is the contract."""

import uuid
from typing import Annotated, Final

import msgspec

from audit.record import Target
from audit.resending import Fate
from audit.stream import NotRecorded
from dashboard.lib.errors import BadRequest
from sessions_app.access import OPERATE
from sessions_app.actions.reports import Decision, Report, Vantage, report_events
from sessions_app.api.documents import Document
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.problems import UNAVAILABLE, Problem
from sessions_app.audit_actions import ReportedAction

MOST_EVENTS: Final = 500
MAX_BODY_BYTES: Final = 1024 * 1024
MAX_DETAILS_BYTES: Final = 16 * 1024

type Text = Annotated[str, msgspec.Meta(max_length=4_000)]
type Name = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]


class EventTarget(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What was acted on: a file, a host, a prompt."""

    type: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    label: Annotated[str, msgspec.Meta(max_length=300)] = ""


class AuditEvent(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    id: Annotated[
        uuid.UUID,
        msgspec.Meta(
            description="A UUID of version 7, made by the sender, the same whenever the event is sent again."
        ),
    ]
    action: ReportedAction
    observed_ms: Annotated[
        int, msgspec.Meta(ge=0, le=253_402_300_799_999, description="By the sender's clock.")
    ]
    vantage: Annotated[
        Vantage, msgspec.Meta(description="Who saw it: the sandbox, or the agent, whose word it is.")
    ]
    target: EventTarget | None = None
    session: uuid.UUID | None = None
    run: uuid.UUID | None = None
    decision: Decision = ""
    details: Annotated[
        dict[Name, Text | int | float | bool | None],
        msgspec.Meta(
            max_length=40,
            description="Plain facts, 16 kB at most. `before` and `after` are shown as a difference; where they are"
            " longer, or may have to be erased, send `before_body` and `after_body`.",
        ),
    ] = {}
    body: Annotated[
        str | None,
        msgspec.Meta(
            description="A text that is long, or may have to be erased: it lies apart from the entry."
        ),
    ] = None
    before_body: Annotated[
        str | None,
        msgspec.Meta(
            description="With `after_body`, instead of `body`: a text before and after an edit, shown as a difference."
        ),
    ] = None
    after_body: str | None = None


class EventBatch(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    events: Annotated[list[AuditEvent], msgspec.Meta(min_length=1, max_length=MOST_EVENTS)]


class EventResult(Document):
    """`known`: it is in the log already. `conflict`: another event has this id, and this one is not recorded."""

    id: uuid.UUID
    result: Fate


class EventResults(Document):
    """In the order of the events. All that is not in `conflict` is in the log, durably."""

    results: list[EventResult]
    recorded: int
    known: int
    conflicts: int


def post_events(call: Call) -> EventResults:
    batch: EventBatch = call.body
    reports = [_report(number, event) for number, event in enumerate(batch.events)]
    try:
        outcomes = report_events(reports, actor=call.caller.actor)
    except NotRecorded as error:
        raise Problem(UNAVAILABLE, f"Not recorded: {error}", headers={"Retry-After": "1"}) from error
    fates = [outcome.fate for outcome in outcomes]
    return EventResults(
        results=[
            EventResult(id=event.id, result=fate) for event, fate in zip(batch.events, fates, strict=True)
        ],
        recorded=fates.count("recorded"),
        known=fates.count("known"),
        conflicts=fates.count("conflict"),
    )


def _report(number: int, event: AuditEvent) -> Report:
    """Raises BadRequest for what its schema cannot say."""
    if event.id.version != 7:
        raise BadRequest(f"`$.events[{number}].id` is no UUID of version 7, which begins with the time.")
    if len(msgspec.json.encode(event.details)) > MAX_DETAILS_BYTES:
        raise BadRequest(
            f"The details of `$.events[{number}]` are over {MAX_DETAILS_BYTES:,} bytes: send long texts as `body`."
        )
    edited = event.before_body, event.after_body
    if edited.count(None) == 1 or (edited.count(None) == 0 and event.body is not None):
        raise BadRequest(
            f"`$.events[{number}]` needs `before_body` and `after_body` together, and then no `body`."
        )
    target = event.target
    return Report(
        event.id,
        event.action,
        event.vantage,
        event.observed_ms,
        Target(target.type, target.id, target.label) if target else None,
        event.session,
        event.run,
        event.decision,
        event.details,
        event.body,
        event.before_body,
        event.after_body,
    )


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint(
        "report_audit_events",
        "POST",
        "audit/events",
        "Report what an agent or its sandbox did; answered when it is durable",
        post_events,
        answers=EventResults,
        body=EventBatch,
        most_bytes=MAX_BODY_BYTES,
        right=OPERATE,
        tag="Audit",
    ),
)
