"""Numbers, times and sizes in the words the console uses; plain text, no markup, no Django."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from dashboard.lib.clock import instant

# Of a count that only says that there is much.
MOST_SHOWN: Final = 99
_DURATION_UNITS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))
_COUNT_UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
# Down to this step while it is less than that.
_DOLLAR_STEPS = ((Decimal("0.001"), Decimal("0.1")), (Decimal("0.01"), Decimal(1_000)))
_BYTE_UNITS = ((1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB"))
# Seconds alone, or behind minutes, or behind hours and minutes; and the same with a letter behind each.
_CLOCK = re.compile(r"(?:(?:(\d{1,6}):)?(\d{1,7}):)?(\d{1,9})(?:\.(\d{1,6}))?", re.ASCII)
_UNITS = re.compile(
    r"(?=\d)(?:(\d{1,6})h(?: ?(?=\d)|$))?(?:(\d{1,7})m(?: ?(?=\d)|$))?(?:(\d{1,9})(?:\.(\d{1,6}))? ?s)?",
    re.ASCII,
)
_AGO_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"))


def exact_time(at_ms: int) -> str:
    return instant(at_ms).strftime("%Y-%m-%d %H:%M:%S UTC")


def relative_time(at_ms: int, *, now_ms: int) -> str:
    """`just now`, `4 min ago`, `in 3 h`, and the date from two weeks on. `relative-time.js` says the same."""
    distance_ms = abs(now_ms - at_ms)
    if distance_ms < 45_000:
        return "just now"
    if distance_ms >= 14 * 86_400_000:
        at = instant(at_ms)
        return at.strftime("%-d %b %Y") if at.year != instant(now_ms).year else at.strftime("%-d %b")
    amount, unit = next(
        ((round(distance_ms / size), name) for size, name in _AGO_UNITS if distance_ms >= size), (1, "min")
    )
    return f"{amount} {unit} ago" if at_ms <= now_ms else f"in {amount} {unit}"


def duration(length_ms: int) -> str:
    """Two units at most: `340 ms`, `4.2 s`, `3m 07s`, `1h 04m`, `2d 05h`."""
    if length_ms < 1_000:
        return f"{length_ms} ms"
    if length_ms < 59_950:
        return f"{length_ms / 1000:.1f} s"
    seconds = round(length_ms / 1000)
    for size, unit, rest_size, rest_unit in _DURATION_UNITS:
        if seconds >= size:
            return f"{seconds // size}{unit} {seconds % size // rest_size:02d}{rest_unit}"
    return f"{seconds} s"


def clock(offset_ms: int) -> str:
    """A place on a session's clock, as it stands in `?t=`: `00:12:31`."""
    seconds = offset_ms // 1000
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def precise_clock(offset_ms: int) -> str:
    """The same to the millisecond: `00:12:31.250`."""
    return f"{clock(offset_ms)}.{offset_ms % 1000:03d}"


def moment_us(text: str) -> int | None:
    """The microseconds that `00:12:31.250`, `12:31`, `751.25` or `12m31s` says; None when it says none.

    What links (`?t=`) and commands (`--at`) are read with.
    """
    found = _CLOCK.fullmatch(text)
    if found and ((found[2] and int(found[3]) >= 60) or (found[1] and int(found[2]) >= 60)):
        return None
    found = found or _UNITS.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, fraction = found.groups(default="0")
    return (int(hours) * 3600 + int(minutes) * 60 + int(seconds)) * 1_000_000 + int(fraction.ljust(6, "0"))


def count(number: int) -> str:
    """Exact below ten thousand, then three digits and a unit: `998`, `1,204`, `12.3k`, `33.9M`."""
    return _scaled(number, _COUNT_UNITS, "") if abs(number) >= 10_000 else f"{number:,}"


def nav_count(number: int) -> str:
    """Beside a place, where it is enough to know that there are many: `7`, `99+`."""
    return f"{MOST_SHOWN}+" if number > MOST_SHOWN else str(number)


def counted(number: int, noun: str, plural: str = "") -> str:
    """With its noun, exact: `1 turn`, `12,345 turns`, `2 entries`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def dollars(amount: Decimal) -> str:
    """`$0.004`, `$1.27`, `$1,234`: as many digits as one reads; what is less than a thousandth says so."""
    if 0 < amount < Decimal("0.0005"):
        return "< $0.001"
    for step, below in _DOLLAR_STEPS:
        rounded = amount.quantize(step, ROUND_HALF_UP)
        if rounded < below:
            return f"${rounded:,}" if amount else "$0"
    return f"${amount.quantize(Decimal(1), ROUND_HALF_UP):,}"


def exact_dollars(amount: Decimal) -> str:
    """All its digits, two of them at least: `$3.00`, `$0.0375`, `$0.000412`."""
    exact = amount.normalize()
    exponent = exact.as_tuple().exponent
    digits = max(2, -exponent) if isinstance(exponent, int) else 2
    return f"${exact:,.{digits}f}"


def byte_size(number: int) -> str:
    """SI units, as disks and browsers count them: `812 B`, `12.3 kB`, `1.1 GB`."""
    return _scaled(number, _BYTE_UNITS, " ") if number >= 1_000 else f"{number} B"


def _scaled(number: int, units: tuple[tuple[int, str], ...], gap: str) -> str:
    for size, unit in units:
        if abs(number) >= size:
            scaled = number / size
            return f"{scaled:.0f}{gap}{unit}" if abs(scaled) >= 99.95 else f"{scaled:.1f}{gap}{unit}"
    return str(number)


_MODEL_DATE = re.compile(r"-(20\d{6}|20\d\d-\d\d-\d\d)$")


def model_name(name: str) -> str:
    """A model's name without its maker's and its date: `claude-sonnet-4-20250514` is `sonnet-4`."""
    return _MODEL_DATE.sub("", name.removeprefix("claude-"))


def path_end(path: str, limit: int = 48) -> str:
    """`…/recorded/vim-edit.cast`: of a long path the end, from a whole name on where one fits."""
    if len(path) <= limit or "/" not in path:
        return path
    end = path[1 - limit :]
    return "…" + (end[end.index("/") :] if "/" in end else end)
