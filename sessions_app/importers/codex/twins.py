"""One text, written on several channels.

What is said stands in a rollout as an item of the model's history and again as an event for the screen (newer
versions: as a completed item as well), in either order and not always side by side. The first is shown, the
others are recognised here.
"""

from hashlib import blake2b
from typing import Any, Literal

type Channel = Literal["item", "event", "completed"]

_REMEMBERED = 64


class Twins:
    """The texts of the current turn with the channels on which each was met."""

    def __init__(self, state: list[list[Any]]) -> None:
        # [what, digest, line, channels]
        self._met: list[list[Any]] = [
            [what, digest, line, list(channels)] for what, digest, line, channels in state
        ]

    def state(self) -> list[list[Any]]:
        return [[what, digest, line, list(channels)] for what, digest, line, channels in self._met]

    def is_twin(
        self, what: str, text: str, channel: Channel, line: int, *, next_line_too: bool = False
    ) -> bool:
        """Was this text met on another channel? If not it is remembered.

        `next_line_too`: what directly follows its own kind on another channel is its twin even when the text
        differs: pictures, citations and redaction leave different texts behind.
        """
        digest = blake2b(text.strip().encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        for entry in self._met:
            if entry[1] == digest and entry[0] == what and channel not in entry[3]:
                return self._join(entry, channel, line)
        newest = self._met[-1] if self._met else None
        if (
            next_line_too
            and newest
            and newest[0] == what
            and newest[2] == line - 1
            and channel not in newest[3]
        ):
            return self._join(newest, channel, line)
        self._met.append([what, digest, line, [channel]])
        del self._met[:-_REMEMBERED]
        return False

    def forget(self) -> None:
        self._met.clear()

    def _join(self, entry: list[Any], channel: Channel, line: int) -> bool:
        entry[2] = line
        entry[3].append(channel)
        return True
