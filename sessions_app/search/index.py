"""The word index: where the engines differ.

Rows are (entry id, text). Adding is part of the transaction that writes the text's own row.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import connection

from dashboard.lib.db import vendor
from sessions_app.search.words import MAX_INDEXED_CHARS, MAX_WORD_CHARS, distinct_words

GIN_INDEX = "search_text_words"
CREATE_SQLITE = (
    # Contentless: the text stands in its own row already. detail=none: no positions, a third of the size
    # and twice the speed; phrases are checked against the text itself.
    "CREATE VIRTUAL TABLE search_text USING fts5("
    "body, content='', detail='none', tokenize=\"unicode61 remove_diacritics 0 tokenchars '_'\")",
    # Every commit leaves a segment. Merging sixteen at a time instead of four rewrites each word half as often,
    # a third of what indexing costs in a large import; a look-up visits some dozens of segments at most.
    "INSERT INTO search_text(search_text, rank) VALUES ('automerge', 16)",
    "INSERT INTO search_text(search_text, rank) VALUES ('crisismerge', 32)",
)
CREATE_POSTGRES = (
    "CREATE TABLE search_text (id bigint PRIMARY KEY, words tsvector NOT NULL)",
    f"CREATE INDEX {GIN_INDEX} ON search_text USING gin (words)",
)


# Lower bits of an entry's id, below its milliseconds.
ID_BITS = 21


def entry_id(at_ms: int, identity: uuid.UUID) -> int:
    """Where an entry stands in the index: by time, then by a few bits of its own id."""
    bounded = min(max(at_ms, 0), (1 << 42) - 1)
    return (bounded << ID_BITS) | (identity.int & ((1 << ID_BITS) - 1))


@dataclass(frozen=True)
class Term:
    """A word that must occur; with `is_prefix`, one that begins with it is enough."""

    word: str
    is_prefix: bool = False


def add(rows: Iterable[tuple[int, str]]) -> None:
    add_indexable((entry, indexable(text)) for entry, text in rows)


def indexable(text: str) -> str:
    """What the index takes of a text; on Postgres its words, found here outside of any transaction."""
    return text[:MAX_INDEXED_CHARS] if vendor() == "sqlite" else _tsvector(text)


def add_indexable(rows: Iterable[tuple[int, str]]) -> None:
    """Add entries with what `indexable` made of their texts.

    Once per transaction, and last in it: any statement that SQLite may have to undo makes FTS5 write out
    what it holds in memory as a segment of its own, and every segment is merged with others later.
    """
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.executemany("INSERT INTO search_text(rowid, body) VALUES (%s, %s)", sorted(rows))
            return
        with connection.wrap_database_errors, cursor.copy("COPY search_text (id, words) FROM STDIN") as copy:
            for row in sorted(rows):
                copy.write_row(row)


def remove(rows: Iterable[tuple[int, str]]) -> None:
    """Take entries out; SQLite needs the very text that was added."""
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.executemany(
                "INSERT INTO search_text(search_text, rowid, body) VALUES ('delete', %s, %s)",
                [(entry, text[:MAX_INDEXED_CHARS]) for entry, text in sorted(rows)],
            )
            return
        cursor.execute("DELETE FROM search_text WHERE id = ANY(%s)", [[entry for entry, _ in rows]])


def clear() -> None:
    """Forget every word, as when the entries themselves were emptied."""
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.execute("INSERT INTO search_text(search_text) VALUES ('delete-all')")
        else:
            cursor.execute("TRUNCATE search_text")


def candidates(terms: Sequence[Term], *, before: int | None, after: int | None, limit: int) -> list[int]:
    """Ids of entries that hold every term, newest first, below `before` and above `after`."""
    if not terms:
        return []
    conditions, parameters = [], []
    if vendor() == "sqlite":
        key = "rowid"
        conditions.append("search_text MATCH %s")
        parameters.append(" AND ".join(f'"{term.word}"{" *" if term.is_prefix else ""}' for term in terms))
    else:
        key = "id"
        conditions.append("words @@ %s::tsquery")
        parameters.append(
            " & ".join(f"'{term.word[:MAX_WORD_CHARS]}'{':*' if term.is_prefix else ''}" for term in terms)
        )
    for bound, sign in ((before, "<"), (after, ">")):
        if bound is not None:
            conditions.append(f"{key} {sign} %s")
            parameters.append(str(bound))
    sql = f"SELECT {key} FROM search_text WHERE {' AND '.join(conditions)} ORDER BY {key} DESC LIMIT %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, limit])
        return [row[0] for row in cursor.fetchall()]


def _tsvector(text: str) -> str:
    # The words consist of letters, digits and underscores only, so quoting them needs no escapes.
    return " ".join(f"'{word}'" for word in distinct_words(text))
