"""What is behind a fold: tool calls, long texts, attachments."""

import re
import uuid
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import get_object_or_404, render
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from sessions_app import bodies, call_drawing, markdown
from sessions_app.access import READ
from sessions_app.legible import legible
from sessions_app.models import Message, MessageKind, ToolCall
from sessions_app.sign_in import requires
from sessions_app.timeline_rows import IMAGE_TYPES, CallRow, MessageRow
from sessions_app.views.session.frame import find_session, frame
from sessions_app.views.session.transcript import seq_in

_MEDIA_TYPE: Final = re.compile(r"[\w.+-]{1,60}/[\w.+-]{1,60}", re.ASCII)
# What programs wrote is shown as they wrote it; what people and agents say is markdown.
_MARKDOWN_KINDS: Final = frozenset({MessageKind.PROMPT, MessageKind.REPLY, MessageKind.SUMMARY})


@require_safe
@requires(READ)
def call(request: HttpRequest, session_id: uuid.UUID, call_id: uuid.UUID) -> HttpResponse:
    """The body of a tool call; as a page of its own when it is opened as a link."""
    session = find_session(request, session_id)
    found = get_object_or_404(
        ToolCall.objects.select_related("child_run", "run", "source"), session=session, pk=call_id
    )
    context = {"session": session, "row": CallRow(session, found), "drawing": call_drawing.draw(found)}
    return _page_or_part(request, "call", context)


@require_safe
@requires(READ)
def call_piece(request: HttpRequest, session_id: uuid.UUID, call_id: uuid.UUID, part: str) -> HttpResponse:
    """A further piece of a call's `input` or `output`, from byte `?from=`."""
    session = find_session(request, session_id)
    found = get_object_or_404(ToolCall, session=session, pk=call_id)
    pieces = {"input": call_drawing.input_piece, "output": call_drawing.output_piece}
    if part not in pieces:
        raise Http404
    context = {"session": session, "row": CallRow(session, found), "call": found, "part": part}
    context["drawn"] = pieces[part](found, seq_in(request, "from") or 0)
    return _page_or_part(request, "piece", context)


@require_safe
@requires(READ)
def message(
    request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID, part: str = "text"
) -> HttpResponse:
    """A piece of a message's `text` or `reasoning`, from byte `?from=`."""
    session = find_session(request, session_id)
    found = get_object_or_404(Message, session=session, pk=message_id)
    if part not in {"text", "reasoning"}:
        raise Http404
    is_markdown = part == "reasoning" or found.kind in _MARKDOWN_KINDS
    limit = markdown.MAX_CHARS if is_markdown else bodies.PIECE_BYTES
    text, blob = getattr(found, part), getattr(found, f"{part}_blob_id")
    piece = bodies.piece_of(text, blob, start=seq_in(request, "from") or 0, limit=limit)
    below = markdown.BELOW_A_ROW if request.headers.get("HX-Request") else markdown.BELOW_THE_TITLE
    context = {
        "session": session,
        "row": MessageRow(session, found),
        "message": found,
        "part": part,
        "piece": piece,
        "is_markdown": is_markdown,
        "drawn": markdown.to_html(piece.text, below=below) if is_markdown else legible(piece.text),
    }
    return _page_or_part(request, "message", context)


@require_safe
@requires(READ)
def attachment(
    request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID, number: int
) -> HttpResponse:
    """The bytes of an attachment: an image to look at, anything else as a download."""
    session = find_session(request, session_id)
    found = get_object_or_404(Message.objects.only("id", "attachments"), session=session, pk=message_id)
    if number >= len(found.attachments):
        raise Http404
    described: dict[str, Any] = found.attachments[number]
    sha256 = str(described["sha256"])
    if request.headers.get("If-None-Match") == f'"{sha256}"':
        return HttpResponseNotModified()
    return _harmless(
        bodies.blob_bytes(sha256),
        sha256,
        str(described.get("media_type", "")),
        str(described.get("name", "")),
    )


def _harmless(content: bytes, sha256: str, media_type: str, name: str) -> HttpResponse:
    is_image = media_type in IMAGE_TYPES
    response = HttpResponse(content, content_type=media_type if is_image else "application/octet-stream")
    extension = media_type.rpartition("/")[2] if _MEDIA_TYPE.fullmatch(media_type) else "bin"
    filename = (
        "".join(c for c in name if c.isprintable() and c not in '/\\"')[:100] or f"{sha256[:12]}.{extension}"
    )
    response["Content-Disposition"] = content_disposition_header(not is_image, filename) or "attachment"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'; style-src 'unsafe-inline'"
    response["X-Content-Type-Options"] = "nosniff"
    response["Cross-Origin-Resource-Policy"] = "same-origin"
    response["ETag"] = f'"{sha256}"'
    # The bytes behind this address never change, but the right to see them can be taken away.
    response["Cache-Control"] = "private, no-cache"
    return response


def _page_or_part(request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
    if request.headers.get("HX-Request"):
        response = render(request, f"sessions_app/session/_{name}.html", context)
    else:
        context = {
            **frame(request, context["session"], "transcript"),
            **context,
            "part_template": f"sessions_app/session/_{name}.html",
        }
        response = render(request, "sessions_app/session/body.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response
