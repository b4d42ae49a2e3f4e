r"""What a secret looks like: public beginning, then a body that is masked.

A rule is written as a small part of regular expressions, so that it can be matched in linear time and in
pieces: literal characters (`\` before a special one), sets such as `[A-Za-z0-9_-]`, each with `{n}`,
`{n,m}`, `{n,}`, `+`, `?` or `*` behind it, and one pair of round brackets around the body. Without brackets
the body is everything behind the literal characters at the beginning. A set takes as much as it can and never gives any
back: `[a-z]{3,}x` matches nothing, since the set takes the x as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

#: A body is not looked at any further than this; what goes on behind it is masked as it comes.
MAX_BODY = 16_384
_MIN_PREFIX = 3
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_COUNT = re.compile(r"\{(\d{1,5})(?:(,)(\d{1,5})?)?\}")
_QUANTIFIERS = {"+": (1, MAX_BODY), "?": (0, 1), "*": (0, MAX_BODY)}
_SPECIAL = frozenset("[](){}+*?|.^$\\")


class RuleError(ValueError):
    """The text is no rule; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """`least` to `most` of the bytes in `alphabet`, which is sorted."""

    alphabet: bytes
    least: int
    most: int

    def end_of_run(self, text: bytes, position: int) -> int:
        """Where the longest run from `position` on ends."""
        met = _run(self.alphabet, self.most).match(text, position)
        return met.end() if met else position


@cache
def _run(alphabet: bytes, most: int) -> re.Pattern[bytes]:
    """Made when it is first needed: a recorder has to start at once."""
    return re.compile(b"[%b]{0,%d}+" % (b"".join(b"\\x%02x" % byte for byte in alphabet), most))


@dataclass(frozen=True, slots=True)
class Found:
    """The body of a secret is `text[start:end]`. It may go on behind the end of the text while `is_open`.

    Without a body yet (`start` is None) the text may only become a secret.
    """

    start: int | None
    end: int
    is_open: bool
    is_complete: bool


@dataclass(frozen=True)
class Rule:
    """One kind of secret. `prefixes`, `gap` and what must stand `behind` are public, `body` is masked.

    `is_bounded`: no letter or digit stands before it. The public beginning is evidence enough, so a body of
    which the end is not known yet is masked rather than shown, unless all there is of it matches `weak_body`.
    """

    name: str
    prefixes: tuple[bytes, ...]
    gap: tuple[Part, ...]
    body: tuple[Part, ...]
    behind: tuple[Part, ...] = ()
    is_bounded: bool = False
    weak_body: re.Pattern[bytes] | None = None

    @cached_property
    def alphabet(self) -> bytes:
        """Every byte that a body may have."""
        return bytes(sorted({byte for part in self.body for byte in part.alphabet}))

    @cached_property
    def most(self) -> int:
        """How long a body can be."""
        return sum(part.most for part in self.body)

    def is_weak(self, text: bytes, start: int) -> bool:
        """Whether a body that begins at `start` and may go on behind the text says too little so far."""
        return self.weak_body is not None and self.weak_body.fullmatch(text, start) is not None

    def end_of_body(self, text: bytes, position: int) -> int:
        """Where a body ends that goes on at `position`."""
        return Part(self.alphabet, 0, MAX_BODY).end_of_run(text, position)

    def match(self, text: bytes, position: int) -> Found | None:
        """What stands behind a prefix that ends at `position`; None when it is no such secret."""
        _, start, is_open = _take(self.gap, text, position)
        if start is None:
            return Found(None, len(text), is_open=True, is_complete=False) if is_open else None
        complete, end, is_open = _take(self.body, text, start)
        if end is None or (is_open and not self.behind):
            return Found(start, len(text), is_open=True, is_complete=complete) if is_open else None
        _, behind, is_open = _take(self.behind, text, end)
        if behind is None:
            return Found(start, len(text), is_open=True, is_complete=False) if is_open else None
        return Found(start, end, is_open=False, is_complete=True)


def _take(parts: tuple[Part, ...], text: bytes, position: int) -> tuple[bool, int | None, bool]:
    """Whether all parts are there, where they end (None: they are not, or not yet), and whether more text
    might go on with them."""
    for index, part in enumerate(parts):
        end = part.end_of_run(text, position)
        enough = end - position >= part.least
        if end == len(text) and end - position < part.most:
            complete = enough and all(rest.least == 0 for rest in parts[index + 1 :])
            return complete, end if complete else None, True
        if not enough:
            return False, None, False
        position = end
    return True, position, False


