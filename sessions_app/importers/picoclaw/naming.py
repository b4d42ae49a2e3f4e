"""Names for messages that have none.

A place in the file is no name here: compacting rewrites the file without its hidden beginning. What a message
says is one; of messages that say the same at the same time, the how-manieth it is comes with it.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from sessions_app.importers.json_lines import json_text

# Same words at the same millisecond are neighbours; without a time they may be anywhere.
_TIMED, _UNTIMED = 64, 4096


def digest_of(message: Mapping[str, Any]) -> str:
    """Digest of everything a message says but its time, which some versions add later."""
    said = {name: message[name] for name in sorted(message) if name != "created_at"}
    return blake2b(json_text(said).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


class Naming:
    def __init__(self, state: dict[str, Any]) -> None:
        self._timed: dict[str, int] = state.get("timed", {})
        self._untimed: dict[str, int] = state.get("untimed", {})

    def state(self) -> dict[str, Any]:
        return {"timed": dict(self._timed), "untimed": dict(self._untimed)}

    def name(self, message: Mapping[str, Any], at_ms: int | None) -> str:
        """`at_ms` is None for a message without a time."""
        digest = digest_of(message)
        if at_ms is None:
            return f"{digest}-{_count(self._untimed, digest, _UNTIMED)}"
        return f"{digest}-{_count(self._timed, f'{digest}@{at_ms}', _TIMED)}"


def _count(met: dict[str, int], name: str, most: int) -> int:
    """How many of this name there are now, this one included."""
    count = met.pop(name, 0) + 1
    met[name] = count
    if len(met) > most:
        del met[next(iter(met))]
    return count
