"""Template filters and tags of the console; a builtin of every template, so nothing loads it.

docs/interface.md lists each with an example, and /-/patterns/ shows them.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from django import template
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.forms import BoundField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from dashboard import places, shortcuts
from dashboard.lib import formatting
from dashboard.lib.clock import ms_to_iso, now_ms
from dashboard.lib.unified_diff import DiffLine, read_unified_diff
from sessions_app.access import may
from sessions_app.models import Person, Run
from sessions_app.pricing.cost import Cost
from sessions_app.session_list import SessionEntry
from sessions_app.timeline_rows import AnyRow

register = template.Library()

# Status and its word where the two differ. Every status has a glyph of its own in components/sprite.html.
STATUS_WORDS = {
    "live": "Live",
    "running": "Running",
    "waiting": "Needs you",
    "stalled": "Stalled",
    "failed": "Failed",
    "idle": "Idle",
    "unfinished": "Unfinished",
    "completed": "Completed",
    "cancelled": "Cancelled",
    "ended": "Ended",
    "queued": "Queued",
    "unknown": "Unknown",
    "archived": "Archived",
    "approved": "Approved",
    "rejected": "Rejected",
    "decided": "Decided",
    "allowed": "Allowed",
    "denied": "Denied",
}
# Stands for a number or a time that nobody knows.
ABSENT = "\N{EN DASH}"
# A diff of more lines is cut with a note: a browser lays out a table of this size without a pause.
DIFF_LINES = 2_000
_URL_KINDS = frozenset({UUID, int})
_import_map = SafeString()


def _drawn_once[**P](count: int) -> Callable[[Callable[P, SafeString]], Callable[P, SafeString]]:
    """Keep the last `count` drawings by their arguments; while templates are worked on, draw always."""

    def kept(draw: Callable[P, SafeString]) -> Callable[P, SafeString]:
        return draw if settings.DEBUG else cast(Callable[P, SafeString], lru_cache(maxsize=count)(draw))

    return kept


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """A glyph of components/sprite.html. With a label it speaks for itself, without one it is decoration."""
    return _glyph(name, label)


# Lists show the same few glyphs hundreds of times.
@lru_cache(maxsize=1_000)
def _glyph(name: str, label: str = "") -> SafeString:
    if label:
        return format_html(
            '<svg class="icon" role="img" aria-label="{}"><use href="#i-{}"/></svg>', label, name
        )
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def shell_command(arguments: str) -> str:
    """`scrollback` with these arguments, as it can be typed in the folder of a checkout too."""
    return f"{_program()} {arguments}"


@cache
def _program() -> str:
    # The README's two commands leave it in the checkout's own environment, which no shell looks into.
    own = settings.BASE_DIR / ".venv"
    from_checkout = Path(sys.prefix) == own and shutil.which("scrollback") is None
    return ".venv/bin/scrollback" if from_checkout else "scrollback"


@register.simple_tag
def url_of(name: str, *identifiers: UUID | int) -> SafeString:
    """`{% url name identifiers… %}` for the hundreds of rows of a list: the pattern is looked up once."""
    kinds = tuple(map(type, identifiers))
    if not _URL_KINDS.issuperset(kinds):
        raise TypeError(f"{identifiers!r} are not all UUIDs and numbers")
    return mark_safe(_url_pattern(name, kinds) % identifiers)  # noqa: S308  UUIDs, numbers, our own patterns


@cache
def _url_pattern(name: str, kinds: tuple[type, ...]) -> str:
    """The address with `%s` for each identifier."""
    # Numbers that no address of ours holds by itself.
    stand_ins = [
        kind(int=10**30 + place) if kind is UUID else 10**15 + place for place, kind in enumerate(kinds)
    ]
    pattern = reverse(name, args=stand_ins).replace("%", "%%")
    for stand_in in stand_ins:
        pattern = pattern.replace(str(stand_in), "%s", 1)
    return pattern


@register.simple_tag
def status_badge(status: str, word: str = "", framed: bool = False, evidence: str = "") -> SafeString:
    """Glyph and word. `evidence` says how the status is known and shows on hover."""
    return _badge(status, word, framed, evidence)


@lru_cache(maxsize=1_000)
def _badge(status: str, word: str, framed: bool, evidence: str) -> SafeString:
    known = status if status in STATUS_WORDS else "unknown"
    return format_html(
        '<span class="badge{}" data-status="{}"{}>{}<span>{}</span></span>',
        " badge--framed" if framed else "",
        known,
        format_html(' title="{}"', evidence) if evidence else "",
        _glyph(known),
        word or STATUS_WORDS[known],
    )


@register.filter
def relative_time(at_ms: int | None) -> SafeString | str:
    """`4 min ago`, kept up to date by the browser, the exact stamp on hover."""
    if at_ms is None:
        return ABSENT
    exact, relative = formatting.exact_time(at_ms), formatting.relative_time(at_ms, now_ms=now_ms())
    return mark_safe(  # noqa: S308  made of numbers here
        f'<relative-time><time datetime="{ms_to_iso(at_ms)}" title="{exact}">{relative}</time></relative-time>'
    )


@register.filter
def exact_time(at_ms: int | None) -> SafeString | str:
    """`2026-11-20 12:31:04 UTC`; the browser shows it in its own zone when asked to."""
    if at_ms is None:
        return ABSENT
    return format_html('<time datetime="{}">{}</time>', ms_to_iso(at_ms), formatting.exact_time(at_ms))


@register.filter
def duration(length_ms: int | None) -> SafeString | str:
    if length_ms is None:
        return ABSENT
    return _number(formatting.duration(length_ms), f"{length_ms:,} ms")


@register.filter
def clock(offset_ms: int) -> str:
    """A place on a session's clock: `00:12:31`."""
    return formatting.clock(offset_ms)


