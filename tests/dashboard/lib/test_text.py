from hypothesis import given
from hypothesis import strategies as st

from dashboard.lib.text import cut, cut_bytes, one_line, storable

any_text = st.text(st.characters(codec=None, exclude_categories=()))


@given(any_text)
def test_storable_text_has_neither_nul_nor_lone_surrogates_and_keeps_its_length(text: str) -> None:
    stored = storable(text)

    assert "\x00" not in stored
    stored.encode()
    assert len(stored) == len(text)
    assert storable(stored) is stored


def test_what_cannot_be_stored_stays_visible() -> None:
    assert storable("a\x00b\ud800c") == "a\u2400b\ufffdc"


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_cut_text_is_never_longer_than_its_limit(text: str, limit: int) -> None:
    assert len(cut(text, limit)) <= limit


@given(any_text)
def test_one_line_is_one_printable_line(text: str) -> None:
    line = one_line(text, 40)

    assert len(line) <= 40
    assert line.isprintable() or line == ""


@given(st.text(st.sampled_from("a \u00e9\u65e5\U0001f642")), st.integers(3, 40))
def test_bytes_are_cut_between_characters(text: str, limit: int) -> None:
    shown = cut_bytes(text, limit)
    assert len(shown.encode()) <= limit
    if shown != text:
        assert len(text.encode()) > limit
        assert shown.endswith("…")
        assert text.startswith(shown[:-1])
