"""The transcript: a page of it, and the rows that lead on from there."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest
from sessions_app.access import READ
from sessions_app.models import PROMPT_KINDS, AgentSession, Message, Run, Terminal
from sessions_app.session_clock import clock_of, whole_clock_of
from sessions_app.sign_in import requires
from sessions_app.timeline import Page, Timeline, main_run_of
from sessions_app.timeline_rows import MessageRow
from sessions_app.views.moments import moment_in, unread_moment_in
from sessions_app.views.session.frame import (
    AGENT_NAMES,
    find_run,
    find_session,
    frame,
    header,
    or_in_the_trash,
    tabs,
)

MAX_SEQ = 2**62
OUTLINE_PROMPTS = 100
# As many again and again are asked for by hand; this bounds what is drawn anew when there is news.
MOST_OUTLINE_PROMPTS = 2_000
MAX_TERMINALS = 50


@require_safe
@requires(READ)
@or_in_the_trash
def transcript(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    session = find_session(request, session_id)
    main = main_run_of(session)
    run = find_run(request, session, main)
    timeline = Timeline(session, run)
    at = place_asked_for(request, timeline)
    page = page_asked_for(request, timeline, at)
    context = {
        **frame(request, session, "transcript"),
        **transcript_context(session, run, page),
        **clock_context(request, session, page, at),
        "main": main,
        "at": at,
        "newest": f"{request.path}?run={run.pk}" if run and "run" in request.GET else request.path,
        "unread_moment": unread_moment_in(request),
    }
    return render(request, "sessions_app/session/transcript.html", context)


@require_safe
@requires(READ)
def rows(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """Rows before or after a place, with whatever changed of those that stand before it; or around a moment (`?t=`)."""
    session = find_session(request, session_id)
    run = find_run(request, session, main_run_of(session))
    timeline = Timeline(session, run)
    after, before = seq_in(request, "after"), seq_in(request, "before")
    around = place_asked_for(request, timeline)
    if sum(place is not None for place in (after, before, around)) != 1:
        raise BadRequest("Say after which place, before or around which, the rows are wanted.")
    context: dict[str, Any]
    if around is not None:
        context = transcript_context(session, run, timeline.around(around))
    elif before is not None:
        context = transcript_context(session, run, timeline.before(before))
    else:
        context = news_context(request, timeline, after or 0)
    return render(request, "sessions_app/session/_rows.html", context)


@require_safe
@requires(READ)
def outline(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """The newest prompts of a run, to jump to; a request of its own, as it looks through the run.

    `?before=` answers with those before a place alone, `?from=` with all from a place on.
    """
    session = find_session(request, session_id)
    run = find_run(request, session, main_run_of(session))
    messages = Message.objects.filter(session=session) if run is None else Message.objects.filter(run=run)
    prompts = messages.filter(kind__in=PROMPT_KINDS).only("id", "seq", "at_ms", "text").order_by("-seq")
    before, first = seq_in(request, "before"), seq_in(request, "from")
    if before is not None:
        prompts = prompts.filter(seq__lt=before)
    limit = OUTLINE_PROMPTS
    if first is not None:
        limit = min(MOST_OUTLINE_PROMPTS, max(limit, prompts.filter(seq__gte=first).count()))
    found = list(prompts[: limit + 1])
    address = reverse("session", args=[session.pk])
    context = {
        "address": f"{address}?run={run.pk}&" if run and run.parent_id else f"{address}?",
        "earlier_url": f"{request.path}?run={run.pk}&" if run else f"{request.path}?",
        "prompts": [MessageRow(session, prompt) for prompt in found[:limit][::-1]],
        "more": len(found) > limit,
    }
    template = "_outline_prompts" if before is not None else "_outline"
    return render(request, f"sessions_app/session/{template}.html", context)


@require_safe
@requires(READ)
def clock(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """What is drawn on the clock's bar, with the marks of the whole session: a request of its own, as the outline."""
    session = find_session(request, session_id)
    drawn = whole_clock_of(session, terminals_of(request, session), main_run_of(session))
    return render(request, "components/scrubber-drawing.html", {"clock": drawn})


