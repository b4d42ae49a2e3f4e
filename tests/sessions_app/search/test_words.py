from hypothesis import given
from hypothesis import strategies as st

from sessions_app.search.words import distinct_words, words_of


@given(
    st.text(st.sampled_from("aZ_09 -.,\n\t\x1c\x85\u2028\u00a0éÀßİΣ漢字🚀·²٣ªʰ\u0301\udc80"), max_size=80)
    | st.text()
)
def test_distinct_words_are_the_words(text: str) -> None:
    assert distinct_words(text) == {word.encode() for word in words_of(text)}


def test_long_runs_are_cut() -> None:
    assert distinct_words("x" * 100 + " " + "é" * 100) == {b"x" * 64, "é".encode() * 64}
    assert distinct_words("x" * 100 + " " + "x" * 90) == {b"x" * 64}


def test_a_long_text_has_all_its_words() -> None:
    # In pieces that end anywhere in a word, behind a run that is longer than one.
    words = ["y" * 100_000, *(f"wort{number}ß" for number in range(40_000))]
    expected = {word[:64].encode() for word in words}
    assert distinct_words(" ".join(words)) == distinct_words("\n".join(reversed(words))) == expected