@register.filter
def count(number: int | None) -> SafeString | str:
    """`12.3k` with `12,345` on hover."""
    return ABSENT if number is None else _number(formatting.count(number), f"{number:,}")


@register.filter
def nav_count(number: int) -> str:
    """A count beside a place, `99+` for whatever is more."""
    return formatting.nav_count(number)


@register.filter
def exact_count(number: int) -> str:
    """`12,345`, for sums that one wants to add up."""
    return f"{number:,}"


@register.filter
def tokens(number: int | None) -> SafeString | str:
    return ABSENT if number is None else _number(formatting.count(number), f"{number:,} tokens")


@register.filter("bytes")
def byte_size(number: int | None) -> SafeString | str:
    """`1.1 GB` with the exact number of bytes on hover."""
    return ABSENT if number is None else _number(formatting.byte_size(number), f"{number:,} bytes")


@register.filter
def model_name(name: str) -> SafeString | str:
    """`sonnet-4` with `claude-sonnet-4-20250514` on hover."""
    return _with_exact(formatting.model_name(name), name)


@register.filter
def path_end(path: str) -> SafeString | str:
    """`…/recorded/vim-edit.cast`, whole on hover."""
    return _with_exact(formatting.path_end(path), path)


@register.filter
def dollars(amount: Decimal | float | None) -> SafeString | str:
    """`$4.12` with all digits on hover; under a tenth of a cent it says so instead of rounding to nothing."""
    if amount is None:
        return ABSENT
    # A template's own numbers are floats: by way of their shortest text they are what was written.
    exact = amount if isinstance(amount, Decimal) else Decimal(str(amount))
    return _with_exact(formatting.dollars(exact), formatting.exact_dollars(exact))


@register.filter
def exact_dollars(amount: Decimal | None) -> str:
    """`$0.0375`, as prices are."""
    return ABSENT if amount is None else formatting.exact_dollars(amount)


