"""How text becomes words, on Postgres and in queries; SQLite's unicode61 tokenizer is set up to agree."""

import re

_WORD = re.compile(r"\w+")
# Lower case for words, and a space for everything between them, of what is ASCII.
_ASCII_WORDS = bytes(
    code if code >= 0x80 else ord(chr(code).lower()) if _WORD.fullmatch(chr(code)) else 0x20
    for code in range(256)
)
_SIGMA = "\u03a3"
# Longer runs are hashes and base64; they are found by their beginning.
MAX_WORD_CHARS = 64
# Words are taken out of so much of a text at once: those of more do not stay in a processor's cache.
_PIECE_BYTES = 65_536
# Of one text, this much is indexed.
MAX_INDEXED_CHARS = 1_000_000


def words_of(text: str) -> list[str]:
    """Lower-case words in order, repeats included."""
    return [word[:MAX_WORD_CHARS] for word in _WORD.findall(text.lower())]


def distinct_words(text: str) -> set[bytes]:
    """The same, each once, in UTF-8: several times as fast, as only runs beyond ASCII are looked at one by one."""
    text = text[:MAX_INDEXED_CHARS]
    if not text.isascii() and _SIGMA in text:
        # The one letter of which the lower case depends on what stands around it.
        text = text.lower()
    encoded = text.encode("utf-8", "surrogatepass")
    runs = _distinct_runs(encoded.translate(_ASCII_WORDS))
    beyond = [] if encoded.isascii() else [run for run in runs if not run.isascii()]
    runs.difference_update(beyond)
    if _has_long(runs):
        runs = {run[:MAX_WORD_CHARS] for run in runs}
    for run in beyond:
        words = words_of(run.decode("utf-8", "surrogatepass"))
        runs.update(word.encode("utf-8", "surrogatepass") for word in words)
    return runs


def _distinct_runs(text: bytes) -> set[bytes]:
    runs: set[bytes] = set()
    start, size = 0, len(text)
    while start < size:
        end = text.find(b" ", start + _PIECE_BYTES)
        end = end if end >= 0 else size
        runs.update(set(text[start:end].split()))
        start = end
    return runs


def _has_long(runs: set[bytes]) -> bool:
    return len(max(runs, key=len, default=b"")) > MAX_WORD_CHARS
