"""What is done to a session from its page: each a POST that calls one action."""

import json
import uuid
from typing import Any, cast

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboard.lib.errors import BadRequest
from dashboard.lib.own_path import FIRST_PAGE, own_path
from dashboard.lib.text import cut
from sessions_app.access import KEEP_OWN, OPERATE
from sessions_app.actions import read_marks
from sessions_app.actions import sessions as actions
from sessions_app.actors import requester
from sessions_app.models import Person
from sessions_app.nav_counts import forget_counts, nav_counts
from sessions_app.sign_in import requires
from sessions_app.views.session.frame import find_session, header

UNDO = "undo"
# Of a session's title in a toast.
_NAMED_CHARS = 40


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
    """A page says by itself what was seen on it. With `next` somebody pressed a button, on the page of that path."""
    session = find_session(request, session_id)
    person = cast(Person, request.user)
    before = read_marks.mark_read(session_id, _number(request, "seq"), person)
    forget_counts(person)
    if "next" not in request.POST:
        return HttpResponse(status=204)
    undo = "" if before is None else reverse("session-read-undo", args=[session_id, before])
    text = f"Marked as seen: {cut(session.heading, _NAMED_CHARS)}"
    if not request.headers.get("HX-Request"):
        messages.success(request, text, extra_tags=undo)
        return redirect(own_path(request.POST["next"]))
    return _trigger(
        HttpResponse(status=204), toast=_toast(request, text, undo), counts=nav_counts(person), own={}
    )


@require_POST
@requires(KEEP_OWN)
def take_back_read(request: HttpRequest, session_id: uuid.UUID, before: int) -> HttpResponse:
    """What the toast of it offers; `before` is the place up to which it was seen."""
    find_session(request, session_id)
    person = cast(Person, request.user)
    read_marks.take_back_read(session_id, before, person)
    forget_counts(person)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect(FIRST_PAGE)


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


def _toast(request: HttpRequest, text: str, undo: str) -> dict[str, str]:
    """What `toast-region` takes."""
    return {"html": render_to_string("components/toast.html", {"text": text, "undo": undo}, request)}


def _trigger(response: HttpResponse, **events: Any) -> HttpResponse:
    """Has the page say `scrollback:<name>` for each, with what it tells."""
    response["HX-Trigger"] = json.dumps({f"scrollback:{name}": detail for name, detail in events.items()})
    return response


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
    return _trigger(response, toast=_toast(request, text, undo_url)) if text else response
