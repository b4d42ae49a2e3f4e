"""Long texts and attachments: the beginning in the row, the whole once in a blob."""

from dataclasses import dataclass, field

from dashboard.lib.bulk import bulk_insert
from dashboard.lib.clock import now_ms
from dashboard.lib.text import storable
from sessions_app.models import Blob
from sessions_app.models.blob import INLINE_CHARS, PREVIEW_CHARS, pack, sha256_of

# (text for the row, size in bytes of the whole, the blob's name or None)
type Body = tuple[str, int, str | None]
# (name, plain size, codec, stored bytes, made at)
type BlobRow = tuple[str, int, str, bytes, int]
EMPTY: Body = ("", 0, None)


@dataclass
class BlobStore:
    """Collects the blobs of one batch while it is prepared; `write` puts them into the open transaction."""

    rows: dict[str, BlobRow] = field(default_factory=dict)

    def keep(self, content: bytes) -> str:
        name = sha256_of(content)
        if name not in self.rows:
            codec, data = pack(content)
            self.rows[name] = (name, len(content), codec, data, now_ms())
        return name

    def body(self, text: str) -> Body:
        """The row's part of a text. What is longer than INLINE_CHARS goes into a blob as a whole."""
        if not text:
            return EMPTY
        text = storable(text)
        if len(text) <= INLINE_CHARS:
            return text, len(text) if text.isascii() else len(text.encode()), None
        content = text.encode()
        return text[:PREVIEW_CHARS], len(content), self.keep(content)

    def write(self) -> None:
        """Insert what was collected since the last call."""
        bulk_insert(
            Blob,
            ("sha256", "size", "codec", "data", "created_ms"),
            list(self.rows.values()),
            ignore_existing=True,
        )
        self.rows.clear()


def whole_text(text: str, size: int, blob: Blob | None) -> str:
    """The complete text of a body whose row holds `text`."""
    return text if blob is None else blob.read().decode()
