"""Where in much output a secret may be at all, by one look with RE2 at some hundred MB a second.

It lets through more than there is, and nothing less: a secret is matched with whatever may stand between its
characters (colours, strings, line ends), so that a Masker has to look only at what the sieve names. The server's
imports use it; where RE2's wheel is missing, a Masker looks at everything.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sessions_app.terminal.byte_patterns import HAS_RE2, PatternError, compile_pattern
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.rules import Rule
from sessions_app.terminal.masking.view import WITHIN_WORDS

#: So many characters of a body that has to be there tell it from ordinary text.
_BODY: Final = 16
# What a line that is broken at the margin has between its halves; and what an editor of lines writes there.
_BETWEEN: Final = b"(?:%b|[\r\n]| \r)*" % WITHIN_WORDS
_MAX_MEMORY: Final = 64 * 1024 * 1024


class Sieve:
    """For the rules of one detector."""

    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled

    @classmethod
    def make(cls, detector: Detector) -> "Sieve | None":
        """None where there is no RE2, nothing to be found, or more to be found than rules say."""
        if not HAS_RE2 or detector.has_known_values or not detector.rules:
            return None
        try:
            return cls(compile_pattern(_expression(detector.rules), _MAX_MEMORY))
        except PatternError:
            # Rules of one's own may be too many or too long for it.
            return None

    def candidates(self, output: bytes, block: int) -> Iterator[tuple[int, int]]:
        """Where a secret may begin, and where enough of it is there to say so, in order: the first that begins in each
        block of so many bytes. Others of a block would say nothing new, and of hostile output there are very many.
        """
        start = 0
        while (met := self._compiled.search(output, start)) is not None:
            yield met.span()
            start = (met.start() // block + 1) * block


def _expression(rules: Iterable[Rule]) -> bytes:
    prefixes: dict[bytes, list[bytes]] = {}
    for rule in rules:
        prefixes.setdefault(_behind_prefix(rule), []).extend(rule.prefixes)
    return b"|".join(
        b"(?:%b)%b" % (b"|".join(_BETWEEN.join(map(_one, prefix)) for prefix in some), rest)
        for rest, some in prefixes.items()
    )


def _behind_prefix(rule: Rule) -> bytes:
    """The first characters that have to follow, or all where the last of them decides."""
    expression = b""
    needed = 0
    for part in (*rule.gap, *rule.body, *rule.behind):
        least = min(part.least, _BODY - needed) if needed < _BODY else min(part.least, 1)
        one = b"(?:%b[%b])" % (_BETWEEN, b"".join(map(_one, part.alphabet)))
        expression += b"%b{%d}" % (one, least) if least else b""
        needed += least
        if needed >= _BODY and not rule.behind:
            break
        expression += one + b"*" if part.most > least else b""
    return expression


def _one(byte: int) -> bytes:
    return b"\\x%02x" % byte
