"""What agents and sandboxes report to the audit log. Nothing else is stored of it."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from audit.actors import Actor
from audit.edits import EDIT_TYPE, edit_payload
from audit.record import Attachment, Draft, Target
from audit.resending import Outcome
from audit.stream import stream_writer
from dashboard.lib.text import storable
from sessions_app.actions.terminals.detecting import masked_text
from sessions_app.audit_actions import ReportedAction

type Fact = str | int | float | bool | None
#: Who saw it: the sandbox around the agent, or the agent, whose word it is.
type Vantage = Literal["sandbox", "agent"]
type Decision = Literal["", "allow", "deny"]


@dataclass(frozen=True, slots=True)
class Report:
    id: uuid.UUID
    action: ReportedAction
    vantage: Vantage
    observed_ms: int
    target: Target | None = None
    session_id: uuid.UUID | None = None
    run_id: uuid.UUID | None = None
    decision: Decision = ""
    details: dict[str, Fact] = field(default_factory=dict)
    body: str | None = None
    # Both or none, and instead of `body`.
    before_body: str | None = None
    after_body: str | None = None


def report_events(reports: Sequence[Report], *, actor: Actor) -> list[Outcome]:
    """Durable when it returns; secrets are masked. Raises audit.stream.NotRecorded."""
    return stream_writer().write([_draft(report, actor) for report in reports])


def _draft(report: Report, actor: Actor) -> Draft:
    target = report.target
    return Draft(
        report.action,
        actor,
        Target(masked_text(target.type), masked_text(target.id), masked_text(target.label))
        if target
        else None,
        session_id=report.session_id,
        run_id=report.run_id,
        decision=report.decision,
        # The last word is ours: no fact may pass for these.
        details={**_facts(report.details), "observed_ms": report.observed_ms, "vantage": report.vantage},
        attachment=_attachment(report),
        id=report.id,
    )


def _facts(details: dict[str, Fact]) -> dict[str, Fact]:
    """Masked, each under a name of its own: without their secrets two may look the same."""
    found: dict[str, Fact] = {}
    # Sorted, as what is sent again may come in another order.
    for name, fact in sorted(details.items()):
        shown = told = storable(masked_text(name))
        number = 1
        while told in found:
            number += 1
            told = f"{shown} ({number})"
        found[told] = masked_text(fact) if type(fact) is str else fact
    return found


def _attachment(report: Report) -> Attachment | None:
    if report.before_body is not None and report.after_body is not None:
        return Attachment(
            edit_payload(masked_text(report.before_body), masked_text(report.after_body)), EDIT_TYPE
        )
    return None if report.body is None else Attachment(masked_text(report.body).encode())
