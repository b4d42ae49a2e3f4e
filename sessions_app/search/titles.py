"""Sessions by the words of their titles and first prompts."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from django.db.models import OuterRef, Subquery
from django.db.models.lookups import Contains

from sessions_app.models import TitleWords
from sessions_app.models.session import SessionQuerySet
from sessions_app.search import index
from sessions_app.search.words import distinct_words, words_of

# Up to here the index names the sessions. Beyond, so many have the words that walking through a list meets them soon:
# at a million sessions both ways cost about the same there.
MOST_NAMED: Final = 5_000


@dataclass(frozen=True)
class Titled:
    """The sessions that have the words, looked up once and laid onto any list.

    `named` are those of them that came last, at most MOST_NAMED; with `has_more` there are others.
    """

    terms: Sequence[index.Term]
    named: Sequence[uuid.UUID]
    has_more: bool

    @classmethod
    def by(cls, texts: Iterable[str]) -> Self:
        """Those that have all words of these texts, the last as a beginning; none for texts without a word."""
        terms = [index.Term(word) for text in texts for word in words_of(text)]
        if not terms:
            return cls((), (), has_more=False)
        terms[-1] = index.Term(terms[-1].word, is_prefix=True)
        found = index.sessions_with_title(terms, limit=MOST_NAMED + 1)
        return cls(terms, found[:MOST_NAMED], has_more=len(found) > MOST_NAMED)

    def all_of(self, sessions: SessionQuerySet) -> SessionQuerySet:
        """All of these sessions that have the words."""
        if not self.has_more:
            return self.named_of(sessions)
        # A subquery for one value, which Postgres does not turn into a join of everything with everything.
        words = Subquery(TitleWords.objects.filter(session=OuterRef("pk")).values("words"))
        wanted = [f" {term.word}{'' if term.is_prefix else ' '}" for term in self.terms]
        return sessions.filter(*(Contains(words, text) for text in wanted))

    def named_of(self, sessions: SessionQuerySet) -> SessionQuerySet:
        """Those of these sessions that are named: with `has_more`, some of them."""
        return sessions.filter(pk__among=self.named)


def title_words(title: str, first_prompt: str) -> str:
    """As TitleWords keeps them; "" when there are none."""
    words = sorted(word.decode() for word in distinct_words(f"{title}\n{first_prompt}"))
    return f" {' '.join(words)} " if words else ""
