"""Masks secrets in a stream of bytes, of which any number may come at a time.

What may be the beginning of a secret is held back until it is decided, and never more than MAX_HELD_BYTES.
Nothing is added or taken away: as many bytes go out as came in, and offsets stay what they are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from sessions_app.terminal.masking.detector import KNOWN, Detector, Match, Scan
from sessions_app.terminal.masking.joining import (
    MIN_WIDTH,
    JoinedText,
    join_full_lines,
    line_context,
)
from sessions_app.terminal.masking.marks import cover
from sessions_app.terminal.masking.rules import Rule
from sessions_app.terminal.masking.view import Reading, View, ends_in_text, read, read_plainly

MAX_HELD_BYTES = 16_384
#: What went out in a pause is looked at again with what follows, if it is no more than this.
_MAX_SENT_BYTES = 4_096
#: So much is looked at of what could be skipped, to know where words and lines begin that follow.
_LOOKED_AT_BYTES = 8_192


class Hold(IntEnum):
    """Why bytes are held back: none are; the next ones decide; it is a secret as far as one can tell."""

    NONE = 0
    WEAK = 1
    FIRM = 2


@dataclass(slots=True)
class _Lane:
    """One of the two texts: the end of what was given out, the rule of a secret that goes on in it, and what has
    begun of a known value and is not looked at again."""

    context: bytes = b""
    inside: Rule | None = None
    begun: bytes = b""

    @property
    def goes_on(self) -> bool:
        """Whether what comes next belongs to a secret that was masked before it was whole."""
        return self.inside is not None or bool(self.begun)


@dataclass(slots=True)
class _Sight:
    """A text with what was found in it. The first `begin` characters were given out before, and end with what has
    `begun` of a known value; up to `inside_end` a secret goes on that was masked before it was whole, by a rule up
    to `rule_end`."""

    lane: _Lane
    view: View
    #: The text as it is, and the one that was searched.
    text: bytes
    searched: bytes
    begin: int
    begun: bytes
    rule_end: int
    inside_end: int
    scan: Scan
    joined: JoinedText | None

    def raw_position(self, position: int) -> int:
        """Where a character of the searched text stands in the raw bytes."""
        before = self.joined.position_before(position) if self.joined else position
        return self.view.raw_position(before - self.begin)

    def raw_span(self, match: Match) -> tuple[int, int]:
        return self.raw_position(match.start), self.raw_position(match.end - 1) + 1

    def position_after(self, position: int) -> int:
        """Where a character of the text is in the searched one."""
        return self.joined.position_after(position) if self.joined else position

    def going_on(self, position: int, detector: Detector, *, for_good: bool) -> tuple[Rule | None, bytes]:
        """What goes on behind so many characters of the text, by a rule and of a known value. `for_good`: what is
        open there is not looked at again."""
        start, until = self.position_after(self.begin), self.position_after(position)
        rule = self.lane.inside if until <= self.rule_end else None
        if until > self.inside_end and not for_good:
            return rule, b""
        return rule, detector.beginning(self.begun + self.searched[start:until])

    def unfinished(self) -> Iterator[tuple[Rule | None, Match]]:
        """What has begun like a secret, as much as there is of it, with its rule; None for a known value."""
        end = len(self.searched)
        for opened in self.scan.opened:
            if opened.firm and opened.body is not None and opened.body < end:
                name = opened.rule.name if opened.rule else KNOWN
                yield opened.rule, Match(opened.body, opened.body, end, name, "", "")


class Masker:
    """Masks one stream.

    `feed` gives out what is decided, and `hold` says why the rest is held back. `release` gives out everything: what
    only might be a beginning, and of what has begun like a secret the body masked, which goes on to be. `finish`
    does so at the end, where what is not complete is no secret.

    What still may turn out to be none, a known value's beginning or a body of which the rule says what must stand
    behind, is looked at again with what follows. What was masked of it stays so.
    """

    def __init__(self, detector: Detector, *, width: int | None = None) -> None:
        """`width` in columns, when it is known: words that a program broke at the margin are then whole."""
        self.counts: Counter[str] = Counter()
        self.hold = Hold.NONE
        self._detector = detector
        self._drawn = _Lane()
        self._redrawn = _Lane()
        self._strings = _Lane()
        self._in_string = False
        # What was held back, of which the first `_sent` bytes went out in a pause all the same and the last
        # `_unseen` were not looked at yet.
        self._raw = b""
        self._sent = 0
        self._unseen = 0
        # Where in the raw bytes begins what was counted and is looked at again.
        self._counted: set[int] = set()
        self._width = _width_of(width)

    @property
    def held(self) -> int:
        """How many bytes are still to be given out."""
        return len(self._raw) - self._sent

    def set_width(self, width: int | None) -> bytes:
        """Lines are so wide from here on. Everything that is held is given out, as it was drawn in the old width."""
        if _width_of(width) == self._width:
            return b""
        given = self._give_out(for_good=True)
        self._width = _width_of(width)
        return given

    def feed(self, data: bytes) -> bytes:
        """What can be given out after `data`."""
        if self.hold is Hold.FIRM and self._unseen + len(data) < len(self._raw) // 4:
            # It is held in any case; to look at all of it for each byte would take too long.
            self._raw += data
            self._unseen += len(data)
            return b""
        raw = self._raw + data if self._raw else data
        plain = self._feed_plainly(raw)
        if plain is not None:
            return plain
        given = self._look(raw)
        return given + self.release() if len(self._raw) > MAX_HELD_BYTES else given

    def skip(self, output: bytes, start: int, end: int) -> int | None:
        """Give out `output` from `start` on without a look, of which is known that no secret begins, goes on or ends
        in it up to `end`. Where it has to be fed again.

        None, and nothing taken, where something is open that has to be looked at further.
        """
        if self._raw or self._in_string or self._goes_on:
            return None
        least = max(start, end - _LOOKED_AT_BYTES)
        # Where an escape begins nothing else is open.
        cut = output.rfind(b"\x1b", start, least)
        if cut < 0 or end - cut > MAX_HELD_BYTES:
            if not ends_in_text(output[max(cut, start) : least], 0):
                return None
            cut = least
        self._drawn.context = self._redrawn.context = self._strings.context = b""
        return cut

    def release(self) -> bytes:
        """Everything that is held, masked where it looks like a secret so far."""
        return self._give_out(for_good=False)

    def finish(self) -> bytes:
        """The rest; what is not complete is no secret."""
        reading = read(self._raw, in_string=self._in_string)
        sights = self._sights(reading)
        given = self._mask(self._raw, sights, len(self._raw))
        self._move(self._raw, len(self._raw), sights, reading)
        return given

    def resume(self, tail: bytes) -> None:
        """Go on behind `tail`, which another masker gave out, by its rules alone: what it showed of a known value is
        not in the tail any more."""
        self.feed(tail)
        self.release()
        self.counts.clear()
        text = bytes(read(tail, in_string=False).drawn.data)
        joined = join_full_lines(text, self._width) if self._width else None
        rule = self._detector.masked_body(joined.text if joined else text)
        if rule is not None:
            self._keep(self._raw, len(self._raw))
            self._drawn.context, self._drawn.inside = line_context(text, self._width), rule
            self._redrawn.context = line_context(text, None)
            self._agree()

    @property
    def _goes_on(self) -> bool:
        return self._drawn.goes_on or self._redrawn.goes_on or self._strings.goes_on

    def _give_out(self, *, for_good: bool) -> bytes:
        """Everything that is held. `for_good`: what has begun is not looked at again, but goes on to be masked."""
        if not self._raw:
            return b""
        reading = read(self._raw, in_string=self._in_string)
        sights = self._sights(reading)
        begun = [(sight, *one) for sight in sights for one in sight.unfinished()]
        given = self._mask(
            self._raw, sights, len(self._raw), unfinished=[(sight, match) for sight, _, match in begun]
        )
        is_open = not (for_good and begun) and all(rule is None or rule.behind for _, rule, _ in begun)
        if is_open and len(self._raw) <= _MAX_SENT_BYTES:
            self._sent = len(self._raw)
            self.hold, self._unseen = Hold.NONE, 0
            return given
        # Of an escape sequence the rest is still to come.
        end = reading.end if len(self._raw) - reading.end <= _MAX_SENT_BYTES else len(self._raw)
        self._move(self._raw, end, sights, reading, for_good=True)
        self._sent = len(self._raw)
        for sight, rule, _ in begun:
            inside = sight.lane.inside
            # Of several that have begun, the one that may go on in the most ways.
            if rule is not None and (inside is None or len(rule.alphabet) > len(inside.alphabet)):
                sight.lane.inside = rule
        self._agree()
        return given

    def _feed_plainly(self, raw: bytes) -> bytes | None:
        """What can be given out of `raw` when there is no secret in it; else None. Most output goes this way."""
        if self._in_string or self._goes_on:
            return None
        texts = read_plainly(raw)
        if texts is None:
            return None
        more, strings, end = texts
        drawn = self._drawn.context + more
        if self._width and join_full_lines(drawn, self._width):
            return None
        scan = self._detector.scan(drawn, len(self._drawn.context))
        length = len(drawn) - min((opened.start for opened in scan.opened), default=len(drawn))
        if scan.matches or (length and not ends_in_text(raw[:end], length)):
            return None
        if strings:
            strings = self._strings.context + strings
            if self._detector.scan(strings, len(self._strings.context)):
                return None
            self._strings.context = line_context(strings, None)
        held = end - length
        self._drawn.context = line_context(drawn[: len(drawn) - length], self._width)
        self._redrawn.context = line_context(self._drawn.context, None)
        given = raw[self._sent : held]
        self._keep(raw, held)
        self.hold = Hold.NONE if held == len(raw) else Hold.WEAK
        if any(opened.firm for opened in scan.opened):
            self.hold = Hold.FIRM
        return given

    def _look(self, raw: bytes) -> bytes:
        reading = read(raw, in_string=self._in_string)
        sights = self._sights(reading)
        held = reading.end
        hold = Hold.WEAK if reading.end < len(raw) else Hold.NONE
        for sight in sights:
            for opened in sight.scan.opened:
                held = min(held, sight.raw_position(opened.start))
                hold = max(hold, Hold.FIRM if opened.firm else Hold.WEAK)
        # What is masked together is given out together.
        spans = [
            (sight.raw_position(match.origin), sight.raw_span(match)[1])
            for sight in sights
            for match in sight.scan.matches
        ]
        for start, end in sorted(spans, reverse=True):
            if start < held < end:
                held = start
        given = self._mask(raw, sights, held)
        self._move(raw, held, sights, reading)
        self.hold = hold
        return given

    def _sights(self, reading: Reading) -> list[_Sight]:
        redrawn = reading.redrawn
        if redrawn is None and self._redrawn.begun not in (b"", self._drawn.begun):
            # What has begun there goes on with what is drawn.
            redrawn = reading.drawn
        lanes = (
            (self._drawn, reading.drawn),
            (self._redrawn, redrawn),
            (self._strings, reading.strings),
        )
        return [self._sight(lane, view) for lane, view in lanes if view and (view.data or view.taken_back)]

    def _sight(self, lane: _Lane, view: View) -> _Sight:
        context = lane.context[: max(0, len(lane.context) - view.taken_back)]
        text, begin = context + bytes(view.data), len(context)
        joined = None
        if lane is self._drawn and self._width:
            joined = join_full_lines(text, self._width)
        searched = joined.text if joined else text
        begun = lane.begun[: max(0, len(lane.begun) - view.taken_back)]
        start = rule_end = inside_end = joined.position_after(begin) if joined else begin
        if lane.inside is not None:
            rule_end = inside_end = lane.inside.end_of_body(searched, start)
        if lane.goes_on:
            inside_end = self._detector.end_of_known(begun, searched, start, rule_end)
        scan = self._detector.scan(searched, inside_end)
        return _Sight(lane, view, text, searched, begin, begun, rule_end, inside_end, scan, joined)

    def _mask(
        self,
        raw: bytes,
        sights: list[_Sight],
        until: int,
        *,
        unfinished: Sequence[tuple[_Sight, Match]] = (),
    ) -> bytes:
        """raw[sent:until] with what was found masked."""
        covers: list[tuple[_Sight, Match]] = []
        for sight in sights:
            start = sight.position_after(sight.begin)
            if sight.inside_end > start:
                covers.append((sight, Match(start, start, sight.inside_end, "", "", "")))
            covers += [(sight, match) for match in sight.scan.matches]
        covers += unfinished
        masked: bytearray | None = None
        done = {True: 0, False: 0}
        for sight, match in sorted(covers, key=_place_of_cover):
            begin, end = sight.raw_span(match)
            if not match.rule:
                # What goes on does so from the first byte, even if that is taken back at once.
                begin = 0
            start, end = max(begin, self._sent), min(end, until)
            is_string = sight.lane is self._strings
            if max(start, done[is_string]) >= end:
                continue
            masked = masked if masked is not None else bytearray(raw)
            _cover(masked, sight.view, max(start, done[is_string]), end, match)
            if match.rule and start >= done[is_string] and begin not in self._counted:
                self.counts[match.rule] += 1
                if not match.tag:
                    self._counted.add(begin)
            done[is_string] = end
        return bytes(masked[self._sent : until]) if masked is not None else raw[self._sent : until]

    def _move(
        self, raw: bytes, held: int, sights: list[_Sight], reading: Reading, *, for_good: bool = False
    ) -> None:
        """Keep raw[held:], and of what was given out what must be known."""
        if reading.redrawn is None:
            self._redrawn.inside = None
        for sight in sights:
            lane, position = sight.lane, len(sight.text)
            if held < len(raw):
                position = sight.begin + sight.view.position_before(held)
            lane.inside, lane.begun = sight.going_on(position, self._detector, for_good=for_good)
            lane.context = line_context(sight.text[:position], self._width if lane is self._drawn else None)
        if held < len(raw):
            # What ends a string is read once more, and ends a word in it once more.
            self._in_string = any(start <= held <= end for start, end in reading.strings.segments)
        else:
            self._in_string = reading.in_string
        if reading.redrawn is None:
            self._redrawn.context = line_context(self._drawn.context, None)
            if reading.drawn.data and not any(sight.lane is self._redrawn for sight in sights):
                self._redrawn.begun = self._drawn.begun
        self._agree()
        self._keep(raw, held)
        self.hold = Hold.NONE

    def _keep(self, raw: bytes, held: int) -> None:
        """Hold raw[held:] back, all of which was looked at."""
        self._raw, self._sent, self._unseen = raw[held:], max(0, self._sent - held), 0
        if self._counted:
            self._counted = {place - held for place in self._counted if place >= held}

    def _agree(self) -> None:
        """A secret that goes on in one of the two ways to read what is drawn goes on in the other."""
        self._drawn.inside = self._redrawn.inside = self._drawn.inside or self._redrawn.inside


def _place_of_cover(cover: tuple[_Sight, Match]) -> tuple[int, int]:
    """In their order, of those at one place the longest first."""
    start, end = cover[0].raw_span(cover[1])
    return start, -end


def _width_of(width: int | None) -> int | None:
    return width if width is not None and width >= MIN_WIDTH else None


def _cover(masked: bytearray, view: View, start: int, end: int, match: Match) -> None:
    """Mask what of masked[start:end] belongs to the text."""
    pieces = [
        (max(start, one), min(end, other)) for one, other in view.segments if one < end and other > start
    ]
    covered = cover(b"".join(masked[one:other] for one, other in pieces), match.label, match.tag)
    position = 0
    for one, other in pieces:
        masked[one:other] = covered[position : position + other - one]
        position += other - one
