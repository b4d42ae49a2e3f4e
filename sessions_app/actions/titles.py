"""What sessions are found by in lists: the words of what they are called, kept with every change of it."""

import uuid
from collections.abc import Mapping
from typing import Final

from dashboard.lib.bulk import bulk_insert, bulk_update
from sessions_app.models import AgentSession, TitleWords
from sessions_app.search import index
from sessions_app.search.titles import title_words

_SESSIONS_AT_ONCE: Final = 2_000


def keep_titles(titles: Mapping[uuid.UUID, tuple[str, str]]) -> None:
    """Let sessions be found by their title and first prompt as they are now, and by no earlier ones.

    Inside the caller's transaction, which holds the sessions and changes nothing after it.
    """
    if not titles:
        return
    wanted = {session: title_words(*texts) for session, texts in titles.items()}
    known = {row.session_id: row for row in TitleWords.objects.filter(session__among=list(wanted))}
    changed = [row for session, row in known.items() if row.words != wanted[session]]
    new = [(session, words) for session, words in wanted.items() if words and session not in known]
    bulk_update(TitleWords, ("words",), [(wanted[row.session_id], row.pk) for row in changed])
    bulk_insert(TitleWords, ("session_id", "words"), new)
    index.remove_titles((row.pk, row.words) for row in changed)
    added = [(row.pk, wanted[row.session_id]) for row in changed]
    fresh = TitleWords.objects.filter(session__among=[session for session, _ in new])
    index.add_titles([*added, *fresh.values_list("pk", "words")])


def keep_all_titles() -> None:
    """The same for every session, where none is findable yet; inside the caller's transaction."""
    # In this order, so that the newest are named first.
    rows = AgentSession.objects.order_by("started_ms", "pk").values_list("pk", "title", "first_prompt")
    portion: dict[uuid.UUID, tuple[str, str]] = {}
    for pk, title, prompt in rows.iterator(chunk_size=_SESSIONS_AT_ONCE):
        portion[pk] = (title, prompt)
        if len(portion) == _SESSIONS_AT_ONCE:
            keep_titles(portion)
            portion = {}
    keep_titles(portion)
