"""Runs across sessions."""

import uuid
from typing import Annotated, Any, Literal

import msgspec
from django.shortcuts import get_object_or_404

from sessions_app.api.documents import RunDetail, RunDocument
from sessions_app.api.endpoint import Call, Endpoint
from sessions_app.api.paging import Page, PageQuery, paged_together
from sessions_app.api.problems import NOT_FOUND
from sessions_app.api.rendering import run_detail, run_documents
from sessions_app.api.sessions import StatusName, Text
from sessions_app.filters import RunFilter
from sessions_app.models import Run


class RunQuery(PageQuery, kw_only=True, forbid_unknown_fields=True):
    """The filters of the page /runs/."""

    status: StatusName | None = None
    kind: Literal["main", "subagent"] | None = None
    agent: Annotated[Text, msgspec.Meta(description="The agent of the session.")] = ""
    session: Annotated[uuid.UUID | None, msgspec.Meta(description="A session's id.")] = None

    def as_filter(self) -> RunFilter:
        given = {"status": self.status, "kind": self.kind, "agent": self.agent, "session": self.session}
        return RunFilter.read({name: str(value) for name, value in given.items() if value is not None})


def list_runs(call: Call) -> Any:
    runs: Any = Run.objects.all()
    rows = call.query.as_filter().apply(runs.visible_to(call.caller.person))
    rows = rows.defer("input", "output", "error")
    return paged_together(rows, call.query, run_documents, order=("started_ms", "id"))


def show_run(call: Call, run_id: uuid.UUID) -> RunDetail:
    runs: Any = Run.objects.all()
    return run_detail(get_object_or_404(runs.visible_to(call.caller.person), pk=run_id))


ENDPOINTS = (
    Endpoint(
        "list_runs",
        "GET",
        "runs",
        "Runs of all sessions, the last started first",
        list_runs,
        answers=Page[RunDocument],
        query=RunQuery,
        tag="Runs",
    ),
    Endpoint(
        "show_run",
        "GET",
        "runs/<uuid:run_id>",
        "One run with its input and output",
        show_run,
        answers=RunDetail,
        problems=(NOT_FOUND,),
        tag="Runs",
    ),
)
