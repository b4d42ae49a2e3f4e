"""Finds secrets in text of which the end may still be missing."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from sessions_app.terminal.masking.known import KnownValue, spellings
from sessions_app.terminal.masking.marks import tag_of
from sessions_app.terminal.masking.rules import Rule

#: What stands for known values where rules are counted.
KNOWN = "known-value"

#: Prefixes that end in one of these are looked for by it, together with as many characters as their bodies have.
_LEAST_BODY = 16
_JOINTS = {
    joint[0]: (
        re.compile(rb"%b(?=[%b]{%d})" % (re.escape(joint), members, _LEAST_BODY)),
        re.compile(rb"[%b]*+" % members),
    )
    for joint, members in ((b"_", b"A-Za-z0-9+/="), (b"-", b"A-Za-z0-9_-"), (b".", b"A-Za-z0-9_-"))
}
#: The others are looked for by so much of them, as several have the same beginning.
_STEM = 6
#: A letter or digit right before: it is part of a longer word, unless it ends an escape such as \n or %3D.
_WITHIN_WORD = re.compile(rb"(?<=[A-Za-z0-9])(?<!\\[nrt])(?<!%[0-9A-Fa-f][0-9A-Fa-f])")
#: So many characters of a known value are no accident any more, nor is half of a shorter one.
_FIRM_CHARS = 4
_GRAM = 4
_STRIDE = 16
#: A spelling of this length holds a whole gram at a multiple of the stride, wherever it stands.
_LEAST_FOR_GRAMS = _STRIDE + _GRAM - 1
_END_GRAM = 8


@dataclass(frozen=True, slots=True)
class Match:
    """A secret: text[start:end] is masked, and known to be one from `origin` on. `label` and `tag` are shown,
    `rule` is counted."""

    origin: int
    start: int
    end: int
    rule: str
    label: str
    tag: str


@dataclass(frozen=True, slots=True)
class Open:
    """From `start` on the text may be the beginning of a secret; `firm` when that is more than likely.

    `body` is where begins what must not be seen, as far as it goes; `rule` is None for a known value.
    """

    start: int
    firm: bool
    rule: Rule | None = None
    body: int | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found: secrets in their order, and what may become some; false when there is nothing."""

    matches: Sequence[Match] = ()
    opened: Sequence[Open] = ()

    def __bool__(self) -> bool:
        return bool(self.matches or self.opened)


_NOTHING = Scan()