@register.filter
def cost(found: Cost) -> SafeString | str:
    """`$1.27`, `≥ $1.20` where some prices are not known, a dash where none is; the reason on hover."""
    unknown = f"No price is known for {', '.join(found.unknown)}" if found.unknown else ""
    if found.amount is None:
        return format_html('<span title="{}">{}</span>', unknown, ABSENT) if unknown else ABSENT
    rounded, exact = formatting.dollars(found.amount), formatting.exact_dollars(found.amount)
    if not unknown:
        return _with_exact(rounded, exact)
    return format_html('<span title="{}. {}">≥ {}</span>', exact, unknown, rounded)


@register.filter
def short_id(identifier: object) -> SafeString:
    """The last eight characters, whole on hover: the first ones of a UUIDv7 are only its time."""
    whole = str(identifier)
    return format_html('<span class="id" title="{}">{}</span>', whole, whole[-8:])


@register.simple_tag
def row_place(row: AnyRow, run: Run | None) -> SafeString:
    """Where a row of a transcript stands: the line of its source, and its moment, on the page of `run`."""
    subject, session_id = row.subject, row.session.pk
    line = subject.source_line
    raw_link = ""
    if subject.source_id and line:
        address = url_of("session-raw-line", session_id, subject.source_id, line)
        raw_link = (
            f'<a class="raw-link" href="{address}" title="The source\'s own line"'
            f' aria-label="Source line {line}">line {line}</a>'
        )
    page = url_of("run", run.pk) if run and run.parent_id else url_of("session", session_id)
    return mark_safe(  # noqa: S308  UUIDs and numbers
        f'{raw_link}<a class="moment" href="{page}?at={row.seq}" title="{row.stamp}"'
        f' data-seek="{row.offset_ms}">{formatting.clock(row.offset_ms)}</a>'
    )


@register.filter
def percent(part: float, whole: float) -> str:
    """`12.3%` of the whole, for `--at` and `--size` of bars and marks; clamped to 0 to 100."""
    return f"{max(0.0, min(100.0, 100 * part / whole)) if whole else 0:.2f}%"


def _number(shown: str, exact: str) -> SafeString | str:
    """As _with_exact for what is made of a number and needs no escape but that of `<`."""
    if shown == exact:
        return shown
    return mark_safe(f'<span title="{exact}">{shown.replace("<", "&lt;")}</span>')  # noqa: S308


def _with_exact(shown: str, exact: str) -> SafeString | str:
    return shown if shown == exact else format_html('<span title="{}">{}</span>', exact, shown)


@dataclass(frozen=True, slots=True)
class RailEntry:
    place: places.Place
    is_current: bool
    number: int


@register.simple_tag(takes_context=True)
def rail_places(context: template.Context) -> SafeString:
    """The places that this person may read, the present one marked, with the numbers of `nav_counts`, which may be
    absent.
    """
    request: HttpRequest | None = context.get("request")
    path = context.get("rail_path") or (request.path if request else "")
    counts: Mapping[str, int] = context.get("nav_counts") or {}
    return _drawn_places(
        tuple(RailEntry(place, place.holds(path), counts.get(place.count, 0)) for place in places_of(context))
    )


@_drawn_once(200)
def _drawn_places(entries: tuple[RailEntry, ...]) -> SafeString:
    return render_to_string("components/rail-places.html", {"entries": entries})


@register.simple_tag(takes_context=True)
def places_of(context: template.Context, beginning: str = "") -> list[places.Place]:
    """Those that this person may read whose names begin so."""
    allowed = _rights(context)
    return [
        place
        for place in places.PLACES
        if allowed(place.right) and place.name.lower().startswith(beginning.lower())
    ]


def _rights(context: template.Context) -> Callable[[str], bool]:
    """What whoever looks at this page may do; everything where nobody is known, as on the page of patterns."""
    user = getattr(context.get("request"), "user", None)
    return (lambda right: may(user, right)) if isinstance(user, Person) else (lambda _right: True)


