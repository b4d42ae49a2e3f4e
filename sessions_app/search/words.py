"""How text becomes words, on Postgres and in queries; SQLite's unicode61 tokenizer is set up to agree."""

import re

_WORD = re.compile(r"\w+")
_ASCII_SEPARATORS = bytes(code if code >= 0x80 or _WORD.fullmatch(chr(code)) else 0x20 for code in range(256))
# Longer runs are hashes and base64; they are found by their beginning.
MAX_WORD_CHARS = 64
# Of one text, this much is indexed.
MAX_INDEXED_CHARS = 1_000_000


def words_of(text: str) -> list[str]:
    """Lower-case words in order, repeats included."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(text.lower())]


def distinct_words(text: str) -> set[str]:
    """The same, each once: several times as fast, as only runs of other than ASCII are looked at one by one."""
    encoded = text[:MAX_INDEXED_CHARS].lower().encode("utf-8", "surrogatepass")
    found: set[str] = set()
    for run in set(encoded.translate(_ASCII_SEPARATORS).split()):
        decoded = run.decode("utf-8", "surrogatepass")
        if run.isascii():
            found.add(decoded[:MAX_WORD_CHARS])
        else:
            found.update(word[:MAX_WORD_CHARS] for word in _WORD.findall(decoded))
    return found
