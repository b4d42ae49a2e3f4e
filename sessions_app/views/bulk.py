"""What the bar below the list does to every ticked session, and taking it back."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from dashboard.lib.errors import BadRequest, Refused
from dashboard.lib.ids import new_id
from sessions_app.access import OPERATE
from sessions_app.actions import sessions as actions
from sessions_app.actors import requester
from sessions_app.sign_in import requires
from sessions_app.views.lists import back_to_list

MAX_BULK = 500


@dataclass(frozen=True)
class _Change:
    act: Callable[..., bool]
    words: str
    # What takes it back.
    inverse: str


_BULK = {
    "archive": _Change(actions.archive_session, "archived", "unarchive"),
    "unarchive": _Change(actions.unarchive_session, "taken out of the archive", "archive"),
    "delete": _Change(actions.delete_session, "moved to the trash", "restore"),
    "restore": _Change(actions.restore_session, "restored", "delete"),
    "tag": _Change(actions.tag_session, "tagged", "untag"),
    "untag": _Change(actions.untag_session, "no longer tagged", "tag"),
}
_WITH_TAG = frozenset({"tag", "untag"})
# In the login: the newest change of many sessions, which its toast takes back.
_LAST_CHANGE = "last_change"


@require_POST
@requires(OPERATE)
def change_sessions(request: HttpRequest) -> HttpResponse:
    """What the bar below the list does to every ticked session."""
    ids = _ids(request.POST.getlist("session"))
    name = request.POST.get("do", "")
    if name not in _BULK:
        raise BadRequest(f"There is no change named {name[:40]!r}.")
    tag = actions.clean_tag(request.POST.get("tag", "")) if name in _WITH_TAG else ""
    changed, text = _change(request, name, tag, ids)
    undo = ""
    if changed:
        token = new_id().hex
        request.session[_LAST_CHANGE] = [token, _BULK[name].inverse, tag, [pk.hex for pk in changed]]
        undo = reverse("sessions-change-undo", args=[token])
    messages.success(request, text, extra_tags=undo)
    return redirect(back_to_list(request))


def _change(
    request: HttpRequest, name: str, tag: str, ids: Sequence[uuid.UUID]
) -> tuple[list[uuid.UUID], str]:
    """Those of the sessions that it changed, and what to say of it."""
    change, actor = _BULK[name], requester(request)
    arguments = [tag] if tag else []
    changed = [pk for pk in ids if change.act(pk, *arguments, actor=actor)]
    words = " ".join([change.words, *arguments])
    return changed, f"{len(changed)} session{'' if len(changed) == 1 else 's'} {words}."


@require_POST
@requires(OPERATE)
def undo_change_of_sessions(request: HttpRequest, token: str) -> HttpResponse:
    """What the toast of such a change offers, once; a newer change has taken its place."""
    last = request.session.get(_LAST_CHANGE)
    if not last or last[0] != token:
        raise Refused("This can no longer be undone in one step: other sessions were changed since.")
    _, name, tag, ids = request.session.pop(_LAST_CHANGE)
    _, text = _change(request, name, tag, [uuid.UUID(pk) for pk in ids])
    messages.success(request, text)
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect("sessions")


def _ids(values: list[str]) -> list[uuid.UUID]:
    if not 0 < len(values) <= MAX_BULK:
        raise BadRequest(f"Tick between one and {MAX_BULK} sessions.")
    try:
        return [uuid.UUID(value) for value in values]
    except ValueError as error:
        raise BadRequest("A ticked session has an id that cannot be read.") from error