def terminals_of(request: HttpRequest, session: AgentSession) -> list[Terminal]:
    """The session's newest terminals, the newest first."""
    if not session.terminal_count:
        return []
    found = Terminal.objects.visible_to(request.user).filter(session=session).order_by("-started_ms", "-id")
    return list(found[:MAX_TERMINALS])


def clock_context(request: HttpRequest, session: AgentSession, page: Page, at: int | None) -> dict[str, Any]:
    """The clock that both panes share, and the terminal beside the transcript.

    The clock stands where `?t=` says, else at the row of place `at`. Without a second to move through there is none.
    """
    terminals = terminals_of(request, session)
    if not terminals and (not page.rows or session.duration_ms < 1000):
        return {}
    clock = clock_of(session, terminals, page)
    moment = moment_in(request)
    if moment is None and at is not None:
        moment = next((row.offset_ms for row in page.rows if row.seq == at), None)
    at_ms = None if moment is None else min(moment, clock.length_ms)
    shown = terminal_asked_for(request, terminals, None if at_ms is None else session.started_ms + at_ms)
    at_us = None if at_ms is None else at_ms * 1000
    return {"terminals": terminals, "terminal": shown, "clock": clock, "at_ms": at_ms, "at_us": at_us}


def terminal_asked_for(
    request: HttpRequest, terminals: Sequence[Terminal], at_ms: int | None
) -> Terminal | None:
    """The one that `?terminal=` names, else the newest that was open at this moment, else the newest."""
    named = request.GET.get("terminal")
    found = [terminal for terminal in terminals if str(terminal.pk) == named]
    if at_ms is not None:
        found += [
            terminal
            for terminal in terminals
            if terminal.started_ms <= at_ms <= terminal.started_ms + terminal.duration_ms
        ]
    return next(iter([*found, *terminals]), None)


def place_asked_for(request: HttpRequest, timeline: Timeline) -> int | None:
    """The place that `?at=` names, else that of the row nearest to `?t=` on the session's clock."""
    at, moment = seq_in(request, "at"), moment_in(request)
    if at is not None or moment is None or {"before", "after"} & request.GET.keys():
        return at
    return timeline.seq_near(timeline.session.started_ms + moment)


def page_asked_for(request: HttpRequest, timeline: Timeline, at: int | None) -> Page:
    """The page around `at`, or the one that `?before=` or `?after=` names, or the newest."""
    before, after = seq_in(request, "before"), seq_in(request, "after")
    if at is not None:
        return timeline.around(at)
    if before is not None:
        return timeline.before(before)
    if after is not None:
        return timeline.after(after)
    return timeline.newest()


def seq_in(request: HttpRequest, name: str) -> int | None:
    """A place from the address; None when it is not there. Raises BadRequest when it is no number."""
    text = request.GET.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 20) or int(text) > MAX_SEQ:
        raise BadRequest(f"This link is broken: {name} must be a number.")
    return int(text)


def transcript_context(session: AgentSession, run: Run | None, page: Page) -> dict[str, Any]:
    return {
        "session": session,
        "run": run,
        "author": (run and run.parent_id and run.agent_name) or AGENT_NAMES.get(session.agent, session.agent),
        "page": page,
        "through": session.last_seq,
    }


def news_context(request: HttpRequest, timeline: Timeline, after: int) -> dict[str, Any]:
    """What is new after a place. `through` is where the next look goes on; further rows may already wait."""
    page = timeline.after(after)
    through = page.later or timeline.through
    return {
        **header(request, timeline.session),
        "tabs": tabs(timeline.session, "transcript"),
        "terminals": terminals_of(request, timeline.session),
        **transcript_context(timeline.session, timeline.run, page),
        "through": through,
        "changed": timeline.changed(after, through),
        "is_news": True,
    }
