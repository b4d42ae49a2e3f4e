"""Search inside one terminal, answered line by line while it goes on, and the moment that a hit of it opens."""

import asyncio
import json
import logging
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from dashboard.lib.errors import BadRequest, CorruptData
from dashboard.lib.streaming import in_steps
from sessions_app.access import READ
from sessions_app.actions.terminals.landing import first_shown
from sessions_app.actions.terminals.reading import DAMAGED
from sessions_app.actions.terminals.searching import Outcome, TerminalSearch
from sessions_app.models import Terminal
from sessions_app.search.turns import Turns
from sessions_app.sign_in import me, requires
from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.line_search import LineHit, Pattern, PatternError

logger = logging.getLogger(__name__)

# Of a longer line, what stands around the match.
MAX_LINE_CHARS = 1_000
_BEFORE_CHARS = 200
# A search that finds nothing is looked after this often: whoever went away must not keep it running.
_STEP_S = 0.05
_turns = Turns(of_all=6, of_each=2)
# Each draws screens for seconds at worst, in a thread of the requests; who finds none goes to the place in the list.
_landings = Turns(of_all=4, of_each=2)
# A search that was given up ends within a step.
_TURN_S = 3.0
_DAMAGED = f"It was not searched to its end. {DAMAGED}"
_NOT_ALL = f"Some of it could not be read. {DAMAGED}"
_BUSY = "Other searches are still running. Try again in a moment."


@require_safe
@requires(READ)
def search(request: HttpRequest, terminal_id: uuid.UUID) -> StreamingHttpResponse:
    """JSON lines: hits {offset, at_us, text, start, end, place}, oldest first; {done, hits, is_cut, searched, next}.

    `start` and `end` count characters of `text`; `place` names the hit in links; `from=next` goes on. The last line has
    a `note` where a part of it could not be read. A pattern that
    cannot be searched for is no error of the request but an `error` in the last line: a person is still typing it.
    """
    person = me(request)
    terminal = get_object_or_404(Terminal.objects.all().visible_to(person), pk=terminal_id)
    start = _number(request, "from")
    try:
        pattern = Pattern(request.GET.get("q", ""), is_regex=_is_regex(request))
        lines = _lines(TerminalSearch(terminal, pattern, start=start), person.pk)
    except PatternError as error:
        lines = _only(_last(Outcome(0, False, 0.0), str(error)))
    response = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    response["Cache-Control"] = "no-store"
    return response


@require_safe
@requires(READ)
def moment(request: HttpRequest, terminal_id: uuid.UUID) -> HttpResponse:
    """{offset, at_us}: where the line of a hit begins to stand on the screen; 204 where that is not found.

    The hit is given as it was answered: `offset`, `text`, `start` and `end`.
    """
    terminal = get_object_or_404(Terminal.objects.all().visible_to(me(request)), pk=terminal_id)
    text = request.GET.get("text", "")
    if len(text) > MAX_LINE_CHARS:
        raise BadRequest(f"'text' is longer than {MAX_LINE_CHARS} characters.")
    line = Line(_number(request, "offset"), 0, text)
    hit = LineHit(line, _number(request, "start"), _number(request, "end"))
    found = None
    person_id = me(request).pk
    if _landings.take(person_id):
        try:
            found = first_shown(terminal, hit)
        except CorruptData as error:
            logger.warning("terminal search: %s", error)
        finally:
            _landings.give_back(person_id)
    response: HttpResponse = HttpResponse(status=204)
    if found is not None:
        response = JsonResponse({"offset": found.offset, "at_us": found.time_us})
    response["Cache-Control"] = "no-store"
    return response


async def _lines(search: TerminalSearch, person_id: uuid.UUID) -> AsyncIterator[bytes]:
    if not await _has_turn(person_id):
        yield _last(Outcome(0, False, 0.0), _BUSY)
        return
    batches = search.batches()
    try:
        async with aclosing(in_steps(lambda: _step(batches))) as steps:
            async for found in steps:
                if found:
                    yield b"".join(map(_line, found))
        if search.outcome.damaged:
            logger.warning("terminal search: some of what is stored of %s is damaged", search.terminal_id)
        yield _last(search.outcome)
    except CorruptData as error:
        logger.warning("terminal search: %s", error)
        yield _last(Outcome(0, False, 0.0), _DAMAGED)
    finally:
        _turns.give_back(person_id)


async def _only(line: bytes) -> AsyncIterator[bytes]:
    yield line


async def _has_turn(person_id: uuid.UUID) -> bool:
    until = time.monotonic() + _TURN_S
    while not _turns.take(person_id):
        if time.monotonic() > until:
            return False
        await asyncio.sleep(_STEP_S)
    return True


def _step(batches: Iterator[list[LineHit]]) -> list[LineHit] | None:
    """The next hits, or none of them so far; None at the end."""
    until = time.monotonic() + _STEP_S
    for found in batches:
        if found or time.monotonic() > until:
            return found
    return None


def _line(hit: LineHit) -> bytes:
    first = max(0, hit.start - _BEFORE_CHARS) if len(hit.line.text) > MAX_LINE_CHARS else 0
    text = hit.line.text[first : first + MAX_LINE_CHARS]
    return _json_line(
        {
            "offset": hit.line.offset,
            "at_us": hit.line.time_us,
            "text": text,
            "start": hit.start - first,
            "end": min(hit.end - first, len(text)),
            "place": hit.place,
        }
    )


def _last(outcome: Outcome, error: str = "") -> bytes:
    last: dict[str, Any] = {
        "done": True,
        "hits": outcome.hits,
        "is_cut": outcome.is_cut,
        "searched": round(outcome.searched, 4),
        "next": outcome.next,
    }
    if outcome.damaged:
        last["note"] = _NOT_ALL
    return _json_line({**last, "error": error} if error else last)


def _json_line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _is_regex(request: HttpRequest) -> bool:
    regex = request.GET.get("regex", "0")
    if regex not in ("0", "1"):
        raise BadRequest("'regex' is 0 or 1.")
    return regex == "1"


def _number(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise BadRequest(f"{name!r} must be a number.")
    return int(text)