class Detector:
    """Knows what to look for. Holds the known values in memory, so it is not shown or pickled."""

    def __init__(self, rules: Iterable[Rule], known: Iterable[KnownValue] = (), *, key: bytes) -> None:
        self._key = key
        self.rules = tuple(rules)
        self._rules: dict[bytes, list[Rule]] = {}
        for rule in self.rules:
            for prefix in rule.prefixes:
                self._rules.setdefault(prefix, []).append(rule)
        by_joint: dict[int, list[bytes]] = {joint: [] for joint in _JOINTS}
        self._by_stem: dict[bytes, list[bytes]] = {}
        for prefix, of_prefix in self._rules.items():
            if prefix[-1] in _JOINTS and all(_fits_joint(rule, prefix[-1]) for rule in of_prefix):
                by_joint[prefix[-1]].append(prefix)
            else:
                self._by_stem.setdefault(prefix[:_STEM], []).append(prefix)
        self._by_joint = [(_JOINTS[joint][0], tuple(found)) for joint, found in by_joint.items() if found]
        self._stems = _searches(self._by_stem)
        self._longest_prefix = max(map(len, self._rules), default=0)
        self._near_end = re.compile(
            b"|".join(map(re.escape, sorted(self._rules, key=len, reverse=True))) or rb"(?!)"
        )
        self._learn(known)
        self._partial = {prefix[:length] for prefix in self._rules for length in range(1, len(prefix))}

    def _learn(self, known: Iterable[KnownValue]) -> None:
        self._spellings: dict[bytes, KnownValue] = {}
        for value in known:
            for spelling in spellings(value):
                self._spellings.setdefault(spelling, value)
        self._short = [spelling for spelling in self._spellings if len(spelling) < _LEAST_FOR_GRAMS]
        self._long = [spelling for spelling in self._spellings if len(spelling) >= _LEAST_FOR_GRAMS]
        self._grams = {
            int.from_bytes(spelling[at : at + _GRAM], sys.byteorder)
            for spelling in self._long
            for at in range(_STRIDE)
        }
        self._end_grams = {
            spelling[at : at + _END_GRAM]
            for spelling in self._spellings
            for at in range(len(spelling) - _END_GRAM)
        }
        self._known_partial = {
            spelling[:length] for spelling in self._spellings for length in range(1, len(spelling))
        }
        self._firm_partial = {
            spelling[:length]
            for spelling in self._spellings
            for length in range(len(spelling) // 2, min(_FIRM_CHARS, len(spelling)))
        }
        self._longest_spelling = max(map(len, self._spellings), default=0)

    @property
    def has_known_values(self) -> bool:
        """Whether it looks for more than its rules."""
        return bool(self._spellings)

    def scan(self, text: bytes, begin: int) -> Scan:
        """What lies in `text` from `begin` on; what comes before is there to see where words begin."""
        matches: list[Match] = []
        opened: list[Open] = []
        covered = begin
        for start, end, rule in sorted(self._candidates(text, begin), key=lambda found: found[:2]):
            if start < covered or (rule.is_bounded and _WITHIN_WORD.match(text, start)):
                continue
            found = rule.match(text, end)
            if found is None:
                continue
            if found.is_open:
                firm = found.start is not None and (found.is_complete or not rule.is_weak(text, found.start))
                opened.append(Open(start, firm, rule, found.start))
            if found.is_complete and found.start is not None:
                matches.append(self._match(text, start, found.start, found.end, rule))
                covered = found.end
        if self._spellings:
            matches += self._known_matches(text, begin)
        partial = list(self._partial_at_end(text, begin))
        # What may still become a longer prefix, such as sk- on its way to sk-proj-, has no body yet.
        longer = {one.start for one in partial if not one.firm}
        opened = [Open(one.start, firm=False) if one.start in longer else one for one in opened] + partial
        if not matches and not opened:
            return _NOTHING
        return Scan(_disjoint(matches), opened)

    def _candidates(self, text: bytes, begin: int) -> Iterator[tuple[int, int, Rule]]:
        """(start, end) of prefixes with their rules."""
        places: set[tuple[int, int]] = set()
        for joint, prefixes in self._by_joint:
            for met in joint.finditer(text, begin):
                end = met.end()
                if text.endswith(prefixes, max(begin, end - self._longest_prefix), end):
                    places.update(
                        (end - len(prefix), end) for prefix in prefixes if text.endswith(prefix, begin, end)
                    )
        for search in self._stems:
            for at, stem in search(text, begin):
                places.update(
                    (at, at + len(prefix)) for prefix in self._by_stem[stem] if text.startswith(prefix, at)
                )
        # Those near the end may have less of a body yet than the others are looked for by.
        tail = max(begin, len(text) - self._longest_prefix - _LEAST_BODY - 1)
        places.update(met.span() for met in self._near_end.finditer(text, tail))
        return ((start, end, rule) for start, end in places for rule in self._rules[text[start:end]])

    def _match(self, text: bytes, start: int, body: int, end: int, rule: Rule) -> Match:
        public = text[start:body]
        # A token's own beginning belongs to it, the name before a value does not.
        secret = text[body:end] if _NAMING.search(public) else text[start:end]
        return Match(start, body, end, rule.name, rule.name, tag_of(self._key, secret))

    def _known_matches(self, text: bytes, begin: int) -> Iterator[Match]:
        spelt = self._short
        if self._long and not self._grams.isdisjoint(_grams_of(text)):
            spelt = [*self._short, *self._long]
        for spelling in spelt:
            at = text.find(spelling, begin)
            while at >= 0:
                known = self._spellings[spelling]
                tag = tag_of(self._key, known.value.encode("utf-8", "surrogateescape"))
                yield Match(at, at, at + len(spelling), KNOWN, known.name, tag)
                at = text.find(spelling, at + len(spelling))

    def _partial_at_end(self, text: bytes, begin: int) -> Iterator[Open]:
        """The longest end of the text that begins a known value, and the longest that begins a prefix."""
        begun = self.beginning(text, begin)
        if begun:
            start = len(text) - len(begun)
            firm = len(begun) >= _FIRM_CHARS or begun in self._firm_partial
            yield Open(start, firm, None, start if firm else None)
        for length in range(min(self._longest_prefix - 1, len(text) - begin), 0, -1):
            if text[-length:] in self._partial:
                yield Open(len(text) - length, firm=False)
                break

    def beginning(self, text: bytes, begin: int = 0) -> bytes:
        """The longest end of text[begin:] with which a known value begins; empty when there is none."""
        most = self._longest_spelling if text[-_END_GRAM:] in self._end_grams else _END_GRAM
        for length in range(min(most, self._longest_spelling - 1, len(text) - begin), 0, -1):
            if text[-length:] in self._known_partial:
                return text[-length:]
        return b""

    def end_of_known(self, begun: bytes, text: bytes, start: int, least: int) -> int:
        """Where the text parts from all known values that may go on in text[start:] behind `begun`, which is
        what `beginning` said of the text before it. Up to `least` it is masked in any case."""
        begun = self.beginning(begun + text[start:least])
        end = least
        while begun and end < len(text):
            more = begun + text[end : end + 1]
            begun = self.beginning(more)
            if not begun and not more.endswith(tuple(self._spellings)):
                break
            end += 1
        return end

    def masked_body(self, text: bytes) -> Rule | None:
        """The rule by which the end of an earlier, masked text was masked while its body went on."""
        if not text.endswith((b"*", b"]")):
            return None
        for met in reversed(list(self._near_end.finditer(text))):
            for rule in self._rules[met[0]]:
                start = _behind_gap(rule, text, met.end())
                if start is not None and _is_masked(rule, text[start:]):
                    return rule
        return None


#: What a mark has beside letters and digits; a password may have some of it.
_OF_MARKS = b"*[]:"
_NAMING = re.compile(rb"[\s\"'=:/]")


type _Search = Callable[[bytes, int], Iterator[tuple[int, bytes]]]


def _searches(stems: Iterable[bytes]) -> list[_Search]:
    """Functions that find stems. Those with the same capital at their beginning are found by it, as it is rare."""
    by_capital: dict[int, list[bytes]] = {}
    searches: list[_Search] = []
    for stem in stems:
        if chr(stem[0]).isupper():
            by_capital.setdefault(stem[0], []).append(stem)
        else:
            searches.append(_search_of(stem))
    for capital, together in by_capital.items():
        rest = b"|".join(re.escape(stem[1:]) for stem in together)
        searches.append(_pattern_search_of(re.compile(b"%c(?:%b)" % (capital, rest))))
    return searches


def _search_of(stem: bytes) -> _Search:
    def search(text: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
        at = text.find(stem, begin)
        while at >= 0:
            yield at, stem
            at = text.find(stem, at + 1)

    return search


def _pattern_search_of(pattern: re.Pattern[bytes]) -> _Search:
    def search(text: bytes, begin: int) -> Iterator[tuple[int, bytes]]:
        for met in pattern.finditer(text, begin):
            yield met.start(), met[0]

    return search


def _fits_joint(rule: Rule, joint: int) -> bool:
    """Whether what stands directly behind the prefix is found by its joint."""
    needed = 0
    for part in chain(rule.gap, rule.body):
        if not _JOINTS[joint][1].fullmatch(part.alphabet):
            return False
        needed += part.least
        if needed >= _LEAST_BODY:
            return True
    return False


def _grams_of(text: bytes) -> memoryview:
    whole = len(text) - len(text) % _GRAM
    return memoryview(text)[:whole].cast("I")[:: _STRIDE // _GRAM]


def _disjoint(matches: list[Match]) -> list[Match]:
    """In order and without overlaps; what overlaps becomes one secret, called by its longest part."""
    joined: list[Match] = []
    for match in sorted(matches, key=lambda one: (one.start, -one.end)):
        if joined and match.start < joined[-1].end:
            before = joined[-1]
            longest = max(before, match, key=lambda one: one.end - one.start)
            end = max(before.end, match.end)
            origin = min(before.origin, match.origin)
            joined[-1] = Match(origin, before.start, end, longest.rule, longest.label, longest.tag)
        else:
            joined.append(match)
    return joined


def _behind_gap(rule: Rule, text: bytes, position: int) -> int | None:
    for part in rule.gap:
        end = part.end_of_run(text, position)
        if end - position < part.least:
            return None
        position = end
    return position


def _is_masked(rule: Rule, body: bytes) -> bool:
    """Whether `body` is masked to its end and may go on."""
    others = body.translate(None, rule.alphabet.translate(None, _OF_MARKS))
    return others.endswith((b"*", b"]")) and not others.strip(_OF_MARKS) and len(body) < rule.most
