"""C2SP signed notes and tree heads (c2sp.org/signed-note, c2sp.org/tlog-checkpoint), signed with Ed25519.

Pure. A note is text that ends with a line end, an empty line, and signature lines; a checkpoint is a note whose
text is the log's name, the size of its tree and the base64 of its root, a line each.
"""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519: Final = b"\x01"
_KEY_BYTES: Final = 32
_SIGNATURE_BYTES: Final = 64
_PRIVATE: Final = "PRIVATE+KEY+"
_MARK: Final = "— "
_FIELD: Final = 2**255 - 19
# The y of the points whose order is at most 8: one of them as a key "signs" nearly anything.
_SMALL_ORDER: Final = frozenset(
    {0, 1, _FIELD - 1}
    | {
        int.from_bytes(bytes.fromhex(y), "little")
        for y in (
            "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
            "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        )
    }
)


class NoteError(ValueError):
    """This is no key, no note, or no signature by this key; the message says which."""


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key with the name it signs under."""

    name: str
    public: bytes

    def __post_init__(self) -> None:
        """Raises NoteError for a key that everybody can sign with; cryptography would take it."""
        y = int.from_bytes(self.public, "little") & (2**255 - 1)
        if y >= _FIELD or y in _SMALL_ORDER:
            raise NoteError("this is no key that anybody could have made: it would accept what nobody signed")

    @property
    def id(self) -> bytes:
        """The four bytes that name this key in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + _ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{_encoded(_ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """A verifier key as it is written, `name+id+key`. Raises NoteError."""
        name, _, rest = _text(text).strip().partition("+")
        claimed, _, key = rest.partition("+")
        found = cls(_name(name), _key(key))
        if found.id.hex() != claimed:
            raise NoteError("the verifier key is damaged: its id does not belong to it")
        return found

    def open(self, note: str) -> str:
        """The note's text, when this key has signed it. Raises NoteError."""
        text, mark, signatures = _text(note).rpartition("\n\n")
        if not mark or not signatures.endswith("\n"):
            raise NoteError("this is no signed note")
        text += "\n"
        key = Ed25519PublicKey.from_public_bytes(self.public)
        for line in signatures.splitlines():
            name, _, value = line.removeprefix(_MARK).rpartition(" ")
            if not line.startswith(_MARK) or name != self.name:
                continue
            signature = _decoded(value)
            if signature[:4] != self.id or len(signature) != 4 + _SIGNATURE_BYTES:
                continue
            try:
                key.verify(signature[4:], text.encode())
            except InvalidSignature:
                raise NoteError(f"the signature by {self.name} is not of this text") from None
            return text
        raise NoteError(f"there is no signature by {self.name}+{self.id.hex()}")


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A private key with the name it signs under."""

    name: str
    seed: bytes

    @classmethod
    def new(cls, name: str) -> Self:
        return cls(_name(name), Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def parse(cls, text: str) -> Self:
        """A signer key as `written`. Raises NoteError."""
        if not text.startswith(_PRIVATE):
            raise NoteError("this is no signer key")
        name, _, rest = text.strip().removeprefix(_PRIVATE).partition("+")
        claimed, _, key = rest.partition("+")
        found = cls(_name(name), _key(key))
        if found.verifier.id.hex() != claimed:
            raise NoteError("the signer key is damaged: its id does not belong to it")
        return found

    def written(self) -> str:
        """The key as it is kept in a file. A secret."""
        return f"{_PRIVATE}{self.name}+{self.verifier.id.hex()}+{_encoded(_ED25519 + self.seed)}"

    @property
    def verifier(self) -> Verifier:
        key = Ed25519PrivateKey.from_private_bytes(self.seed)
        return Verifier(self.name, key.public_key().public_bytes_raw())

    def sign(self, text: str) -> str:
        """The text as a note with this key's signature; it must end with a line end."""
        if not text.endswith("\n"):
            raise NoteError("a note ends with a line end")
        signature = Ed25519PrivateKey.from_private_bytes(self.seed).sign(text.encode())
        return f"{text}\n{_MARK}{self.name} {_encoded(self.verifier.id + signature)}\n"


@dataclass(frozen=True, slots=True)
class TreeHead:
    """The name of a log, and the size and root of its tree."""

    origin: str
    size: int
    root: bytes

    def __str__(self) -> str:
        return f"{self.origin}\n{self.size}\n{_encoded(self.root)}\n"

    @classmethod
    def of_note(cls, note: str) -> Self:
        """What a note says, whoever signed it. Raises NoteError."""
        return cls.parse(_text(note).rpartition("\n\n")[0] + "\n")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The text of a checkpoint; further lines are extensions and say nothing here. Raises NoteError."""
        lines = _text(text).split("\n")
        if len(lines) < 4 or lines[-1] or not lines[0]:
            raise NoteError("this is no tree head")
        size, root = lines[1], _decoded(lines[2])
        is_number = size.isascii() and size.isdecimal() and (size == "0" or size[0] != "0")
        if not is_number or len(size) > 18 or len(root) != _KEY_BYTES:
            raise NoteError("this is no tree head")
        return cls(lines[0], int(size), root)


def _text(value: Any) -> str:
    """As it was stored, which on SQLite may be anything: bytes, or a text with lone surrogates for what is none."""
    try:
        # The fastest look for surrogates that there is.
        value.encode()
    except (UnicodeEncodeError, AttributeError):
        raise NoteError("this is no text") from None
    return str(value)


def _name(text: str) -> str:
    if not text or "+" in text or any(character.isspace() for character in text):
        raise NoteError("a key's name has neither spaces nor plus signs")
    return text


def _key(text: str) -> bytes:
    data = _decoded(text)
    if len(data) != 1 + _KEY_BYTES or data[:1] != _ED25519:
        raise NoteError("this is no Ed25519 key")
    return data[1:]


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("this is no base64") from None
