"""Secrets that were made up: one of each kind, in every way in which a terminal may show it."""

import itertools
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.known import KnownValue
from sessions_app.terminal.masking.masker import Masker
from sessions_app.terminal.masking.rules import Part, Rule

KEY = b"a key for tests"
WIDTH = 80


@dataclass(frozen=True)
class Secret:
    """`public` may be seen, `body` must not."""

    rule: str
    public: bytes
    body: bytes
    behind: bytes = b""

    @property
    def whole(self) -> bytes:
        return self.public + self.body + self.behind


def _some_of(part: Part, chooser: random.Random) -> bytes:
    likely = bytes(byte for byte in part.alphabet if chr(byte) in string.ascii_letters + string.digits)
    length = min(part.most, max(part.least, 1 if part.least else 0))
    return bytes(chooser.choice(likely or part.alphabet) for _ in range(length))


def _secret(rule: Rule, prefix: bytes, chooser: random.Random) -> Secret:
    gap, body, behind = (
        b"".join(_some_of(part, chooser) for part in parts) for parts in (rule.gap, rule.body, rule.behind)
    )
    return Secret(rule.name, prefix + gap, body, behind)


def secret_of(rule: Rule, seed: int = 1) -> Secret:
    """One that the rule finds, with its first prefix."""
    if rule.name == "aws-secret-key":
        return Secret(rule.name, rule.prefixes[0] + b"=", _secret(rule, b"", random.Random(seed)).body)
    if rule.name == "url-password":
        return Secret(rule.name, b"postgres://app:", b"hunter2,Hunter3", b"@")
    if rule.name == "private-key":
        chooser = random.Random(seed)
        lines = [bytes(chooser.choice(b"ABCDEFGHabcdefgh01234567+/") for _ in range(64)) for _ in range(9)]
        public = _secret(rule, rule.prefixes[0], chooser).public
        return Secret(rule.name, public, b"\r\n" + b"\r\n".join(lines), b"\r\n-----END PRIVATE KEY-----")
    return _secret(rule, rule.prefixes[0], random.Random(seed))


SECRETS = [secret_of(rule) for rule in RULES]

KNOWN = KnownValue("DEPLOY_PASSWORD", 'tr0ub4dor&3 "caf\u00e9"/x+y')
DETECTOR = Detector(RULES, [KNOWN], key=KEY)


def as_it_is(secret: bytes) -> bytes:
    return secret


def coloured(secret: bytes) -> bytes:
    return b"\x1b[1;31m" + secret + b"\x1b[0m"


def found_by_grep(secret: bytes) -> bytes:
    return b"\x1b[01;31m\x1b[K" + secret[:3] + b"\x1b[m\x1b[K" + secret[3:]


def colour_at_each_character(secret: bytes) -> bytes:
    return b"".join(b"\x1b[38;5;%dm%c" % (number, byte) for number, byte in enumerate(secret)) + b"\x1b[0m"


def drawn_anew(secret: bytes) -> bytes:
    """As a shell does that colours while one types."""
    return b"".join(
        (b"\b\x1b[4m%c" % before if before is not None else b"") + b"%c" % byte
        for before, byte in itertools.pairwise([None, *secret])
        if byte is not None
    )


def in_a_title(secret: bytes) -> bytes:
    return b"\x1b]0;running " + secret + b"\x07"


def in_a_link(secret: bytes) -> bytes:
    return b"\x1b]8;;https://example.net/?key=" + secret + b"\x1b\\a link\x1b]8;;\x1b\\"


def in_a_command_string(secret: bytes) -> bytes:
    return b"\x1b_Gkey=" + secret + b"\x1b\\"


WAYS: list[Callable[[bytes], bytes]] = [
    as_it_is,
    coloured,
    found_by_grep,
    colour_at_each_character,
    drawn_anew,
    in_a_title,
    in_a_link,
    in_a_command_string,
]


def broken_at_margin(before: int, secret: bytes) -> bytes:
    """Drawn by a program that breaks its lines itself, behind `before` other characters of the line."""
    text = b"." * before + secret
    return b"\r\n".join(text[start : start + WIDTH] for start in range(0, len(text), WIDTH))


def masked(
    data: bytes,
    pieces: Iterator[int] | None = None,
    *,
    detector: Detector = DETECTOR,
    width: int | None = None,
) -> tuple[bytes, dict[str, int]]:
    """What a masker gives out for `data`, in pieces of these sizes, and what it counted."""
    masker = Masker(detector, width=width)
    given = b""
    position = 0
    while position < len(data):
        size = next(pieces, len(data)) if pieces else len(data)
        given += masker.feed(data[position : position + size])
        position += size
    return given + masker.finish(), dict(masker.counts)
