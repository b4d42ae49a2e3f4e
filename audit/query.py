"""What is asked of the log, as it is typed: `actor:ada action:checkpoint.* -decision:allow before:2026-11-01 words`.

Pure. The same text stands in the box, in the address, in saved views and in the entry that records an export.
What cannot be understood is refused with the reason, never left out: a filter that quietly shows more than was
asked for hides what was looked for.
"""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self

from dashboard.lib.errors import BadRequest

MAX_CHARS: Final = 600
MAX_TERMS: Final = 30
DAY_MS: Final = 86_400_000
_HIGHEST: Final = 2**62

#: Each qualifier with what it means, as the box explains them.
QUALIFIERS: Final[dict[str, str]] = {
    "actor": "who did it, by name; ada or ad*",
    "action": "what was done; session.exported or session.*",
    "decision": "what was decided; deny",
    "target": "what it was done to: its kind, its id, or a part of its name",
    "project": "in sessions of this project",
    "session": "in this session, by id",
    "run": "in this run, by id",
    "before": "earlier than this time; 2026-11-01 or 2026-11-01T14:00",
    "after": "at this time or later",
    "idx": "by number; 41 or 40-60",
}
# One or another of a person's own words, or of what is quoted; a quote inside is doubled.
_PIECE: Final = re.compile(r'\s*(-?)(?:([A-Za-z_]+):)?(?:"((?:[^"]|"")*)"|(\S+))')
_PLAIN: Final = re.compile(r'[^\s"]+')
# Where a * at the end, outside of quotes, stands for whatever follows.
_WITH_PATTERNS: Final = frozenset({"actor", "action"})


@dataclass(frozen=True, slots=True)
class Term:
    """`name` is one of QUALIFIERS, or "" for free text."""

    name: str
    value: str
    negated: bool = False
    # Its * is one of the name itself, not a pattern: it was quoted.
    is_literal: bool = False

    @classmethod
    def exactly(cls, name: str, value: str) -> Self:
        """Asking for this value as it is, whatever it holds."""
        return cls(name, value, is_literal=name in _WITH_PATTERNS and "*" in value)

    def __str__(self) -> str:
        is_plain = (
            not self.is_literal
            and _PLAIN.fullmatch(self.value)
            and (self.name or not _looks_qualified(self.value))
        )
        value = self.value if is_plain else '"' + self.value.replace('"', '""') + '"'
        return f"{'-' if self.negated else ''}{self.name + ':' if self.name else ''}{value}"

    @property
    def beginning(self) -> str | None:
        """What a value has to begin with, where that is asked for; None where it has to be the same."""
        is_pattern = self.name in _WITH_PATTERNS and not self.is_literal and self.value.endswith("*")
        return self.value[:-1] if is_pattern else None

    @property
    def numbers(self) -> tuple[int, int]:
        """Of `idx`: the first and the last index."""
        first, _, last = self.value.partition("-")
        return int(first), int(last or first)

    @property
    def moment_ms(self) -> int:
        """Of `before` and `after`."""
        found = _moment(self.value)
        if found is None:
            raise ValueError(f"{self} says no time")
        return found


@dataclass(frozen=True, slots=True)
class Query:
    """Terms in the order in which they were typed. Those of one name that are not negated are alternatives."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(map(str, self.terms))

    def __bool__(self) -> bool:
        return bool(self.terms)

    def named(self, name: str) -> list[Term]:
        return [term for term in self.terms if term.name == name]

    def chosen(self, name: str) -> list[str]:
        """The values that are asked for under this name."""
        return [term.value for term in self.named(name) if not term.negated]

    def without(self, name: str) -> Self:
        return replace(self, terms=tuple(term for term in self.terms if term.name != name))

    def less(self, gone: Term) -> Self:
        return replace(self, terms=tuple(term for term in self.terms if term is not gone))

    def with_only(self, term: Term) -> Self:
        """Asking for this instead of whatever was asked for under its name."""
        return replace(self, terms=(*self.without(term.name).terms, term))


def parse(text: str) -> Query:
    """Raises BadRequest for what is no query; the message says which part and why."""
    if len(text) > MAX_CHARS or "\x00" in text:
        raise BadRequest(f"A query has at most {MAX_CHARS} characters.")
    terms, at = [], 0
    text = text.rstrip()
    while at < len(text):
        found = _PIECE.match(text, at)
        if found is None or _is_cut(text, found):
            raise BadRequest(f"This part of the query cannot be read: {text[at:].strip()[:60]}")
        terms.append(_term(found))
        at = found.end()
    if len(terms) > MAX_TERMS:
        raise BadRequest(f"A query has at most {MAX_TERMS} parts.")
    return Query(tuple(terms))


def _is_cut(text: str, found: re.Match[str]) -> bool:
    """A quote that is not closed, or something that follows one without a space."""
    plain = found[4]
    follows = text[found.end() : found.end() + 1]
    return (plain is not None and '"' in plain) or bool(follows and not follows.isspace())


def _term(found: re.Match[str]) -> Term:
    sign, name, quoted, plain = found.groups()
    value = plain if quoted is None else quoted.replace('""', '"')
    if name is None:
        if not value.strip():
            raise BadRequest("Between the quotes stands nothing to look for.")
        if quoted is None and value.endswith(":") and value[:-1] in QUALIFIERS:
            raise BadRequest(f"{value} needs a value: {value}{_example(value[:-1])}")
        return Term("", value, negated=bool(sign))
    name = name.lower()
    if name not in QUALIFIERS:
        raise BadRequest(
            f"There is no qualifier {name}: here. There are {', '.join(f'{known}:' for known in QUALIFIERS)}."
            f' To look for the text itself, put it in quotes: "{name}:{value}"'
        )
    if quoted is not None and name in _WITH_PATTERNS:
        return replace(Term.exactly(name, value), negated=bool(sign))
    if check := _CHECKS.get(name):
        value = check(value)
    if sign and name in {"before", "after"}:
        raise BadRequest(f"-{name}: is written {'after' if name == 'before' else 'before'}:")
    return Term(name, value, negated=bool(sign))


def _example(name: str) -> str:
    return {"before": "2026-11-01", "after": "2026-11-01", "idx": "41", "action": "session.*"}.get(name, "…")


def _looks_qualified(value: str) -> bool:
    return value.startswith("-") or bool(re.match(r"[A-Za-z_]+:", value))


def _identifier(value: str) -> str:
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise BadRequest(f"{value[:60]} is no id of a session or run.") from error


def _indices(value: str) -> str:
    found = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", value, re.ASCII)
    if found is None or int(found[2] or found[1]) < int(found[1]) or int(found[2] or found[1]) > _HIGHEST:
        raise BadRequest(f"idx:{value[:40]} is no number of an entry, nor a span such as idx:40-60.")
    return value


def _time(value: str) -> str:
    if _moment(value) is None:
        raise BadRequest(f"{value[:40]} is no time: write 2026-11-01, or 2026-11-01T14:00 in UTC.")
    return value


def _moment(value: str) -> int | None:
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        return None


def _pattern(value: str) -> str:
    if "*" in value[:-1]:
        raise BadRequest(f"In {value[:60]} the * can only stand at the end. In quotes it is plain.")
    return value


_CHECKS: Final[dict[str, Callable[[str], str]]] = {
    "session": _identifier,
    "run": _identifier,
    "before": _time,
    "after": _time,
    "idx": _indices,
    "action": _pattern,
    "actor": _pattern,
}
