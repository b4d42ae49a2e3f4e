"""Secrets in a stream: found however they are shown and cut, and nothing else is touched."""

import itertools
import random
import re
import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sessions_app.terminal.asciicast.model import Event, Output, Resize
from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import KNOWN as KNOWN_RULE
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import EventMasker
from sessions_app.terminal.masking.known import KnownValue, spellings
from sessions_app.terminal.masking.masker import MAX_HELD_BYTES, Hold, Masker
from sessions_app.terminal.masking.view import read
from tests.sessions_app.terminal.masking.secrets import (
    DETECTOR,
    KEY,
    KNOWN,
    SECRETS,
    WAYS,
    WIDTH,
    Secret,
    as_it_is,
    broken_at_margin,
    colour_at_each_character,
    drawn_anew,
    in_a_link,
    masked,
)

# Nothing here reaches a database.
pytestmark = pytest.mark.once

TOKEN = next(secret for secret in SECRETS if secret.rule == "github-token")
OFFSETS = range(16)


def visible(data: bytes) -> bytes:
    """All text of some output, drawn or within control strings."""
    reading = read(data, in_string=False)
    return bytes(reading.drawn.data) + b"\n" + bytes(reading.strings.data)


def shape(data: bytes) -> bytes:
    """What must stay: everything but the printable characters."""
    return re.sub(rb"[!-~]", b".", data)


# A key of several lines is not coloured, typed or put into a title.
SHOWN = [(secret, way) for secret in SECRETS for way in WAYS if b"\n" not in secret.body or way is as_it_is]


@pytest.mark.parametrize(
    "secret,way",
    SHOWN,
    ids=[f"{secret.rule}-{secret.public[:12].decode()}-{way.__name__}" for secret, way in SHOWN],
)
def test_every_kind_is_masked_in_every_way_and_place(secret: Secret, way: Callable[[bytes], bytes]) -> None:
    for offset in OFFSETS:
        shown = b"x" * offset + b" " + way(secret.whole) + b" and on\r\n"
        result, counts = masked(shown)
        assert counts == {secret.rule: 1}, shown
        assert len(result) == len(shown)
        assert shape(result) == shape(shown)
        for piece in (secret.body[:16], secret.body[-16:]):
            assert piece not in visible(result).replace(b"\r\n", b"")
            assert piece not in result
        assert result.startswith(b"x" * offset)
        assert result.endswith(b" and on\r\n")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 16])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
def test_pieces_of_any_size_give_the_same(size: int, way: Callable[[bytes], bytes]) -> None:
    for secret in SECRETS:
        shown = b"$ " + way(secret.whole) + b"\r\n$ "
        assert masked(shown, itertools.repeat(size)) == masked(shown), secret


@pytest.mark.parametrize("before", range(0, WIDTH + 1, 5))
def test_a_token_that_the_program_broke_at_the_margin_is_whole(before: int) -> None:
    shown = b"\r\n" + broken_at_margin(before, TOKEN.whole) + b" next\r\n"
    result, counts = masked(shown, width=WIDTH)
    assert counts == {TOKEN.rule: 1}
    assert shape(result) == shape(shown)
    assert not any(TOKEN.body[at : at + 4] in result for at in range(len(TOKEN.body) - 4))
    assert masked(shown, itertools.repeat(1), width=WIDTH) == (result, counts)


def test_a_broken_line_behind_wide_characters_is_measured_in_columns() -> None:
    shown = "\r\n✓ 日本 ".encode() + b"." * (WIDTH - 7 - 10) + TOKEN.whole[:10] + b"\r\n" + TOKEN.whole[10:]
    assert masked(shown, width=WIDTH)[1] == {TOKEN.rule: 1}


def test_a_line_that_an_editor_wrapped_is_whole() -> None:
    shown = b"$ " + b"." * 60 + TOKEN.whole[: WIDTH - 62] + b" \r" + TOKEN.whole[WIDTH - 62 :] + b"\r\n"
    assert masked(shown, width=WIDTH)[1] == {TOKEN.rule: 1}


def test_words_of_two_lines_are_not_taken_for_one() -> None:
    shown = b"short ghp_\r\n" + TOKEN.body + b"\r\n"
    assert masked(shown, width=WIDTH) == (shown, {})


