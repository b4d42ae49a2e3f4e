"""Search inside one terminal and over all of them, in this process and over HTTP, and the moments that hits open.

Logs inside one, as they hold the most text; over all of them many recordings of every kind.
"""

import http.client
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from benchmarks.harness import MB, Console, Options, percentiles, say
from benchmarks.processes import Failed
from benchmarks.terminal_corpus import KINDS, write_cast
from benchmarks.terminal_recordings import SIZES_MB, Imported, import_recording, rows_of

if TYPE_CHECKING:
    from benchmarks.visiting import Visitor
    from sessions_app.models import Person, Terminal
    from tests.browser.running import Server

TARGET_FIRST_MS = 100
TARGET_ALL_MS = 1_500
ROUNDS = 5
# Recordings that are searched together, and bytes of output of each.
MANY = 1_000
MANY_BYTES = 100_000
PAGES = 40
LANDINGS = 100
# {name: (pattern, whether it is a regular expression)}. The first one has hits everywhere, the others none.
PATTERNS = {
    "common": ("failed", False),
    "absent": ("no such thing as this", False),
    # k and s have more forms than two, so these cannot be skipped by looking for a letter.
    "absent with k and s": ("kiss skips", False),
    "absent, in any script": ("ошибка диска", False),
    "regular expression": (r"error: .* exit status \d{4}", True),
    "regular expression without a beginning": (r"[a-z]+\d+=\d{7}z", True),
}


# What is looked for in all terminals: what nearly every one has, what none has, and both.
QUERIES = {
    "common": "failed",
    "in terminals": "kind:terminal failed",
    "beginning of a word": "fail*",
    "phrase": '"box sshd"',
    "absent": "nosuchwordatall",
    "common and absent": "failed nosuchwordatall",
}


@dataclass(frozen=True)
class _Searched:
    """Until the first hit, if there was one, and until the end."""

    first_ms: float | None
    all_ms: float
    processor_ms: float
    hits: int


def run(options: Options, console: Console) -> dict[str, Any]:
    imported = [import_recording(console, "log", megabytes * MB) for megabytes in options.scaled(*SIZES_MB)]
    many = _import_many(console, MANY // 100 if options.quick else MANY)
    console.use_here()
    from benchmarks import visiting

    rounds = 2 if options.quick else ROUNDS
    sizes = [_measure(one, rounds) for one in imported]
    person = visiting.make_operator()
    cookie = visiting.cookie_of(person)
    with visiting.serving(console) as server, visiting.Visitor(server, cookie) as visitor:
        for size, one in zip(sizes, imported, strict=True):
            size["over_http"] = _over_http(server, cookie, one, rounds)
            size["landing"] = _land(server, cookie, one, options.requests(LANDINGS))
            say(f"{size['over_http']} {size['landing']}")
        everywhere = _everywhere(person, visitor, options.requests(PAGES))
    return {
        "target": {"first_hit_ms": TARGET_FIRST_MS, "all_ms": TARGET_ALL_MS},
        "sizes": sizes,
        "everywhere": {"terminals": many + len(imported), "queries": everywhere},
    }


def _import_many(console: Console, count: int) -> int:
    """Recordings of all kinds, no two alike; how many. Raises Failed when one is missing."""
    folder = console.folder / "many"
    folder.mkdir()
    say(f"making {count} recordings")
    for number in range(count):
        write_cast(folder / f"{number}.cast", KINDS[number % len(KINDS)], MANY_BYTES + number)
    console.measured("import", str(folder), "--json")
    ((found,),) = rows_of(
        console,
        f"SELECT COUNT(*) FROM sessions_app_terminal WHERE derived_end AND size < {2 * MANY_BYTES}",  # noqa: S608
    )
    if found != count:
        raise Failed(f"of {count} recordings {found} are there with all that is derived")
    return count


def _measure(imported: Imported, rounds: int) -> dict[str, Any]:
    from django.db.models import Sum

    from sessions_app.models import Terminal, TerminalText

    terminal = Terminal.objects.get(pk=imported.terminal_id)
    text = TerminalText.objects.filter(terminal=terminal).aggregate(bytes=Sum("size"))
    last_line = _last_line(terminal)
    patterns = {**PATTERNS, "the last line": (last_line, False)}
    figures = {
        "mb": terminal.size // 10**6,
        "text_mb": text["bytes"] // 10**6,
        "patterns": {name: _times(terminal, *pattern, rounds) for name, pattern in patterns.items()},
    }
    say(f"{figures}")
    return figures


def _times(terminal: "Terminal", text: str, is_regex: bool, rounds: int) -> dict[str, Any]:
    """Medians and the worst, in milliseconds; the first round reads what no cache holds yet and counts too.

    Processor time is that of all threads, without a database server's: half of it is the least that two cores need.
    """
    searches = [_search(terminal, text, is_regex) for _ in range(rounds)]
    first = [found.first_ms for found in searches if found.first_ms is not None]
    return {
        "hits": searches[0].hits,
        "first_hit_ms": median_low(first) if first else None,
        "all_ms": median_low(found.all_ms for found in searches),
        "worst_all_ms": max(found.all_ms for found in searches),
        "processor_ms": median_low(found.processor_ms for found in searches),
    }


def _search(terminal: "Terminal", text: str, is_regex: bool) -> _Searched:
    """Raises Failed when the time was up."""
    from sessions_app.actions.terminals.searching import TerminalSearch
    from sessions_app.terminal.line_search import Pattern

    first = None
    started, processor = time.perf_counter(), time.process_time()
    search = TerminalSearch(terminal, Pattern(text, is_regex=is_regex), deadline_s=60)
    for hits in search.batches():
        if hits and first is None:
            first = _since_ms(started)
    whole, used = _since_ms(started), round((time.process_time() - processor) * 1000, 1)
    if search.outcome.searched < 1:
        raise Failed(f"{text!r} was not searched for to the end")
    return _Searched(first, whole, used, search.outcome.hits)


def _last_line(terminal: "Terminal") -> str:
    """The newest line with anything on it: whoever looks for it needs all of the text before."""
    from sessions_app.models import TerminalText
    from sessions_app.terminal.lines import decode_lines

    block = TerminalText.objects.filter(terminal=terminal).order_by("offset").last()
    if block is None:
        raise Failed("there is no text to search")
    return next(line.text for line in reversed(decode_lines(block.read())) if line.text.strip())[:200]


def _since_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)


