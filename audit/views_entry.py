"""One entry: in the drawer beside the list, and on a page of its own."""

import json
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import catalog
from audit.decisions import badge_of
from audit.edits import EDIT_TYPE, edit_in, edits_of, shown
from audit.models import Entry, Payload
from audit.proof_text import Proof, proof_of
from audit.reading import note_opening
from audit.record import commitment
from audit.strip import strip
from audit.surroundings import surroundings
from audit.tree import leaf_hash

#: Of a payload that is text, so much is shown on the page.
PAYLOAD_CHARS: Final = 20_000


@require_safe
def entry(request: HttpRequest, idx: int) -> HttpResponse:
    context = {
        **_context(request, idx),
        "strip": strip(),
        "breadcrumbs": [(reverse("audit"), "Audit")],
        "rail_path": "/audit/",
    }
    return render(request, "audit/entry.html", context)


@require_safe
def peek(request: HttpRequest, idx: int) -> HttpResponse:
    """The same in the drawer."""
    return render(request, "audit/_peek.html", _context(request, idx))


@require_safe
def proof(request: HttpRequest, idx: int) -> HttpResponse:
    """The proof as a file."""
    found = get_object_or_404(Entry, idx=idx)
    note_opening(idx, with_payload=False, actor=surroundings().actor(request))
    made, _ = _proof(found)
    if made is None:
        raise Http404
    response = HttpResponse(made.text, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="entry-{idx}.tlog-proof"'
    return response


@require_safe
def payload(request: HttpRequest, idx: int) -> HttpResponse:
    """The payload's bytes as they were recorded."""
    found = get_object_or_404(Payload, idx=idx)
    note_opening(idx, with_payload=True, actor=surroundings().actor(request))
    # Whatever it says it is, a browser must not run it.
    response = HttpResponse(bytes(found.data), content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="entry-{idx}.payload"'
    return response


def _context(request: HttpRequest, idx: int) -> dict[str, Any]:
    found = get_object_or_404(Entry, idx=idx)
    document = json.loads(found.body)
    kept = _payload(found, document)
    note_opening(idx, with_payload=kept is not None, actor=surroundings().actor(request))
    made, trouble = _proof(found)
    edits, details = edits_of(document.get("details", {}))
    if kept is not None and kept.get("edit"):
        edits.append(kept["edit"])
    return {
        "entry": found,
        "sentence": catalog.sentence_of(found.action),
        "heading": f"{found.actor_label or 'somebody'} {catalog.sentence_of(found.action)}",
        "details": [(name, shown(value)) for name, value in details.items()],
        "edits": edits,
        "badge": badge_of(found),
        "leaf": bytes(found.leaf).hex(),
        # The page shows the columns; what is signed is the text.
        "is_as_hashed": leaf_hash(found.body.encode()) == bytes(found.leaf),
        "proof": made,
        "proof_trouble": trouble,
        "payload": kept,
        "places": surroundings().places_of(found, request),
        "session": surroundings().names_of([found.session_id]).get(found.session_id)
        if found.session_id
        else None,
    }


def _proof(found: Entry) -> tuple[Proof | None, str]:
    try:
        return proof_of(found.idx, bytes(found.leaf)), ""
    except ValueError as error:
        return None, f"The stored tree is damaged: {error}."


def _payload(found: Entry, document: dict[str, Any]) -> dict[str, Any] | None:
    """What lies apart from the entry: still there or erased; None where nothing ever did."""
    said = document.get("payload")
    if said is None:
        return None
    kept = Payload.objects.filter(idx=found.idx).first()
    facts = {
        "commitment": said["commitment"],
        "size": said["size"],
        "type": said["type"],
        "is_erased": kept is None,
    }
    if kept is None:
        return facts
    data = bytes(kept.data)
    edit = edit_in(data) if said["type"] == EDIT_TYPE else None
    is_text = said["type"].startswith("text/") or said["type"].startswith("application/json")
    text = data.decode(errors="replace") if is_text else ""
    return {
        **facts,
        "edit": edit,
        "holds": commitment(bytes(kept.salt), data) == said["commitment"],
        "text": text[:PAYLOAD_CHARS],
        "is_cut": len(text) > PAYLOAD_CHARS,
    }