@pytest.mark.parametrize("spelling", sorted(set(spellings(KNOWN))))
def test_every_spelling_of_a_known_value_is_masked(spelling: bytes) -> None:
    for offset in OFFSETS:
        shown = b"x" * offset + b"=" + spelling + b"; done\r\n"
        result, counts = masked(shown)
        assert counts == {KNOWN_RULE: 1}
        assert len(result) == len(shown)
        assert spelling not in result
        assert masked(shown, itertools.repeat(1)) == (result, counts)


def test_a_known_value_is_found_in_base64_whatever_stands_before_it() -> None:
    import base64

    for before in range(16):
        encoded = base64.b64encode(b"u" * before + KNOWN.value.encode() + b"\n")
        result, counts = masked(b"Basic " + encoded + b"\r\n")
        assert counts == {KNOWN_RULE: 1}
        kept = [at for at in range(len(encoded)) if result[6 + at] == encoded[at]]
        # But for the characters that neighbours have a part in.
        assert len(encoded) - len(kept) >= len(KNOWN.value.encode()) * 8 // 6 - 1


def test_equal_secrets_have_equal_tags_and_others_have_not() -> None:
    other = TOKEN.whole[:-1] + b"0"
    tags = re.findall(
        rb":([0-9a-f]{8})\]", masked(TOKEN.whole + b" " + TOKEN.whole + b" " + other + b"\n")[0]
    )
    assert len(tags) == 3
    assert tags[0] == tags[1] != tags[2]


def test_wide_characters_keep_their_columns() -> None:
    detector = Detector([], [KnownValue("PIN", "日本語é€🔑pass")], key=b"k")
    shown = "[日本語é€🔑pass]".encode()
    result, counts = masked(shown, detector=detector)
    assert counts == {KNOWN_RULE: 1}
    assert result.decode() == "[\uff0a\uff0a\uff0a·•🔒****]"


CLEAN = [
    b"task-runner: disk-usage of sk- and ghp_ are no tokens; npm_config_cache=1 hf_hub\r\n",
    b"Local: http://localhost:8765/@vite/client http://127.0.0.1:80 git@github.com:me/it.git\r\n",
    b"sha512-Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4==\r\n",
    b'if "-----BEGIN RSA PRIVATE KEY-----" in text: raise ValueError("a private key")\r\n',
    b"eyJ is how base64 of JSON begins, as in eyJhIjoxfQ== here\r\n",
    b"import secret_santa; x = secret_santa.secret_names_of_everybody_in_the_house\r\n",
    bytes(range(256)) * 3,
]


@pytest.mark.parametrize("text", CLEAN)
@pytest.mark.parametrize("size", [1, 5, 1000])
def test_ordinary_text_is_left_as_it_is(text: bytes, size: int) -> None:
    assert masked(text, itertools.repeat(size), width=WIDTH) == (text, {})


FRAGMENTS = st.one_of(
    st.binary(max_size=12),
    st.sampled_from([secret.whole for secret in SECRETS if len(secret.whole) < 400]),
    st.sampled_from([secret.whole[:20] for secret in SECRETS]),
    st.sampled_from(
        [b"\x1b", b"\x1b[", b"\x1b[31m", b"\x1b[5;9H", b"\x1b]0;", b"\x07", b"\x1b\\", b"\r\n", b" "]
    ),
    st.just(KNOWN.value.encode()),
)


@settings(max_examples=400)
@given(st.lists(FRAGMENTS, max_size=12), st.lists(st.integers(1, 40), min_size=1, max_size=8), st.booleans())
def test_any_chunking_of_anything_gives_the_same(
    fragments: list[bytes], sizes: list[int], has_width: bool
) -> None:
    data = b"".join(fragments)
    width = 20 if has_width else None
    whole, counts = masked(data, width=width)
    assert len(whole) == len(data)
    assert shape(whole) == shape(data) or not data.isascii()
    cut, cut_counts = masked(data, itertools.cycle(sizes), width=width)
    assert (cut, cut_counts) == (whole, counts)


@settings(max_examples=200)
@given(st.text(alphabet="abcdefghijklmnop \n.,;:-_/()0123456789", max_size=400), st.integers(1, 50))
def test_text_without_secrets_is_unchanged(text: str, size: int) -> None:
    data = text.encode()
    assert masked(data, itertools.repeat(size)) == (data, {})


