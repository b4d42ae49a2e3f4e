"""The output of one terminal, for viewers and players."""

import hashlib
import logging
import uuid
from collections.abc import Callable
from functools import wraps

import msgspec
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest, CorruptData
from sessions_app.access import READ
from sessions_app.actions.terminals.frames import SpanKey, make_span
from sessions_app.actions.terminals.playing import (
    map_of,
    stretch_from,
    stretch_of_moment,
    stretch_of_place,
)
from sessions_app.actions.terminals.reading import DAMAGED, events_before, read_bytes, stored_segments
from sessions_app.actions.terminals.screens import screens_version
from sessions_app.models import Terminal
from sessions_app.sign_in import me, requires
from sessions_app.views.content_coding import answer, encoded, takes

logger = logging.getLogger(__name__)

# One answer with output; more is asked for again.
PIECE_BYTES = 1024 * 1024
OCTETS = "application/octet-stream"
_LATEST = 2**63 - 1
# Raised with what the map has of a recording, so that no page takes the one of another form that its browser kept.
_MAP_FORM = 2


type _View = Callable[[HttpRequest, uuid.UUID], HttpResponse]


def _told_of_damage(view: _View) -> _View:
    """What cannot be read is refused in one sentence, which a player shows."""

    @wraps(view)
    def told(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
        try:
            return view(request, terminal_id)
        except CorruptData as error:
            logger.warning("terminal %s cannot be read: %s", terminal_id, error)
            return HttpResponse(DAMAGED, status=422, content_type="text/plain; charset=utf-8")

    return told


@require_safe
@requires(READ)
@_told_of_damage
def output(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """The bytes [from, to), at most PIECE_BYTES of them. They never change, so they may be kept for ever."""
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    start = min(_number(request, "from", 0), found.size)
    end = min(_number(request, "to", found.size), start + PIECE_BYTES, found.size)
    stored = stored_segments(found.pk, start, end) if takes(request, "zstd") else None
    if stored is not None:
        return _immutable(encoded(stored, "zstd", OCTETS))
    return _immutable(answer(request, read_bytes(found.pk, start, max(start, end)), OCTETS))


@require_safe
@requires(READ)
@_told_of_damage
def frames(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """The recording from byte `from` on as frames of the live protocol, each behind its length (u32).

    One frame is one write, at its own time; at most PIECE_BYTES of output.
    """
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    start = min(_number(request, "from", 0), found.size)
    end = min(start + PIECE_BYTES, found.size)
    event = events_before(found.pk, start)
    span = make_span(SpanKey(found.pk, start, end, event, found.event_count, each_write=True))
    response = answer(request, _in_a_row(span.frames), OCTETS)
    # What happens at the very end may still grow by events.
    return _immutable(response) if span.end < found.size else response


@require_safe
@requires(READ)
@_told_of_damage
def stretch(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """A screen and the writes that follow it, as in `frames`; `v` is the version that the map named.

    The screen that is kept for byte `from`, or the one behind `to` bytes, or of the time `us`.
    """
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    if "us" in request.GET:
        played = stretch_of_moment(found, time_us=_number(request, "us", 0))
    elif "to" in request.GET:
        played = stretch_of_place(found, _number(request, "to", 0))
    else:
        played = stretch_from(found, _number(request, "from", 0), heavy=request.GET.get("heavy") == "1")
    response = answer(request, _in_a_row(played.frames), OCTETS)
    # Another engine may make other screens, as may a rebuild, and then the map names another version.
    return (
        _immutable(response)
        if played.is_final and request.GET.get("v") == screens_version(found)
        else response
    )


@require_safe
@requires(READ)
@_told_of_damage
def terminal_map(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """Where a player may begin, and what is where; with `after` only what lies from that offset on."""
    found = get_object_or_404(_visible_to(request), pk=terminal_id)
    after = _number(request, "after", 0)
    etag = _etag(found, after)
    response = get_conditional_response(request, etag=etag)
    if not isinstance(response, HttpResponseNotModified):
        document = {"version": screens_version(found), **msgspec.to_builtins(map_of(found, after))}
        response = answer(request, msgspec.json.encode(document), "application/json")
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def _etag(terminal: Terminal, after: int) -> str:
    """Weak, as the body may come compressed or not."""
    made_of = (
        _MAP_FORM, after, terminal.size, terminal.event_count, terminal.duration_us, terminal.state,
        terminal.sealed_size, terminal.derived_size, terminal.derived_event, terminal.derived_end,
        screens_version(terminal),
    )  # fmt: skip
    return f'W/"{hashlib.sha256(repr(made_of).encode()).hexdigest()[:20]}"'


def _in_a_row(frames: tuple[bytes, ...]) -> bytes:
    return b"".join([part for frame in frames for part in (len(frame).to_bytes(4), frame)])


def _visible_to(request: HttpRequest) -> QuerySet[Terminal]:
    visible: QuerySet[Terminal] = Terminal.objects.all().visible_to(me(request))
    return visible


def _number(request: HttpRequest, name: str, default: int) -> int:
    text = request.GET.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdecimal() or len(text) > 19 or int(text) > _LATEST:
        raise BadRequest(f"{name!r} must be a number of bytes.")
    return int(text)


def _immutable(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, max-age=31536000, immutable"
    return response
