"""The word indexes: where the engines differ.

That of all texts has rows of (entry id, text), that of titles rows of (id of TitleWords, its words). Adding is part of
the transaction that writes the text's own row.
"""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

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

# No separator but the space between words that were found already, so the engine finds the very same.
CREATE_TITLES_SQLITE = (
    "CREATE VIRTUAL TABLE search_titles USING fts5("
    "words, content='', detail='none', tokenize=\"ascii tokenchars '_'\")"
)
_TITLE_VECTOR = "array_to_tsvector(string_to_array(btrim(words), ' '))"
# An index that Postgres keeps by itself.
CREATE_TITLES_POSTGRES = f"CREATE INDEX search_titles ON sessions_app_titlewords USING gin ({_TITLE_VECTOR})"

# Text on SQLite, a tsvector as Postgres takes it in binary on Postgres.
type Indexable = str | bytes

_NO_WORDS: Final = bytes(4)
# Behind each word of a tsvector: the end of its text, and the number of its positions.
_NO_POSITIONS: Final = bytes(3)
# Postgres takes 1,048,575 bytes of words; no text so short has more, whatever it is written in.
_MAX_VECTOR_BYTES: Final = 1_000_000
_SURELY_FIT_CHARS: Final = 240_000

# Lower bits of an entry's id, below its milliseconds.
ID_BITS = 21
# Entries of one millisecond that want the same place follow each other; no further apart than this.
MOST_MOVED: Final = 4_096
MAX_ENTRY: Final = (1 << 63) - 1


def entry_id(at_ms: int, identity: uuid.UUID) -> int:
    """Where an entry stands in the index: by time, then by a few bits of its own id."""
    return first_entry_of(at_ms) | (identity.int & ((1 << ID_BITS) - 1))


def first_entry_of(at_ms: int) -> int:
    """Below every entry of this millisecond; those beyond May 2109 stand at its end."""
    return min(max(at_ms, 0), (1 << 42) - 1) << ID_BITS


@dataclass(frozen=True)
class Term:
    """A word that must occur; with `is_prefix`, one that begins with it is enough."""

    word: str
    is_prefix: bool = False


def add(rows: Iterable[tuple[int, str]]) -> None:
    add_indexable((entry, indexable(text)) for entry, text in rows)


def indexable(text: str) -> Indexable:
    """What the index takes of a text; on Postgres its words, found here outside of any transaction."""
    return text[:MAX_INDEXED_CHARS] if vendor() == "sqlite" else _tsvector(text)


def add_indexable(rows: Iterable[tuple[int, Indexable]]) -> None:
    """Add entries with what `indexable` made of their texts.

    Once per transaction, and last in it: any statement that SQLite may have to undo makes FTS5 write out
    what it holds in memory as a segment of its own, and every segment is merged with others later.
    """
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.executemany("INSERT INTO search_text(rowid, body) VALUES (%s, %s)", sorted(rows))
            return
        into = "COPY search_text (id, words) FROM STDIN (FORMAT BINARY)"
        with connection.wrap_database_errors, cursor.copy(into) as copy:
            copy.set_types(["int8", "bytea"])
            for entry, words in sorted(rows):
                copy.write_row((entry, words or _NO_WORDS))


def remove(rows: Iterable[tuple[int, str | None]]) -> None:
    """Take entries out; SQLite needs the very text that was added.

    Where that is None its words stay there and lead to no entry, until the index is made anew.
    """
    with connection.cursor() as cursor:
        if vendor() == "sqlite":
            cursor.executemany(
                "INSERT INTO search_text(search_text, rowid, body) VALUES ('delete', %s, %s)",
                sorted((entry, text[:MAX_INDEXED_CHARS]) for entry, text in rows if text is not None),
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
    parameters = [_all_of(terms)]
    if vendor() == "sqlite":
        key, conditions = "rowid", ["search_text MATCH %s"]
    else:
        key, conditions = "id", ["words @@ %s::tsquery"]
    for bound, sign in ((before, "<"), (after, ">")):
        if bound is not None:
            conditions.append(f"{key} {sign} %s")
            parameters.append(str(bound))
    sql = f"SELECT {key} FROM search_text WHERE {' AND '.join(conditions)} ORDER BY {key} DESC LIMIT %s"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(sql, [*parameters, limit])
        return [row[0] for row in cursor.fetchall()]


def _all_of(terms: Sequence[Term]) -> str:
    """The engine's own query for every term."""
    if vendor() == "sqlite":
        return " AND ".join(f'"{term.word}"{" *" if term.is_prefix else ""}' for term in terms)
    return " & ".join(f"'{term.word[:MAX_WORD_CHARS]}'{':*' if term.is_prefix else ''}" for term in terms)


def add_titles(rows: Iterable[tuple[int, str]]) -> None:
    """Put titles in that are not in yet. Last in a transaction, as `add_indexable` is."""
    if vendor() == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO search_titles(rowid, words) VALUES (%s, %s)", sorted(rows))


def remove_titles(rows: Iterable[tuple[int, str]]) -> None:
    """Take titles out, with the very words that were put in."""
    if vendor() == "sqlite":
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO search_titles(search_titles, rowid, words) VALUES ('delete', %s, %s)",
                sorted(rows),
            )


def clear_titles() -> None:
    """Forget every title, as when their rows were emptied."""
    if vendor() == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO search_titles(search_titles) VALUES ('delete-all')")


def sessions_with_title(terms: Sequence[Term], *, limit: int) -> list[uuid.UUID]:
    """Sessions whose title or first prompt has every term, those that came last first; there is one term at least."""
    titles = "sessions_app_titlewords"
    if vendor() == "sqlite":
        # CROSS: the index first. The other way round each session would be looked up in it.
        found = f"search_titles i CROSS JOIN {titles} t ON t.id = i.rowid WHERE i.search_titles MATCH %s"
        order = "i.rowid"
    else:
        found, order = f"{titles} t WHERE {_TITLE_VECTOR} @@ %s::tsquery", "t.id"
    with connection.cursor() as cursor:
        sql = f"SELECT t.session_id FROM {found} ORDER BY {order} DESC LIMIT %s"  # noqa: S608
        cursor.execute(sql, [_all_of(terms), limit])
        return [row[0] if isinstance(row[0], uuid.UUID) else uuid.UUID(row[0]) for row in cursor.fetchall()]


def _tsvector(text: str) -> bytes:
    """What Postgres' tsvectorrecv takes: how many words, then each with a zero and no positions; b"" without any.

    It is read in a sixth of the time of the same words as text.
    """
    words = distinct_words(text)
    if not words:
        return b""
    if len(text) > _SURELY_FIT_CHARS and sum(map(len, words)) > _MAX_VECTOR_BYTES:
        words = _those_that_fit(words)
    return len(words).to_bytes(4) + _NO_POSITIONS.join(words) + _NO_POSITIONS


def _those_that_fit(words: set[bytes]) -> set[bytes]:
    """The shortest, as there are the most of them."""
    ascending = sorted(words, key=lambda word: (len(word), word))
    ends = accumulate(map(len, ascending))
    return {word for word, end in zip(ascending, ends, strict=True) if end <= _MAX_VECTOR_BYTES}