PASSWORD = "correct-horse-battery-9"
KNOWN_ONLY = Detector([], [KnownValue("PASSWORD", PASSWORD)], key=KEY)
#: Known values in each of their spellings, beside what the rules find.
SPELT = [
    Secret(KNOWN_RULE, b"", spelling)
    for known in (KNOWN, KnownValue("PASSWORD", PASSWORD))
    for spelling in spellings(known)
]
BOTH = Detector(RULES, [KNOWN, KnownValue("PASSWORD", PASSWORD)], key=KEY)
SHOWN_EARLY = [*SHOWN, *((secret, way) for secret in SPELT for way in WAYS)]
#: So many bytes come, and then there is no pause, a short or a long one.
STEPS = st.lists(
    st.tuples(st.integers(1, 12), st.sampled_from(["", "pause", "release"])), min_size=1, max_size=8
)


def places(data: bytes) -> bytes:
    """The same where spaces may be part of a secret."""
    return re.sub(rb"[ -~]", b".", data)


def let_go(masker: Masker, after: str) -> bytes:
    """What goes out in a pause: a short one gives out only what says too little, a long one ("release") everything."""
    return masker.release() if after == "release" or masker.hold is Hold.WEAK else b""


def masked_with_pauses(masker: Masker, data: bytes, steps: Iterable[tuple[int, str]]) -> bytes:
    given, position = b"", 0
    for size, after in itertools.cycle(steps):
        given += masker.feed(data[position : position + size])
        if after:
            given += let_go(masker, after)
        position += size
        if position >= len(data):
            return given + masker.finish()
    raise AssertionError("there are no steps")


def read_at_last(data: bytes) -> bytes:
    """What one reads: the text that stands in the end, and that of control strings."""
    reading = read(data, in_string=False)
    return bytes((reading.redrawn or reading.drawn).data) + b"\n" + bytes(reading.strings.data)


@settings(max_examples=1000)
@given(st.sampled_from(SHOWN_EARLY), STEPS)
@example((SPELT[0], as_it_is), [(1, "release")])
@example((SPELT[0], drawn_anew), [(1, "release")])
def test_whatever_goes_out_early_shows_no_body(
    shown_secret: tuple[Secret, Callable[[bytes], bytes]], steps: list[tuple[int, str]]
) -> None:
    """In each pause the masker must let go; a body that has begun stays hidden all the same."""
    secret, way = shown_secret
    shown = b"$ " + way(secret.whole) + b"\r\n"
    given = masked_with_pauses(Masker(BOTH), shown, steps)
    assert len(given) == len(shown)
    assert places(given) == places(shown) or not shown.isascii()
    before, after = read_at_last(shown), read_at_last(given)
    start = before.index(secret.body)
    seen = [at for at, byte in enumerate(secret.body) if after[start + at] == byte > 0x20]
    # A star or a letter of the mark may be what stood there by chance.
    assert len(seen) <= 3 + len(secret.body) // 8, given
    assert after.endswith(before[start + len(secret.body) + len(secret.behind) :])


@settings(max_examples=300)
@given(st.lists(FRAGMENTS, max_size=12), STEPS, st.booleans())
def test_pauses_change_no_place_of_anything(
    fragments: list[bytes], steps: list[tuple[int, str]], has_width: bool
) -> None:
    data = b"".join(fragments)
    given = masked_with_pauses(Masker(BOTH, width=20 if has_width else None), data, steps)
    assert len(given) == len(data)
    assert places(given) == places(data) or not data.isascii()


@settings(max_examples=200)
@given(st.integers(0, WIDTH), STEPS, st.sampled_from([TOKEN, *SPELT]))
@example(48, [(1, "release")], TOKEN)
@example(60, [(1, "release")], SPELT[-1])
def test_pauses_within_what_is_broken_at_the_margin_show_no_body(
    before: int, steps: list[tuple[int, str]], secret: Secret
) -> None:
    if not secret.body.isascii():
        return
    shown = b"\r\n" + broken_at_margin(before, secret.whole) + b" next\r\n"
    given = masked_with_pauses(Masker(BOTH, width=WIDTH), shown, steps)
    assert places(given) == places(shown)
    body = given.replace(b"\r\n", b"")[before + len(secret.public) :]
    seen = [at for at, byte in enumerate(secret.body) if body[at] == byte]
    assert len(seen) <= 3 + len(secret.body) // 8, given


def in_pieces(
    detector: Detector, *pieces: bytes, when: str = "release"
) -> tuple[list[bytes], dict[str, int]]:
    """What is given out for each piece with a pause behind it, and what was counted."""
    masker = Masker(detector)
    return [masker.feed(piece) + let_go(masker, when) for piece in pieces], dict(masker.counts)


