"""Values that are known to be secret, and how a program may spell them."""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, urlsplit

#: Names of environment variables that hold secrets by custom. What only names a file, an address or a person does not.
_SECRET_NAME = re.compile(
    r"(?:TOKEN|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|APIKEY|CREDENTIALS?)(?:_?[0-9]+)?$"
    r"|(?:^|_)(?:KEY|PAT|PASS|PWD|AUTH)(?:_?[0-9]+)?$"
    r"|(?:^|_)(?:TOKEN|SECRET|PASSWORD|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|AUTH_?KEY)_",
    re.IGNORECASE,
)
_NO_SECRET_NAME = re.compile(
    r"^(?:PWD|OLDPWD)$"
    r"|_(?:FILE|PATH|DIR|SOCK|SOCKET|ID|NAME|USER|HOST|PORT|URL|URI|TTL|TYPE|COMMAND|CMD|HELPER|EXPIR\w*|ENABLED?)$",
    re.IGNORECASE,
)
_ADDRESS_NAME = re.compile(r"(?:^|_)(?:URL|URI|DSN)$", re.IGNORECASE)

#: Shorter values stand in ordinary text too: masking "main" would eat the log.
MIN_CHARS = 8
#: What a person names on the command line may be shorter, but not so short that it says nothing.
MIN_NAMED_CHARS = 4
_MOST_BYTES = 4096
_MOST_LINES = 200
_MIN_LINE_CHARS = 16
_MOST_VALUES = 200


@dataclass(frozen=True, slots=True)
class KnownValue:
    """A secret; `name` is shown in its place, the value never."""

    name: str
    value: str = field(repr=False)


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret by custom."""
    return _SECRET_NAME.search(name) is not None and _NO_SECRET_NAME.search(name) is None


def values_of_environment(environment: Mapping[str, str]) -> list[KnownValue]:
    """The secrets that the environment holds, as far as names tell: those of variables such as API_TOKEN, and
    passwords in addresses such as that in DATABASE_URL."""
    found = []
    for name, value in environment.items():
        if is_secret_name(name) and _says_something(value):
            found.append(KnownValue(name, value))
        elif _ADDRESS_NAME.search(name) and (password := _password_in(value)):
            found.append(KnownValue(name, password))
    return found[:_MOST_VALUES]


def _says_something(value: str) -> bool:
    """Not so short or plain that ordinary output holds it by chance, and no file's name."""
    return len(value) >= MIN_CHARS and len(set(value)) > 3 and not value.startswith(("/", "./", "~/"))


def _password_in(address: str) -> str:
    try:
        password = urlsplit(address).password or ""
    except ValueError:
        return ""
    return password if _says_something(password) else ""


def spellings(known: KnownValue) -> Iterator[bytes]:
    """Every form of a value that is looked for; a value of several lines also line by line."""
    texts = [known.value]
    lines = known.value.splitlines()
    if len(lines) > 1:
        texts += [line for line in lines[:_MOST_LINES] if len(line) >= _MIN_LINE_CHARS]
        texts.append("\r\n".join(lines))
    for text in texts:
        value = text.encode("utf-8", "surrogateescape")
        if len(value) <= _MOST_BYTES:
            yield from _forms(text, value)


def _forms(text: str, value: bytes) -> Iterable[bytes]:
    readable = text.encode("utf-8", "replace").decode()
    forms = [
        value,
        json.dumps(readable)[1:-1].encode(),
        json.dumps(readable, ensure_ascii=False)[1:-1].encode(),
        quote(value, safe="").encode(),
        quote(value).encode(),
        quote_plus(value).encode(),
        value.hex().encode(),
        value.hex().upper().encode(),
    ]
    for shift in range(3):
        forms.append(_base64_at(value, shift))
        forms.append(_base64_at(value, shift).translate(bytes.maketrans(b"+/", b"-_")))
    # A form that is much shorter than the value stands for too little of it.
    return dict.fromkeys(form for form in forms if len(form) >= min(MIN_NAMED_CHARS, len(value)))


def _base64_at(value: bytes, shift: int) -> bytes:
    """What base64 makes of the value behind `shift` (0 to 2) other bytes: the characters that only it decides."""
    encoded = base64.b64encode(bytes(shift) + value)
    first = -(-shift * 8 // 6)
    return encoded[first : (shift + len(value)) * 8 // 6]
