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


def distinct_words(text: str) -> set[bytes]:
    """The same, each once, in UTF-8: several times as fast, as only runs beyond ASCII are looked at one by one."""
    encoded = text[:MAX_INDEXED_CHARS].lower().encode("utf-8", "surrogatepass")
    runs = set(encoded.translate(_ASCII_SEPARATORS).split())
    if encoded.isascii():
        return {run[:MAX_WORD_CHARS] for run in runs} if _has_long(runs) else runs
    found: set[bytes] = set()
    for run in runs:
        if run.isascii():
            found.add(run[:MAX_WORD_CHARS])
        else:
            words = _WORD.findall(run.decode("utf-8", "surrogatepass"))
            found.update(word[:MAX_WORD_CHARS].encode("utf-8", "surrogatepass") for word in words)
    return found


def _has_long(runs: set[bytes]) -> bool:
    return len(max(runs, key=len, default=b"")) > MAX_WORD_CHARS
