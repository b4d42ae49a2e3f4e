"""Plain bytes packed for a column, and back."""

import pytest

from dashboard.lib.errors import CorruptData
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
