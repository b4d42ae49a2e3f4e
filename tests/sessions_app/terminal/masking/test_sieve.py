"""What the sieve passes over holds no secret, so that masking with it and without it is the same."""

import random
import time
from collections.abc import Callable

import pytest

from sessions_app.terminal.masking.catalogue import RULES
from sessions_app.terminal.masking.detector import Detector
from sessions_app.terminal.masking.events import mask_output
from sessions_app.terminal.masking.masker import Masker
from sessions_app.terminal.masking.sieve import Sieve
from tests.sessions_app.terminal.masking.secrets import (
    DETECTOR,
    KEY,
    SECRETS,
    WAYS,
    WIDTH,
    Secret,
    as_it_is,
    broken_at_margin,
)

# Nothing here reaches a database.
pytestmark = pytest.mark.once

pytest.importorskip("re2", reason="without it there is no sieve")

RULES_ONLY = Detector(RULES, key=KEY)
BLOCK = 16_384


def sieve() -> Sieve:
    made = Sieve.make(RULES_ONLY)
    assert made is not None
    return made


SIEVE = sieve()


@pytest.mark.parametrize("way", WAYS, ids=lambda way: str(way.__name__))
@pytest.mark.parametrize("secret", SECRETS, ids=lambda secret: secret.rule)
def test_every_secret_is_let_through(secret: Secret, way: Callable[[bytes], bytes]) -> None:
    shown = b"$ " + way(secret.whole) + b" and on\r\n"
    if b"\b" not in shown:
        ((start, end),) = SIEVE.candidates(shown, BLOCK)
        assert 2 <= start < end <= len(shown)


@pytest.mark.parametrize("before", range(0, WIDTH + 1, 5))
def test_one_that_the_program_broke_at_the_margin_is_let_through(before: int) -> None:
    for secret in SECRETS:
        if b"\n" not in secret.body:
            assert list(SIEVE.candidates(b"\r\n" + broken_at_margin(before, secret.whole), BLOCK))


def test_ordinary_output_is_not() -> None:
    text = (
        b"task-list of \x1b[1mdesk-top\x1b[0m at https://example.org:8000/a@b and r8_ or hf_hub_download\r\n"
    )
    assert not list(SIEVE.candidates(text * 100, BLOCK))


@pytest.mark.parametrize("seed", range(40))
def test_output_is_masked_alike_with_it_and_without_it(seed: int) -> None:
    chooser = random.Random(seed)
    pieces = [_ordinary(chooser) for _ in range(4_000)]
    for _ in range(chooser.choice([0, 1, 3, 8])):
        secret = chooser.choice(SECRETS)
        way = chooser.choice(WAYS) if b"\n" not in secret.body else as_it_is
        whole = way(secret.whole)
        whole = whole[: chooser.choice([len(whole), chooser.randrange(len(whole) + 1)])]
        pieces.insert(chooser.randrange(len(pieces)), b" " + whole + b" ")
    output = b"".join(pieces)
    # A block's edge in the middle of one, and batches that end in the middle of one.
    whole = chooser.choice(SECRETS).whole
    at = chooser.randrange(1, 4) * BLOCK - chooser.randrange(len(whole))
    output = output[:at] + b" " + whole + b" " + output[at:]
    middle = chooser.choice([len(output), at + len(whole) // 2, chooser.randrange(len(output))])
    batches = [batch for batch in (output[:middle], output[middle:]) if batch]
    with_it, without = Masker(RULES_ONLY, width=WIDTH), Masker(RULES_ONLY, width=WIDTH)
    assert [mask_output(with_it, [batch], SIEVE) for batch in batches] == [
        mask_output(without, [batch]) for batch in batches
    ]
    assert with_it.counts == without.counts


def test_what_holds_nothing_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []
    feed = Masker.feed

    def counted(masker: Masker, data: bytes) -> bytes:
        fed.append(len(data))
        return feed(masker, data)

    monkeypatch.setattr(Masker, "feed", counted)
    output = b"".join([_ordinary(random.Random(1)) for _ in range(20_000)])
    assert mask_output(Masker(RULES_ONLY, width=WIDTH), [output], SIEVE) == [output]
    assert sum(fed) < 5 * BLOCK < len(output)


def test_there_is_none_where_values_are_known() -> None:
    assert Sieve.make(DETECTOR) is None


def test_output_full_of_beginnings_takes_time_in_proportion() -> None:
    chooser = random.Random(1)
    prefixes = [prefix for rule in RULES for prefix in rule.prefixes]
    output = b"".join(chooser.choice(prefixes) for _ in range(250_000))
    began = time.process_time()
    assert sum(1 for _ in SIEVE.candidates(output, BLOCK)) <= len(output) // BLOCK + 1
    assert time.process_time() - began < 5


def _ordinary(chooser: random.Random) -> bytes:
    words = (
        b"started",
        b"/api/v1",
        b"\x1b[32mok\x1b[0m",
        b"task-",
        b"sk-",
        b"\xe2\x9c\x93",
        b"0x7ffd",
        b"://",
        b"\x1b[5;9H",
    )
    return b" ".join(chooser.choices(words, k=chooser.randrange(1, 9))) + chooser.choice(
        (b"\r\n", b"", b"\x1b]0;title\x07")
    )