def parse_rule(
    name: str, *texts: str, is_bounded: bool = False, weak_body: re.Pattern[bytes] | None = None
) -> Rule:
    """A rule of one or several texts that differ in nothing but their beginnings. Raises RuleError."""
    if not _NAME.fullmatch(name):
        raise RuleError(f"{name!r} is no name for a rule: small letters, digits and hyphens, at most 40")
    parsed = [_parse(text) for text in texts]
    gap, body, behind = parsed[0][1:]
    if any(other[1:] != (gap, body, behind) for other in parsed):
        raise RuleError(f"the texts of {name} differ in more than their beginnings")
    prefixes = tuple(sorted({prefix for prefix, *_ in parsed}))
    return Rule(name, prefixes, gap, body, behind, is_bounded, weak_body)


type _Parts = tuple[Part, ...]


def _parse(text: str) -> tuple[bytes, _Parts, _Parts, _Parts]:
    """Prefix, gap, body, and what must stand behind."""
    groups: list[list[Part]] = [[]]
    for token in _tokens(text):
        if token in {"(", ")"}:
            groups.append([])
        elif isinstance(token, Part):
            groups[-1].append(token)
    if len(groups) not in (1, 3):
        raise RuleError(f"{text!r} has more than one pair of brackets, or half of one")
    public = groups[0]
    literal = 0
    while literal < len(public) and _is_literal(public[literal]):
        literal += 1
    prefix = b"".join(part.alphabet for part in public[:literal])
    if len(prefix) < _MIN_PREFIX:
        raise RuleError(f"{text!r} does not begin with {_MIN_PREFIX} literal characters or more")
    gap, body, behind = (public[literal:], *groups[1:]) if len(groups) == 3 else ([], public[literal:], [])
    if not any(part.least for part in body):
        raise RuleError(f"{text!r} masks nothing: a set such as [A-Za-z0-9]{{20,}} is missing")
    return prefix, tuple(gap), tuple(body), tuple(behind)


def _is_literal(part: Part) -> bool:
    return len(part.alphabet) == 1 and part.least == part.most == 1


def _tokens(text: str) -> Iterator[Part | str]:
    """Parts and brackets in their order. Raises RuleError."""
    if not text.isascii() or not text.isprintable():
        raise RuleError(f"{text!r} holds more than printable ASCII")
    position = 0
    while position < len(text):
        character = text[position]
        if character in "()":
            yield character
            position += 1
            continue
        alphabet, position = _set(text, position)
        least, most, position = _count(text, position)
        yield Part(alphabet, least, most)


def _set(text: str, position: int) -> tuple[bytes, int]:
    character = text[position]
    if character == "\\" and position + 1 < len(text):
        return text[position + 1].encode(), position + 2
    if character == "[":
        end = position + 2
        while end < len(text) and text[end] != "]":
            end += 2 if text[end] == "\\" else 1
        if end >= len(text):
            raise RuleError(f"the set {text[position:]!r} has no end")
        return _members(text[position : end + 1]), end + 1
    if character in _SPECIAL:
        raise RuleError(
            f"{character!r} at {position + 1} of {text!r} is not possible in a rule: write \\{character} for itself"
        )
    return character.encode(), position + 1


@cache
def _members(text: str) -> bytes:
    """The characters of a set. Raises RuleError."""
    try:
        pattern = re.compile(text.encode())
    except re.error as error:
        raise RuleError(f"the set {text!r} cannot be read: {error}") from None
    return bytes(byte for byte in range(128) if pattern.fullmatch(bytes([byte])))


def _count(text: str, position: int) -> tuple[int, int, int]:
    """Least, most, and where to go on."""
    if text[position : position + 1] in {"+", "?", "*"}:
        least, most = _QUANTIFIERS[text[position]]
        return least, most, position + 1
    counted = _COUNT.match(text, position)
    if counted is None:
        return 1, 1, position
    least = int(counted[1])
    most = least if not counted[2] else int(counted[3]) if counted[3] else MAX_BODY
    if not least <= most <= MAX_BODY or most == 0:
        raise RuleError(f"{counted[0]} is not from a smaller number to a larger one of at most {MAX_BODY}")
    return least, most, counted.end()
