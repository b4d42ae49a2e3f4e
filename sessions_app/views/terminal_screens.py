"""A terminal's screen at any moment, as a small picture."""

import uuid

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest, CorruptData
from sessions_app.access import READ
from sessions_app.actions.terminals.screens import place_at, screens_version, styled_screen_of
from sessions_app.models import Terminal
from sessions_app.sign_in import me, requires
from sessions_app.terminal.engine.model import EngineError
from sessions_app.terminal.picture import draw

_LATEST_US = 2**53


@require_safe
@requires(READ)
def screen(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """An `<svg>` of the screen at `at_us` (0); 204 where no engine can draw it; `v` is the map's version."""
    found = get_object_or_404(Terminal.objects.visible_to(me(request)), pk=terminal_id)
    at_us = _moment(request)
    try:
        shown = styled_screen_of(found, place_at(found, at_us))
    except (EngineError, CorruptData):
        return HttpResponse(status=204)
    response = HttpResponse(draw(shown), content_type="image/svg+xml")
    if at_us < found.duration_us and request.GET.get("v") == screens_version(found):
        # What was shown then never changes; what an engine makes of it does, and then the map names another version.
        response["Cache-Control"] = "private, max-age=86400"
    return response


def _moment(request: HttpRequest) -> int:
    text = request.GET.get("at_us", "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 16 or int(text) > _LATEST_US:
        raise BadRequest("'at_us' must be a moment of the recording, in microseconds.")
    return int(text)