def test_what_has_begun_like_a_known_value_is_masked_in_a_long_pause() -> None:
    pieces = (b"pw: correct-horse-batt", b"ery-9", b" on\r\n")
    assert in_pieces(KNOWN_ONLY, *pieces) == (
        [b"pw: " + b"*" * 18, b"*" * 5, b" on\r\n"],
        {KNOWN_RULE: 1},
    )


def test_of_a_known_value_three_letters_are_seen_at_most() -> None:
    letters = [letter.encode() for letter in PASSWORD]
    given, counts = in_pieces(KNOWN_ONLY, *letters)
    assert (b"".join(given), counts) == (b"cor" + b"*" * 20, {KNOWN_RULE: 1})
    given, counts = in_pieces(KNOWN_ONLY, *letters, b" and on", when="pause")
    assert re.fullmatch(rb"cor\[PASSWORD:[0-9a-f]{8}\]\* and on", b"".join(given)), given
    assert counts == {KNOWN_RULE: 1}


@pytest.mark.parametrize(
    ("value", "seen"), [("7391", 1), ("73914", 1), ("739146", 2), ("7391468", 2), ("73914682", 3)]
)
def test_of_a_short_known_value_less_than_half_is_seen(value: str, seen: int) -> None:
    detector = Detector([], [KnownValue("PIN", value)], key=KEY)
    given, _ = in_pieces(detector, *(b"%c" % byte for byte in value.encode()))
    assert b"".join(given) == value[:seen].encode() + b"*" * (len(value) - seen)


def test_what_parts_from_a_known_value_is_shown_from_there_on() -> None:
    given, counts = in_pieces(KNOWN_ONLY, b"see correct", b"ion: done\r\n", b"correct\r\n")
    assert given == [b"see *******", b"ion: done\r\n", b"correct\r\n"]
    assert counts == {KNOWN_RULE: 1}


def test_a_known_value_that_begins_within_another_beginning_is_masked() -> None:
    detector = Detector([], [KnownValue("ONE", "abcabcabd-xyz-1")], key=KEY)
    given, _ = in_pieces(detector, b"abcabc", b"abcabd-xyz-1", b" on")
    assert re.fullmatch(rb"\*{6}\[[0-9a-f]{8}\]\*\* on", b"".join(given)), given


def test_a_token_that_begins_like_a_known_one_is_masked() -> None:
    detector = Detector(RULES, [KnownValue("GITHUB_TOKEN", TOKEN.whole.decode())], key=KEY)
    other = TOKEN.public + bytes(reversed(TOKEN.body))
    for pieces in (
        [b"%c" % byte for byte in other],
        [other[:4], other[4:]],
        [other[:3], other[3:9], other[9:]],
    ):
        given = b"".join(in_pieces(detector, *pieces, b"\r\n")[0])
        assert not any(other[at : at + 4] in given for at in range(4, len(other) - 4)), given


