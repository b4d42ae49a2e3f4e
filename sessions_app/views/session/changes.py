"""What is done to a session from its page: each a POST that calls one action."""

import json
import uuid
from typing import cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboard.lib.errors import BadRequest
from sessions_app.access import KEEP_OWN, OPERATE
from sessions_app.actions import sessions as actions
from sessions_app.actors import requester
from sessions_app.models import Person
from sessions_app.sign_in import requires
from sessions_app.views.session.frame import find_session, header

UNDO = "undo"


@require_POST
@requires(OPERATE)
def archive(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.archive_session(session_id, actor=requester(request))
    return _answer(request, session_id, "Archived", undo="session-unarchive")


@require_POST
@requires(OPERATE)
def unarchive(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.unarchive_session(session_id, actor=requester(request))
    return _answer(request, session_id, "Taken out of the archive", undo="session-archive")


@require_POST
@requires(OPERATE)
def delete(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """The page is gone with the session, so the way back stands on the list."""
    find_session(request, session_id)
    actions.delete_session(session_id, actor=requester(request))
    messages.success(request, "Moved to the trash", extra_tags=reverse("session-restore", args=[session_id]))
    return _go(request, "/sessions/")


@require_POST
@requires(OPERATE)
def restore(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    actions.restore_session(session_id, actor=requester(request))
    find_session(request, session_id)
    messages.success(request, "Restored from the trash")
    return _go(request, reverse("session", args=[session_id]))


@require_POST
@requires(OPERATE)
def rename(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    changed = actions.rename_session(session_id, request.POST.get("title", ""), actor=requester(request))
    return _answer(request, session_id, "Renamed" if changed else "")


@require_POST
@requires(OPERATE)
def tag(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.tag_session(session_id, request.POST.get("name", ""), actor=requester(request))
    return _answer(request, session_id)


@require_POST
@requires(OPERATE)
def untag(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.untag_session(session_id, request.POST.get("name", ""), actor=requester(request))
    return _answer(request, session_id)


@require_POST
@requires(KEEP_OWN)
def star(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.star_session(session_id, cast(Person, request.user), actor=requester(request))
    return _answer(request, session_id)


@require_POST
@requires(KEEP_OWN)
def unstar(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.unstar_session(session_id, cast(Person, request.user), actor=requester(request))
    return _answer(request, session_id)


@require_POST
@requires(KEEP_OWN)
def read(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    actions.mark_read(session_id, _number(request, "seq"), cast(Person, request.user))
    return HttpResponse(status=204)


@require_POST
@requires(OPERATE)
def add_note(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    author = cast(Person, request.user)
    seq = _number(request, "seq") if request.POST.get("seq") else None
    actions.add_note(
        session_id, request.POST.get("text", ""), author=author, actor=requester(request), seq=seq
    )
    return _go(request, reverse("session-notes", args=[session_id]))


@require_POST
@requires(OPERATE)
def delete_note(request: HttpRequest, session_id: uuid.UUID, note_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    author = cast(Person, request.user)
    if not actions.delete_note(session_id, note_id, author=author, actor=requester(request)):
        raise Http404
    messages.success(
        request, "Note deleted", extra_tags=reverse("session-note-restore", args=[session_id, note_id])
    )
    return _go(request, reverse("session-notes", args=[session_id]))


@require_POST
@requires(OPERATE)
def restore_note(request: HttpRequest, session_id: uuid.UUID, note_id: uuid.UUID) -> HttpResponse:
    find_session(request, session_id)
    author = cast(Person, request.user)
    if not actions.restore_note(session_id, note_id, author=author, actor=requester(request)):
        raise Http404
    return _go(request, reverse("session-notes", args=[session_id]))


def _number(request: HttpRequest, name: str) -> int:
    text = request.POST.get(name, "")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest(f"{name} must be a number.")
    return int(text)


def _go(request: HttpRequest, address: str) -> HttpResponse:
    if not request.headers.get("HX-Request"):
        return redirect(address)
    response = HttpResponse(status=204)
    response["HX-Redirect"] = address
    return response


def _answer(request: HttpRequest, session_id: uuid.UUID, text: str = "", *, undo: str = "") -> HttpResponse:
    """The header as it is now, in place; without script the page again."""
    undo_url = reverse(undo, args=[session_id], query={UNDO: 1}) if undo else ""
    if request.headers.get("HX-Request") and UNDO in request.GET:
        # The toast that asked is gone by now, and with it the place from which parts could be swapped.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    if not request.headers.get("HX-Request"):
        if text:
            messages.success(request, text, extra_tags=undo_url)
        return redirect("session", session_id=session_id)
    context = {**header(request, find_session(request, session_id)), "out_of_band": True}
    response = render(request, "sessions_app/session/_header.html", context)
    if text:
        toast = render_to_string("components/toast.html", {"text": text, "undo": undo_url}, request)
        response["HX-Trigger"] = json.dumps({"scrollback:toast": {"html": toast}})
    return response
