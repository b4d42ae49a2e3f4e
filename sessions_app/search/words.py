"""How text becomes words, on Postgres and in queries; SQLite's unicode61 tokenizer is set up to agree."""

import re

_WORD = re.compile(r"\w+")
# Longer runs are hashes and base64; they are found by their beginning.
MAX_WORD_CHARS = 64
# Of one text, this much is indexed.
MAX_INDEXED_CHARS = 1_000_000


def words_of(text: str) -> list[str]:
    """Lower-case words in order, repeats included."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(text.lower())]


def distinct_words(text: str) -> set[str]:
    return {word[:MAX_WORD_CHARS] for word in set(_WORD.findall(text[:MAX_INDEXED_CHARS].lower()))}
