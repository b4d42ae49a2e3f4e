"""scrollback search QUERY"""

from argparse import ArgumentParser
from typing import Any, ClassVar

import msgspec

from dashboard.lib.commands import ConsoleCommand, number_from
from dashboard.lib.formatting import exact_time
from dashboard.shell_text import plain
from sessions_app.actions.terminals.moments import with_moments
from sessions_app.actions.terminals.screens import stop_screens
from sessions_app.api.rendering import hit_document
from sessions_app.hit_places import moment_of
from sessions_app.legible import legible
from sessions_app.lookup import short_id
from sessions_app.models.people import COMMAND_LINE
from sessions_app.search.find import Hit, find
from sessions_app.search.query import QUALIFIERS, parse

DEFAULT_HITS = 20
MAX_HITS = 1_000
# A page answers within a second; whoever types a command can wait a little for more of the history.
_DEADLINE_SECONDS = 10.0
_BOLD, _PLAIN = "\x1b[1m", "\x1b[22m"


class Command(ConsoleCommand):
    help = (
        'Search messages, tool calls and terminals, newest first. Words must all occur; "a phrase", a beginning*, and '
        + ", ".join(f"{name}:" for name in QUALIFIERS)
        + " narrow it."
    )
    example: ClassVar[str] = "scrollback search 'kind:tool \"npm test\" after:2026-02-01'"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("query", nargs="+", metavar="QUERY")
        parser.add_argument(
            "--limit", type=number_from(1), default=DEFAULT_HITS, metavar="N", help="%(default)s hits"
        )
        parser.add_argument("--cursor", metavar="C", help="go on where an earlier answer ended")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def run(self, **options: Any) -> int:
        results = find(
            parse(" ".join(options["query"])),
            COMMAND_LINE,
            cursor=options["cursor"],
            limit=min(options["limit"], MAX_HITS),
            deadline_seconds=_DEADLINE_SECONDS,
        )
        try:
            found = with_moments(results.hits)
        finally:
            stop_screens()
        if options["json"]:
            hits = [msgspec.to_builtins(hit_document(hit)) for hit in found]
            more_in = sorted(map(str, results.more_in))
            self.print_json(
                {"hits": hits, "next": results.next, "is_partial": results.is_partial, "more_in": more_in}
            )
            return 0
        for hit in found:
            self.stdout.write(self._text(hit))
        if results.more_in:
            self.stderr.write("… and more in terminals: kind:terminal")
        if results.is_partial:
            self.stderr.write(f"The time was up before all was searched. Go on: --cursor {results.next}")
        elif results.next:
            self.stderr.write(f"… and older ones: --cursor {results.next}")
        elif not found:
            self.stderr.write("Nothing holds all of that.")
        return 0

    def _text(self, hit: Hit) -> str:
        on, off = (_BOLD, _PLAIN) if self.stdout.isatty() else ("", "")
        excerpt = "".join(
            f"{on}{legible(text)}{off}" if is_match else legible(text) for text, is_match in hit.excerpt
        )
        head = f"{_place(hit)}  {exact_time(hit.at_ms)}  {plain(hit.heading, 60)}"
        if hit.session is not None:
            head += f"  · {plain(hit.session.heading, 60)}"
        return f"{head}\n    {excerpt}"


def _place(hit: Hit) -> str:
    """What `show` takes, and where in it: a terminal with a moment, or a session with a place."""
    if hit.terminal is not None and hit.found is not None:
        return f"{short_id(hit.terminal)}  {moment_of(hit.found)}"
    if hit.session is None:
        raise AssertionError("a hit outside of terminals has a session")
    return short_id(hit.session) + ("" if hit.seq is None else f"  #{hit.seq}")
