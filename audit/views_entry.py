"""One entry: in the drawer beside the list, and on a page of its own."""

from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import catalog
from audit.absences import pruned_by, uncovered
from audit.columns import Row, details_of, difference, parsed
from audit.decisions import badge_of
from audit.edits import EDIT_TYPE, edit_in, edits_of, shown
from audit.models import Entry, Payload
from audit.proof_text import Proof, proof_of
from audit.query import parse
from audit.reading import note_opening
from audit.record import commitment
from audit.rows import as_bytes
from audit.segments import HOLD_PLACED, HOLD_RELEASED, PAYLOAD_PRUNED, Statement
from audit.strip import strip
from audit.surroundings import surroundings
from audit.tree import leaf_hash
from audit.views import link
from audit.walk import log_size
from dashboard.lib.db import any_text
from dashboard.lib.text import storable

_MEMBERS: Final = frozenset(
    {"action", "actor", "at_ms", "decision", "details", "id", "idx", "run", "session", "target", "v"}
)
#: Of an entry that is missing, so many before and after it are led to.
_AROUND: Final = 5
#: Of a payload that is text, so much is shown on the page.
PAYLOAD_CHARS: Final = 20_000


@require_safe
def entry(request: HttpRequest, idx: int) -> HttpResponse:
    checked = strip()
    context = {"strip": checked, "breadcrumbs": [(reverse("audit"), "Audit")], "rail_path": "/audit/"}
    found = _stored(idx)
    if found is None:
        # The strip may lead here: there should be one, or there was when a head was signed.
        if idx >= log_size() and idx != checked.standing.first_bad_idx:
            raise Http404
        around = link(parse(f"idx:{max(0, idx - _AROUND)}-{idx + _AROUND}"))
        more = {"idx": idx, "heading": f"Entry {idx} is missing", "around": around}
        return render(request, "audit/missing.html", {**context, **more}, status=404)
    return render(request, "audit/entry.html", {**_context(request, found), **context})


@require_safe
def peek(request: HttpRequest, idx: int) -> HttpResponse:
    """The same in the drawer."""
    found = _stored(idx)
    if found is None:
        raise Http404
    return render(request, "audit/_peek.html", _context(request, found))


@require_safe
def proof(request: HttpRequest, idx: int) -> HttpResponse:
    """The proof as a file."""
    found = get_object_or_404(Entry.objects.only("idx", "leaf"), idx=idx)
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


def _stored(idx: int) -> Entry | None:
    """As it lies there, whatever that is."""
    return next(iter(Entry.objects.filter(idx=idx).fetched()), None)


def _context(request: HttpRequest, found: Entry) -> dict[str, Any]:
    # Whoever changed it past the program may have left any text.
    document = parsed(found.text)
    # The page shows the columns; what is signed is the text.
    odd_column = difference(_row(found), document) if _is_entry(document) else "body"
    is_as_hashed = leaf_hash(found.text) == as_bytes(found.leaf)
    details_there = details_of(found.text)
    found.make_readable()
    kept = _payload(found, document or {})
    note_opening(found.idx, with_payload=kept is not None, actor=surroundings().actor(request))
    made, trouble = _proof(found)
    edits, details = edits_of(details_there)
    if kept is not None and kept.get("edit"):
        edits.append(kept["edit"])
    return {
        "entry": found,
        "sentence": catalog.sentence_of(found.action),
        "heading": f"{found.actor_label or 'somebody'} {catalog.sentence_of(found.action)}",
        "details": [(storable(name), shown(value)) for name, value in details.items()],
        "edits": edits,
        "badge": badge_of(found),
        "leaf": as_bytes(found.leaf).hex(),
        "odd_column": odd_column,
        "is_as_hashed": is_as_hashed,
        "proof": made,
        "proof_trouble": trouble,
        "payload": kept,
        "places": surroundings().places_of(found, request),
        "session": surroundings().names_of([found.session_id]).get(found.session_id)
        if found.session_id
        else None,
    }


def _is_entry(document: dict[str, Any] | None) -> bool:
    """Whether it has all that an entry has; what each of it says is another question."""
    return document is not None and document.keys() >= _MEMBERS and isinstance(document["details"], dict)


def _row(found: Entry) -> Row:
    session, run = (None if one is None else str(one) for one in (found.session_id, found.run_id))
    return (
        found.idx, str(found.id), found.at_ms, found.actor_type, found.actor_id, found.actor_label, found.action,
        found.target_type, found.target_id, found.target_label, session, run, found.decision,
        found.text, as_bytes(found.leaf),
    )  # fmt: skip


def _proof(found: Entry) -> tuple[Proof | None, str]:
    try:
        return proof_of(found.idx, as_bytes(found.leaf)), ""
    except ValueError as error:
        return None, f"The stored tree is damaged: {error}."


def _said_of_payloads() -> list[Statement]:
    """All that the log says of payloads that go and that have to stay: an entry for each time that somebody did."""
    rows = Entry.objects.filter(action__in=(PAYLOAD_PRUNED, HOLD_PLACED, HOLD_RELEASED)).order_by("idx")
    with any_text():
        return [
            Statement(idx, action, details_of(body))
            for idx, action, body in rows.values_list("idx", "action", "body")
        ]


def _payload(found: Entry, document: dict[str, Any]) -> dict[str, Any] | None:
    """What lies apart from the entry: still there or erased; None where nothing ever did."""
    said = document.get("payload")
    if not isinstance(said, dict):
        return None
    named, size, kind = said.get("commitment"), said.get("size"), said.get("type")
    if not isinstance(named, str) or type(size) is not int or not isinstance(kind, str):
        return None
    kept = Payload.objects.filter(idx=found.idx).first()
    facts = {
        "commitment": storable(named),
        "size": size,
        "type": storable(kind),
        "is_erased": kept is None,
    }
    if kept is None:
        statements = _said_of_payloads()
        lost = uncovered([found.idx], statements)
        return {**facts, "lost": lost.text if lost else "", "pruned_by": pruned_by(found.idx, statements)}
    data = bytes(kept.data)
    is_text = kind.startswith(("text/", "application/json"))
    text = data.decode(errors="replace") if is_text else ""
    return {
        **facts,
        "edit": edit_in(data) if kind == EDIT_TYPE else None,
        "holds": commitment(bytes(kept.salt), data) == named,
        "text": text[:PAYLOAD_CHARS],
        "is_cut": len(text) > PAYLOAD_CHARS,
    }
