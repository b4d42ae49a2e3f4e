"""Plain bytes packed for a column, and back."""

import pytest
from django.db import connection

from dashboard.lib.db import vendor
from dashboard.lib.errors import CorruptData
from sessions_app.models import Blob, SourceChunk, TerminalKeyframe, TerminalSegment, TerminalText
from sessions_app.models.blob import Codec, pack, unpack

NO_PATTERN = bytes(range(256))
PATTERN = b"some bread " * 100


@pytest.mark.parametrize(
    ("plain", "codec"), [(b"", Codec.RAW), (NO_PATTERN, Codec.RAW), (PATTERN, Codec.ZSTD)]
)
def test_what_is_packed_comes_back(plain: bytes, codec: Codec) -> None:
    packed, data = pack(plain)
    assert (packed, unpack(data, packed, len(plain))) == (codec, plain)


@pytest.mark.parametrize("plain", [NO_PATTERN, PATTERN])
@pytest.mark.parametrize("change", [-1, 1])
def test_what_has_another_size_than_it_says_is_damaged(plain: bytes, change: int) -> None:
    codec, data = pack(plain)
    with pytest.raises(CorruptData, match="bytes"):
        unpack(data, codec, len(plain) + change)


def test_what_was_cut_off_is_damaged() -> None:
    for plain in (NO_PATTERN, PATTERN):
        codec, data = pack(plain)
        with pytest.raises(CorruptData):
            unpack(data[:-1], codec, len(plain))


@pytest.mark.django_db
def test_postgres_does_not_compress_again_what_is_compressed() -> None:
    if vendor() == "sqlite":
        pytest.skip("SQLite compresses nothing")
    models = (Blob, SourceChunk, TerminalSegment, TerminalKeyframe, TerminalText)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attrelid::regclass::text, attstorage::text FROM pg_attribute"
            " WHERE attname = 'data' AND attrelid = ANY(%s::regclass[])",
            [[model._meta.db_table for model in models]],
        )
        stored = dict(cursor.fetchall())
    # Outside of the row, as it is.
    assert stored == {model._meta.db_table: "e" for model in models}
