"""Hits in the text of terminals: a line that holds all that was asked for, found in a block that the index named."""

import logging
import re
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from dashboard.lib.errors import CorruptData
from sessions_app.legible import legible
from sessions_app.models import SearchKind, Terminal, TerminalText
from sessions_app.models.people import Viewer
from sessions_app.search.index import Term
from sessions_app.search.query import Query
from sessions_app.search.words import MAX_WORD_CHARS
from sessions_app.terminal.engine.model import Line
from sessions_app.terminal.line_search import LineHit, Pattern, find_in_block
from sessions_app.terminal.lines import LinesError

logger = logging.getLogger(__name__)

# Places of one terminal on a page of results of all kinds: a log of a gigabyte would fill hundreds of pages.
MOST_OF_ONE = 5


@dataclass(frozen=True)
class TextHit:
    """The last line of a block that matches, and how many others of the block do."""

    terminal: Terminal
    hit: LineHit
    others: int

    @property
    def at_ms(self) -> int:
        return self.terminal.started_ms + self.hit.line.time_us // 1000

    @property
    def text(self) -> str:
        """Safe to show: a program may have printed anything."""
        return legible(self.hit.line.text)


class TextSearch:
    """Looks into blocks for lines with all words and phrases of a query, in terminals that a person may see.

    Of one terminal it finds MOST_OF_ONE places, unless only terminals are asked for; `more_in` are those in which
    there may be more.
    """

    def __init__(self, query: Query, user: Viewer) -> None:
        self._query = query
        self._user = user
        self._found: Counter[uuid.UUID] = Counter()
        self.more_in: set[uuid.UUID] = set()
        # The longest word is seldom, and finding it costs little; only its lines are looked at closely.
        self._rarest = Pattern(max((term.word for term in query.terms), key=len))
        self._parts = [*map(_word, query.terms), *map(_phrase, query.phrases)]

    def blocks(self, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, TerminalText]:
        """Those of the blocks that may be shown, are asked for, and are not too many of one terminal."""
        visible = TerminalText.objects.filter(pk__in=list(ids), terminal__in=self._terminals().values("pk"))
        placed = visible.values_list("pk", "terminal_id")
        wanted = [pk for pk, terminal_id in placed if not self._is_full(terminal_id)]
        rows = TerminalText.objects.filter(pk__in=wanted).select_related("terminal__session__project")
        return {row.pk: row for row in rows.defer("terminal__environment")}

    def hit(self, block: TerminalText) -> TextHit | None:
        """Its last line that matches; None also where the block is damaged, as the search goes on with the others."""
        if self._is_full(block.terminal_id):
            return None
        try:
            hits = [
                hit
                for hit in find_in_block(block.read(), self._rarest)
                if self._is_within(block.terminal, hit.line)
                and all(part.search(hit.line.text) for part in self._parts)
            ]
        except (CorruptData, LinesError) as error:
            logger.warning(
                "terminal %s: its text from byte %d on is damaged: %s", block.terminal_id, block.offset, error
            )
            return None
        if not hits:
            return None
        self._found[block.terminal_id] += 1
        return TextHit(block.terminal, hits[-1], len(hits) - 1)

    def _is_full(self, terminal_id: uuid.UUID) -> bool:
        if self._query.kind == SearchKind.TERMINAL or self._found[terminal_id] < MOST_OF_ONE:
            return False
        self.more_in.add(terminal_id)
        return True

    def _terminals(self) -> QuerySet[Terminal]:
        query = self._query
        found = Terminal.objects.visible_to(self._user)
        if query.session_id is not None:
            found = found.filter(session=query.session_id)
        if query.agent:
            found = found.filter(session__agent=query.agent)
        if query.project:
            # A terminal of no session belongs to where its program was started.
            inside = Q(session__project__path__icontains=query.project)
            found = found.filter(inside | Q(session=None, cwd__icontains=query.project))
        return found

    def _is_within(self, terminal: Terminal, line: Line) -> bool:
        at_ms = terminal.started_ms + line.time_us // 1000
        after_ms, before_ms = self._query.after_ms, self._query.before_ms
        return (after_ms is None or at_ms >= after_ms) and (before_ms is None or at_ms < before_ms)


def _word(term: Term) -> re.Pattern[str]:
    # The index knows no more than the beginning of a very long word.
    goes_on = term.is_prefix or len(term.word) == MAX_WORD_CHARS
    return re.compile(rf"\b{re.escape(term.word)}" + ("" if goes_on else r"\b"), re.IGNORECASE)


def _phrase(phrase: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, phrase.split())), re.IGNORECASE)
