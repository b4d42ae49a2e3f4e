from decimal import Decimal

import pytest

from dashboard.lib import formatting

NOW_MS = 1_795_176_000_000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@pytest.mark.parametrize(
    "distance_ms,words",
    [
        (0, "just now"),
        (44_999, "just now"),
        (45_000, "1 min ago"),
        (4 * MINUTE, "4 min ago"),
        (59 * MINUTE, "59 min ago"),
        (HOUR, "1 h ago"),
        (23 * HOUR, "23 h ago"),
        (DAY, "1 d ago"),
        (13 * DAY, "13 d ago"),
        (-3 * HOUR, "in 3 h"),
        (-10_000, "just now"),
    ],
)
def test_relative_time_says_how_long_ago(distance_ms: int, words: str) -> None:
    assert formatting.relative_time(NOW_MS - distance_ms, now_ms=NOW_MS) == words


def test_relative_time_is_a_date_from_two_weeks_on() -> None:
    assert formatting.relative_time(NOW_MS - 14 * DAY, now_ms=NOW_MS) == "6 Nov"
    assert formatting.relative_time(NOW_MS - 400 * DAY, now_ms=NOW_MS) == "16 Oct 2025"


@pytest.mark.parametrize(
    "length_ms,words",
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (4_212, "4.2 s"),
        (59_949, "59.9 s"),
        (59_950, "1m 00s"),
        (187_000, "3m 07s"),
        (3_600_000 + 4 * MINUTE, "1h 04m"),
        (53 * HOUR, "2d 05h"),
    ],
)
def test_duration_has_two_units_at_most(length_ms: int, words: str) -> None:
    assert formatting.duration(length_ms) == words


@pytest.mark.parametrize(
    "number,words",
    [
        (0, "0"),
        (9_999, "9,999"),
        (12_345, "12.3k"),
        (999_949, "1000k"),
        (33_944_484, "33.9M"),
        (-12_345, "-12.3k"),
    ],
)
def test_count_is_exact_below_ten_thousand(number: int, words: str) -> None:
    assert formatting.count(number) == words


def test_a_count_beside_a_place_stops_at_99() -> None:
    assert [formatting.nav_count(number) for number in (0, 99, 100, 1_000)] == ["0", "99", "99+", "99+"]


@pytest.mark.parametrize(
    "number,words",
    [(0, "0 B"), (999, "999 B"), (1_000, "1.0 kB"), (4_812_337_219, "4.8 GB"), (150_000, "150 kB")],
)
def test_byte_size_counts_in_thousands(number: int, words: str) -> None:
    assert formatting.byte_size(number) == words


def test_clock_is_written_as_in_an_address() -> None:
    assert formatting.clock(751_250) == "00:12:31"
    assert formatting.clock(100 * HOUR) == "100:00:00"


@pytest.mark.parametrize(
    "text,place_ms",
    [
        ("00:12:31.250", 751_250),
        ("12:31", 751_000),
        ("0:00.5", 500),
        ("75:00", 75 * 60_000),
        ("1:0:7", HOUR + 7_000),
        ("100:00:00", 100 * HOUR),
        ("20", 20_000),
        ("20.5", 20_500),
        ("751.25", 751_250),
        ("1m20s", 80_000),
        ("1m 20s", 80_000),
        ("1h 04m", HOUR + 4 * 60_000),
        ("90m", 90 * 60_000),
        ("20s", 20_000),
        ("4.2 s", 4_200),
        ("1h1.25s", HOUR + 1_250),
        ("", None),
        ("00:60", None),
        ("1:60:00", None),
        ("1:2:3:4", None),
        ("1:100", None),
        ("-1:00", None),
        ("-20", None),
        ("1:00.", None),
        (".5", None),
        ("1:00.1234567", None),
        ("1e9", None),
        ("s", None),
        ("20m1h", None),
        ("1m 20", None),
        ("1m ", None),
        ("1:20s", None),
        ("1:00\n", None),
        ("1234567:00:00", None),
        ("1234567890", None),
        ("\u0660\u0660:\u0660\u0661", None),
        (" 00:01", None),
    ],
)
def test_a_moment_is_read_as_people_and_links_write_it(text: str, place_ms: int | None) -> None:
    assert formatting.moment_us(text) == (None if place_ms is None else place_ms * 1000)


@pytest.mark.parametrize("offset_ms", [0, 7, 59_999, 751_250, 100 * HOUR])
def test_a_moment_is_read_back_as_it_was_written(offset_ms: int) -> None:
    assert formatting.moment_us(formatting.precise_clock(offset_ms)) == offset_ms * 1000


def test_of_a_long_path_the_end_is_shown() -> None:
    path = "/home/ada/projects/a-rather-long-name/samples/recorded/vim-edit.cast"
    assert formatting.path_end(path, 40) == "…/samples/recorded/vim-edit.cast"
    assert formatting.path_end("/short/one", 40) == "/short/one"
    assert formatting.path_end("no path " * 20, 40) == "no path " * 20
    assert len(formatting.path_end("/" + "x" * 100, 40)) == 40


@pytest.mark.parametrize(
    ("amount", "rounded", "exact"),
    [
        ("0", "$0", "$0.00"),
        ("0.000004", "< $0.001", "$0.000004"),
        ("0.0005", "$0.001", "$0.0005"),
        ("0.004", "$0.004", "$0.004"),
        ("0.037035", "$0.037", "$0.037035"),
        ("0.0996", "$0.10", "$0.0996"),
        ("0.27", "$0.27", "$0.27"),
        ("1.265", "$1.27", "$1.265"),
        ("3.000", "$3.00", "$3.00"),
        ("999.994", "$999.99", "$999.994"),
        ("999.996", "$1,000", "$999.996"),
        ("1234.4", "$1,234", "$1,234.40"),
        ("1E+3", "$1,000", "$1,000.00"),
    ],
)
def test_dollars_have_the_digits_that_one_reads(amount: str, rounded: str, exact: str) -> None:
    assert formatting.dollars(Decimal(amount)) == rounded
    assert formatting.exact_dollars(Decimal(amount)) == exact