def _over_http(server: "Server", cookie: str, imported: Imported, rounds: int) -> dict[str, Any]:
    """The same as `_times` over HTTP, until the first line has come and until the last."""
    figures = {}
    for name, (text, is_regex) in PATTERNS.items():
        answers = [_ask(server, cookie, imported, text, is_regex) for _ in range(rounds)]
        first = [answer.first_ms for answer in answers if answer.hits]
        figures[name] = {
            "hits": len(answers[0].hits),
            "first_hit_ms": median_low(first) if first else None,
            "all_ms": median_low(answer.all_ms for answer in answers),
        }
    return figures


@dataclass(frozen=True)
class _Answered:
    """Until the first line of an answer and until its end; `hits` as the page gets them."""

    first_ms: float
    all_ms: float
    hits: list[dict[str, Any]]


def _ask(server: "Server", cookie: str, imported: Imported, text: str, is_regex: bool) -> _Answered:
    """Raises Failed for an answer that does not say that all was searched, or that there are more hits."""
    query = urlencode({"q": text, "regex": int(is_regex)})
    started = time.perf_counter()
    with _got(server, cookie, f"/terminals/{imported.terminal_id}/search?{query}") as response:
        lines = [json.loads(response.readline())]
        first_ms = _since_ms(started)
        lines += map(json.loads, response)
    *hits, last = lines
    if not last.get("done") or last.get("error") or not (last["is_cut"] or last["searched"] == 1):
        raise Failed(f"the search for {text!r} ended with {last}")
    return _Answered(first_ms, _since_ms(started), hits)


def _land(server: "Server", cookie: str, imported: Imported, count: int) -> dict[str, Any]:
    """Opening hits, spread over those that the page lists: until it is known where the line begins to stand."""
    hits = _ask(server, cookie, imported, PATTERNS["common"][0], False).hits
    opened = hits[:: max(1, len(hits) // count)][:count]
    if not opened:
        raise Failed("there is no hit to open")
    milliseconds, not_found = [], 0
    for hit in opened:
        query = urlencode({name: hit[name] for name in ("offset", "text", "start", "end")})
        started = time.perf_counter()
        with _got(server, cookie, f"/terminals/{imported.terminal_id}/moment?{query}") as response:
            not_found += response.status == http.client.NO_CONTENT
            response.read()
        milliseconds.append(_since_ms(started))
    return {**percentiles(milliseconds), "not_found": not_found}


@contextmanager
def _got(server: "Server", cookie: str, path: str) -> Iterator[http.client.HTTPResponse]:
    """An answer that is read while it comes. Raises Failed for anything but one."""
    from benchmarks.visiting import TIMEOUT_S, cookie_header

    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path, headers=cookie_header(cookie))
        response = connection.getresponse()
        if response.status not in (http.client.OK, http.client.NO_CONTENT):
            raise Failed(f"GET {path} gave {response.status}")
        yield response
    finally:
        connection.close()


def _everywhere(person: "Person", visitor: "Visitor", count: int) -> dict[str, Any]:
    """The page of the search over everything. `is_partial`: a second was over before all was looked at."""
    from benchmarks.visiting import client_of, page_figures
    from sessions_app.search.find import find
    from sessions_app.search.query import parse

    client = client_of(person)
    figures = {}
    for name, text in QUERIES.items():
        found = find(parse(text), person)
        path = f"/search/?{urlencode({'q': text})}"
        figures[name] = {
            "hits": len(found.hits),
            "is_partial": found.is_partial,
            **page_figures(path, client, visitor, count),
        }
        say(f"{name}  {figures[name]}")
    return figures