@register.simple_tag
@_drawn_once(1)
def document_head() -> SafeString:
    """What the head of every document begins with."""
    return render_to_string("components/head.html")


@register.simple_tag
def import_map() -> SafeString:
    """Every module of ours under its plain name, so that a new file needs no entry anywhere.

    `js/elements/nav-list.js` is `scrollback/elements/nav-list`, `vendor/xterm/xterm.js` `vendor/xterm/xterm`.
    """
    global _import_map
    if not _import_map or settings.DEBUG:
        paths = {path for finder in get_finders() for path, _ in finder.list([]) if path.endswith(".js")}
        imports = {
            (f"scrollback/{path[3:-3]}" if path.startswith("js/") else path[:-3]): static(path)
            for path in sorted(paths)
            if path.startswith(("js/", "vendor/"))
        }
        _import_map = mark_safe(json.dumps({"imports": imports}, indent=1).replace("<", "\\u003c"))  # noqa: S308
    return _import_map


@register.simple_tag(takes_context=True)
def keys(context: template.Context) -> SafeString:
    """The sheet of keys and what they do, for whoever looks at this page."""
    return _drawn_keys(frozenset(filter(_rights(context), shortcuts.RIGHTS)))


@_drawn_once(8)
def _drawn_keys(rights: frozenset[str]) -> SafeString:
    allowed = shortcuts.shortcuts_of(rights)
    found = {"groups": shortcuts.by_group(allowed), "bindings": shortcuts.bindings(allowed)}
    return render_to_string("components/key-sheet.html", found)


@register.simple_tag
@_drawn_once(2_000)  # Some 6 MB when it is full.
def session_row(entry: SessionEntry, selectable: bool) -> SafeString:
    """The row of a list of sessions; of an entry that looks like one before, the same drawing again."""
    context = {"entry": entry, "selectable": selectable}
    return render_to_string("sessions_app/lists/_session_row.html", context)


@register.inclusion_tag("components/diff.html")
def diff_view(patch: str | Sequence[DiffLine], path: str = "") -> dict[str, Any]:
    """A unified diff, or its lines, drawn with line numbers and signs; of a very long one the first lines."""
    lines = list(read_unified_diff(patch)) if isinstance(patch, str) else patch
    return {
        "path": path,
        "lines": lines[:DIFF_LINES],
        "left_out": max(0, len(lines) - DIFF_LINES),
        "added": sum(line.kind == "added" for line in lines),
        "removed": sum(line.kind == "removed" for line in lines),
    }


@register.inclusion_tag("components/field.html")
def field(bound: BoundField, *, focus: bool = False) -> dict[str, Any]:
    """Label, control, help and errors of a form field, wired together for a screen reader.

    With `focus` one may type into it as soon as the page is there.
    """
    described = [f"{bound.id_for_label}_help"] if bound.help_text else []
    described += [f"{bound.id_for_label}_error"] if bound.errors else []
    attributes = {"class": "input", "aria-describedby": " ".join(described)}
    if bound.errors:
        attributes["aria-invalid"] = "true"
    if focus:
        attributes["autofocus"] = "autofocus"
    is_choice = getattr(bound.field.widget, "input_type", "") == "checkbox"
    if is_choice:
        del attributes["class"]
    return {
        "field": bound,
        "is_choice": is_choice,
        "control": bound.as_widget(attrs={name: value for name, value in attributes.items() if value}),
    }


def _block_component(name: str) -> None:
    """`{% name key=value %}body{% endname %}` renders components/<name>.html with the keys and `body`."""

    def render(content: str, **parameters: Any) -> str:
        template_name = f"components/{name.replace('_', '-')}.html"
        # What stands between the tags is the template's own output, escaped where it had to be.
        return render_to_string(template_name, {**parameters, "body": mark_safe(content.strip())})  # noqa: S308

    register.simple_block_tag(render, name=name)


for _name in ("notice", "message", "tool_call", "fold", "dialog", "menu", "page_header", "empty"):
    _block_component(_name)
