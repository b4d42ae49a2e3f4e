"""What a backup says of itself."""

from typing import Final, Self

import msgspec

from dashboard.lib.errors import Refused

FORMAT: Final = 1


class NotABackup(Refused):
    """The file is something else, or of a form that this version does not know."""


class Damaged(Refused):
    """The file is a backup and not what was written."""


class TableNote(msgspec.Struct, frozen=True):
    """One table; `sha256` is over its rows in the order of their keys (rows.Digest)."""

    name: str
    columns: tuple[str, ...]
    rows: int
    sha256: str


class HeadNote(msgspec.Struct, frozen=True):
    """The audit log's head as it was, and the newest signed one: `note` is "" where nothing was signed."""

    origin: str
    size: int
    root: str
    note: str


class Manifest(msgspec.Struct, frozen=True):
    """`migrations` are all that had been applied to these tables, as `app.name`; `engine` is for people."""

    format: int
    id: str
    made_ms: int
    version: str
    engine: str
    migrations: tuple[str, ...]
    tables: tuple[TableNote, ...]
    audit: HeadNote

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def decode(cls, text: str) -> Self:
        """Raises NotABackup for a form of another version, Damaged."""
        try:
            known = msgspec.json.decode(text, type=_Form)
            if known.format != FORMAT:
                raise NotABackup(
                    f"It is a backup in the form {known.format}, and this Scrollback knows {FORMAT}: "
                    "update the program."
                )
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError as error:
            raise Damaged(f"It is damaged: its manifest cannot be read ({error}).") from error


class _Form(msgspec.Struct):
    """All that every version has to find in a manifest."""

    format: int
