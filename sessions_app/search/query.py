"""What a person types into the search box, read into a Query."""

import re
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

from dashboard.lib.errors import BadRequest
from sessions_app.lookup import whole_id
from sessions_app.models import SearchKind
from sessions_app.search.index import Term
from sessions_app.search.words import words_of

MAX_QUERY_CHARS = 500
MAX_TERMS = 20
# A shorter beginning matches half of the index.
MIN_PREFIX_CHARS = 3

_PIECE = re.compile(r'(?:(\w+):)?(?:"([^"]*)"?|(\S+))')
QUALIFIERS = {
    "kind": "message, tool, terminal or session",
    "agent": "the program that wrote the history, such as codex",
    "project": "a part of the project's folder",
    "session": "a session's id, its beginning or end",
    "after": "a day, such as 2026-02-23",
    "before": "a day, such as 2026-02-23",
}
_KINDS = {
    "message": SearchKind.MESSAGE,
    "tool": SearchKind.TOOL_CALL,
    "terminal": SearchKind.TERMINAL,
    "session": SearchKind.SESSION,
}


@dataclass(frozen=True)
class Query:
    """Every term and every phrase must occur; the rest narrows where."""

    text: str = ""
    # Of the text what is looked for, as it was typed, without what narrows it.
    words: tuple[str, ...] = ()
    terms: tuple[Term, ...] = ()
    phrases: tuple[str, ...] = ()
    kind: SearchKind | None = None
    agent: str = ""
    project: str = ""
    # As it was typed; `session_id` is known at once only for a whole id, else `find` looks it up.
    session: str = ""
    session_id: uuid.UUID | None = None
    after_ms: int | None = None
    before_ms: int | None = None

    @property
    def is_empty(self) -> bool:
        return not self.terms


@dataclass
class _Reading:
    terms: list[Term] = field(default_factory=list)
    phrases: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)


def parse(text: str) -> Query:
    """Words, "phrases", beginnings written word*, and qualifiers such as kind:tool or after:2026-02-01.

    The last word counts as a beginning, as it may still be typed. Raises BadRequest when a qualifier's
    value cannot be read.
    """
    if len(text) > MAX_QUERY_CHARS:
        raise BadRequest(f"The search is longer than {MAX_QUERY_CHARS} characters.")
    query, reading = Query(text=text.strip()), _Reading()
    pieces = list(_PIECE.finditer(text))
    for position, piece in enumerate(pieces):
        qualifier, phrase, word = piece.groups()
        value = phrase if phrase is not None else word
        if qualifier in QUALIFIERS:
            query = _qualified(query, qualifier, value)
            continue
        reading.words.append(value if qualifier is None else piece.group(0))
        if phrase is not None and qualifier is None:
            _add_phrase(reading, phrase)
        else:
            _add_word(reading, piece.group(0), is_last=position == len(pieces) - 1)
    if len(reading.terms) > MAX_TERMS:
        raise BadRequest(f"The search has more than {MAX_TERMS} words.")
    return replace(
        query,
        words=tuple(reading.words),
        terms=tuple(dict.fromkeys(reading.terms)),
        phrases=tuple(reading.phrases),
    )


def _add_phrase(reading: _Reading, phrase: str) -> None:
    words = words_of(phrase)
    reading.terms += [Term(word) for word in words]
    if words and phrase.strip().lower() != words[0]:
        reading.phrases.append(phrase.strip())


def _add_word(reading: _Reading, word: str, *, is_last: bool) -> None:
    asked = word.endswith("*")
    words = words_of(word)
    for position, part in enumerate(words):
        ends = position == len(words) - 1
        reading.terms.append(Term(part, ends and (asked or is_last) and len(part) >= MIN_PREFIX_CHARS))
    # A path or an address is several words that must stand together.
    if len(words) > 1:
        reading.phrases.append(word.rstrip("*"))


def _qualified(query: Query, name: str, value: str) -> Query:
    if name == "kind":
        if value not in _KINDS:
            raise BadRequest(f"kind: is {QUALIFIERS['kind']}, not {value!r}.")
        return replace(query, kind=_KINDS[value])
    if name == "session":
        if not value.strip():
            raise BadRequest(f"session: is {QUALIFIERS['session']}.")
        return replace(query, session=value, session_id=whole_id(value))
    if name == "after":
        return replace(query, after_ms=_day_ms(name, value) + 86_400_000)
    if name == "before":
        return replace(query, before_ms=_day_ms(name, value))
    return replace(query, agent=value) if name == "agent" else replace(query, project=value)


def _day_ms(name: str, value: str) -> int:
    try:
        day = date.fromisoformat(value)
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return int((midnight - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1))
    except ValueError as error:
        raise BadRequest(f"{name}: is {QUALIFIERS[name]}, not {value!r}.") from error
