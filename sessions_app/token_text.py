"""What a token looks like: `sbk_<8: id>_<43: secret>_<6: checksum>`, letters and digits only.

The id finds the row, the secret (256 bits) proves it, and the checksum (CRC-32, base 62) lets a scanner for
leaked secrets recognise a token without asking anybody.
"""

import re
import secrets
import string
import zlib
from dataclasses import dataclass
from typing import Final

ALPHABET: Final = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARS: Final = 8
_SECRET_CHARS: Final = 43
_CHECKSUM_CHARS: Final = 6
PATTERN: Final = re.compile(
    f"sbk_([0-9A-Za-z]{{{_ID_CHARS}}})_([0-9A-Za-z]{{{_SECRET_CHARS}}})_([0-9A-Za-z]{{{_CHECKSUM_CHARS}}})"
)


@dataclass(frozen=True, slots=True)
class TokenText:
    prefix: str
    secret: str

    def __str__(self) -> str:
        return f"sbk_{self.prefix}_{self.secret}_{_checksum(self.prefix, self.secret)}"

    def __repr__(self) -> str:
        # Never the secret: a traceback or a log may show this.
        return f"TokenText({self.prefix})"


def new_token_text() -> TokenText:
    return TokenText(_random(_ID_CHARS), _random(_SECRET_CHARS))


def parse_token(text: str) -> TokenText | None:
    """The parts of a token; None when the text is not one, or was mistyped."""
    match = PATTERN.fullmatch(text)
    if match is None or match[3] != _checksum(match[1], match[2]):
        return None
    return TokenText(match[1], match[2])


def without_tokens(text: str) -> str:
    """What may be shown of a text that somebody wrote a token into: its public part."""
    return PATTERN.sub(lambda match: f"sbk_{match[1]}_…", text)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def _checksum(prefix: str, secret: str) -> str:
    number = zlib.crc32(f"{prefix}_{secret}".encode())
    digits = []
    for _ in range(_CHECKSUM_CHARS):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))