@pytest.mark.parametrize("way", [as_it_is, colour_at_each_character, drawn_anew])
@pytest.mark.parametrize("step", [700, 5_000, 40_000])
def test_a_long_known_value_goes_on_masked_beyond_what_is_held(
    way: Callable[[bytes], bytes], step: int
) -> None:
    chooser = random.Random(1)
    value = "".join(chooser.choice("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(4_000))
    detector = Detector(RULES, [KnownValue("KEY", value)], key=KEY)
    shown = b"$ " + way(value.encode()) + b"\r\ndone\r\n"
    given = masked_with_pauses(Masker(detector), shown, [(step, "release")])
    assert places(given) == places(shown)
    before, after = read_at_last(shown), read_at_last(given)
    seen = [at for at in range(2, 2 + len(value)) if before[at] == after[at]]
    assert len(seen) <= 40, given[:200]
    assert after.endswith(b"\r\ndone\r\n\n")


@pytest.mark.parametrize("is_drawn_anew_first", [True, False])
def test_a_long_known_value_goes_on_masked_however_its_rest_is_drawn(is_drawn_anew_first: bool) -> None:
    chooser = random.Random(2)
    value = bytes(chooser.choice(b"abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(2_000))
    detector = Detector([], [KnownValue("KEY", value.decode())], key=KEY)
    first, rest = value[:1_500], value[1_500:]
    if is_drawn_anew_first:
        pieces = (drawn_anew(first), rest[:200], rest[200:])
    else:
        anew = b"".join(b"\b\x1b[4m%c%c" % pair for pair in itertools.pairwise(value[1_499:]))
        pieces = (colour_at_each_character(first), anew[:1_000], anew[1_000:])
    given, _ = in_pieces(detector, *pieces)
    for shown, masked_piece in zip(pieces, given, strict=True):
        assert places(masked_piece) == places(shown)
        # Of what is drawn nothing stays but stars, and the very first letter where it is drawn twice.
        text = re.sub(rb"\x1b\[[0-9;]*m|\x08", b"", masked_piece)
        assert not text.strip(b"*") or (shown is pieces[0] and not text[1:].strip(b"*")), masked_piece


def test_what_follows_a_title_that_ends_slowly_is_no_part_of_its_secret() -> None:
    shown = in_a_link(TOKEN.whole)
    given = masked_with_pauses(Masker(DETECTOR), shown, [(1, "release")])
    assert given.endswith(b"*\x1b\\a link\x1b]8;;\x1b\\")


def test_a_known_value_keeps_its_columns_when_it_is_masked_early() -> None:
    detector = Detector([], [KnownValue("PIN", "日本語é€🔑pass")], key=KEY)
    given, _ = in_pieces(detector, *(character.encode() for character in "日本語é€🔑pass!"))
    assert b"".join(given).decode() == "日\uff0a\uff0a·•🔒****!"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
@pytest.mark.parametrize("when", ["pause", "release"])
def test_a_port_is_no_password(size: int, when: str) -> None:
    shown = (
        b"Listening on http://0.0.0.0:8080... and http://localhost:3000, http://web:80/a ws://a.b:54321\r\n"
        b"http://db:5432/x https://[::1]:8443 docker.io/library/alpine:latest ssh://git@host:22/x.git\r\n"
    )
    assert masked_with_pauses(Masker(DETECTOR), shown, [(size, when)]) == shown


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        ((b"postgres://app:hunter2hunt", b"er2@db"), [b"postgres://app:***********", b"***@db"]),
        ((b"x://u:1", b"2", b"3456", b"7@h"), [b"x://u:1", b"2", b"****", b"*@h"]),
        ((b"x://u:12345", b"a", b"bc@h:80"), [b"x://u:12345", b"*", b"**@h:80"]),
        # It was none, which is known too late.
        ((b"docker://alpine:lat", b"est run"), [b"docker://alpine:***", b"est run"]),
    ],
)
def test_a_password_in_an_address_is_masked_before_its_end_is_known(
    pieces: tuple[bytes, ...], given: list[bytes]
) -> None:
    assert in_pieces(DETECTOR, *pieces)[0] == given


@pytest.mark.parametrize("held", [b"", b"\r\n"])
def test_a_secret_goes_on_masked_when_the_window_is_resized_within_it(held: bytes) -> None:
    for secret in (TOKEN, SPELT[-1], next(secret for secret in SECRETS if secret.rule == "url-password")):
        masker = EventMasker(BOTH, width=WIDTH)
        cut = len(secret.public) + 8
        first = b"." * (WIDTH - cut) + secret.whole[:cut] + held
        events: list[Event] = [
            Output(1, first),
            Resize(2, 100, 30),
            Output(3, secret.whole[cut:] + b" on\r\n"),
        ]
        taken = [one for event in events for one in masker.take(event)] + masker.finish()
        assert [type(event) for event in taken if isinstance(event, Resize)] == [Resize]
        given = b"".join(event.data for event in taken if isinstance(event, Output))
        assert places(given) == places(first + secret.whole[cut:] + b" on\r\n")
        assert given.endswith(secret.behind + b" on\r\n")
        assert not any(secret.body[at : at + 4] in given for at in range(len(secret.body) - 4)), given


def test_nothing_waits_when_nothing_is_suspicious() -> None:
    masker = Masker(DETECTOR)
    for text in (b"total 12\r\n", b"$ ", b"\x1b[32mok\x1b[0m\r\n"):
        assert masker.feed(text) == text
        assert masker.hold is Hold.NONE


def test_what_only_might_begin_a_secret_goes_out_in_a_pause() -> None:
    masker = Masker(DETECTOR)
    assert masker.feed(b"ends in g") == b"ends in "
    assert masker.held == 1
    assert masker.hold is Hold.WEAK
    assert masker.release() == b"g"
    assert masker.held == 0
    # And is remembered: what follows makes it one.
    rest = TOKEN.whole[1:] + b"\r\n"
    assert masker.feed(rest) == masked(TOKEN.whole + b"\r\n")[0][1:]


def test_what_began_like_a_secret_goes_out_masked_in_a_long_pause() -> None:
    masker = Masker(DETECTOR)
    assert masker.feed(TOKEN.whole[:20]) == b""
    assert masker.hold is Hold.FIRM
    assert masker.release() == TOKEN.whole[:4] + b"*" * 16
    # It goes on to be masked until it ends.
    assert masker.feed(TOKEN.whole[20:]) == b"*" * (len(TOKEN.whole) - 20)
    assert masker.feed(b" shown!") == b" shown!"
    assert dict(masker.counts) == {TOKEN.rule: 1}


def test_another_masker_goes_on_behind_what_one_gave_out() -> None:
    shown = b"x " + TOKEN.whole + b" shown\r\n"
    for cut in range(3, len(shown)):
        first, second = Masker(DETECTOR), Masker(DETECTOR)
        given = first.feed(shown[:cut]) + first.release()
        second.resume(given)
        given += second.feed(shown[cut:]) + second.finish()
        assert len(given) == len(shown)
        assert not any(TOKEN.body[at : at + 8] in given for at in range(len(TOKEN.body) - 8)), (cut, given)
        assert given.endswith(b" shown\r\n")


def test_never_more_than_a_bound_is_held() -> None:
    masker = Masker(DETECTOR)
    given = b""
    for _ in range(100):
        given += masker.feed(b"-----BEGIN PRIVATE KEY-----\r\n" + b"A" * 1000)
        assert masker.held <= MAX_HELD_BYTES
    assert len(given + masker.finish()) == 100 * 1029


HOSTILE = {
    "prefixes": b"-eyJ" * 50_000,
    "addresses": b"://a:" * 40_000,
    "tokens": b"xoxb-" * 40_000,
    "keys": b"-----BEGIN RSA PRIVATE KEY-----" * 6_000,
    "escapes": b"\x1b[" * 100_000,
    "long escape": b"\x1b[" + b"1;" * 100_000,
    "long title": b"\x1b]0;" + b"a" * 200_000,
    "backspaces": b"ab\b" * 60_000,
    "key by bytes": b"-----BEGIN PRIVATE KEY-----" + b"A" * 200_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_output_takes_time_in_proportion(name: str) -> None:
    def seconds(data: bytes) -> float:
        masker = Masker(DETECTOR, width=WIDTH)
        started = time.process_time()
        for start in range(0, len(data), 4096):
            masker.feed(data[start : start + 4096])
        masker.finish()
        return time.process_time() - started

    data = HOSTILE[name]
    quarter = min(seconds(data[: len(data) // 4]) for _ in range(2))
    assert seconds(data) < 10 * max(quarter, 0.005), name


def test_a_held_key_that_comes_byte_by_byte_is_not_looked_at_for_each() -> None:
    masker = Masker(DETECTOR)
    masker.feed(b"-----BEGIN PRIVATE KEY-----")
    started = time.process_time()
    for _ in range(10_000):
        masker.feed(b"A")
    assert time.process_time() - started < 2


def test_shadows_of_a_word_that_was_drawn_anew_are_masked_too() -> None:
    result, _ = masked(drawn_anew(TOKEN.whole) + b"\r\n")
    shown = re.sub(rb"\x1b\[4m|[\b\r\n]", b"", result)
    assert (
        sum(
            shown.count(b"%c" % byte)
            for byte in set(TOKEN.body) - set(TOKEN.public + b"[]:*-github-token0123456789abcdef")
        )
        == 0
    )


def test_a_cursor_that_goes_back_over_a_secret_does_not_hide_it() -> None:
    for back in (1, 5, len(TOKEN.whole)):
        for size in (1, 3, 1000):
            shown = b"$ " + TOKEN.whole + b"\b" * back + b"\x1b[K"
            result, counts = masked(shown, itertools.repeat(size))
            assert counts == {TOKEN.rule: 1}
            assert not any(TOKEN.body[at : at + 4] in result for at in range(len(TOKEN.body) - 4))


def test_random_output_with_secrets_in_it_shows_none() -> None:
    chooser = random.Random(7)
    for _ in range(60):
        secrets = chooser.sample([secret for secret in SECRETS if b"\n" not in secret.body], 3)
        words = [
            b"compiling",
            b"\x1b[33mwarning\x1b[0m",
            b"\r\n",
            b"ok 12",
            *(b" " + secret.whole + b" " for secret in secrets),
        ]
        chooser.shuffle(words)
        result, counts = masked(b" ".join(words), iter(lambda: chooser.randint(1, 60), None))
        assert sum(counts.values()) == 3
        assert not any(secret.body in result for secret in secrets)
