"""The log, newest first. Nothing here can change it; who may read it is decided where the addresses are."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from audit import catalog
from audit.models import Entry
from dashboard.lib.errors import BadRequest
from dashboard.lib.keyset import page_of

PAGE_ROWS = 60
_FILTERS = {"action": "Action", "actor": "Who"}


@require_safe
def entries(request: HttpRequest) -> HttpResponse:
    chosen = {name: value for name in _FILTERS if (value := request.GET.get(name, ""))}
    action = chosen.get("action", "")
    if action and action not in catalog.all_actions():
        raise BadRequest(f"There is no action named {action[:60]!r}.")
    page = page_of(
        Entry.objects.with_action(action).by_actor(chosen.get("actor")).defer("body"),
        order=("idx",),
        limit=PAGE_ROWS,
        after=request.GET.get("after"),
        before=request.GET.get("before"),
    )
    context = {
        "entries": [(entry, catalog.sentence_of(entry.action)) for entry in page.rows],
        "pager": {"newer": _link(chosen, before=page.previous), "older": _link(chosen, after=page.next)},
        "chips": _chips(chosen),
        "action": action,
        "actions": list(catalog.all_actions()),
    }
    return render(request, "audit/entries.html", context)


@require_safe
def entry(request: HttpRequest, idx: int) -> HttpResponse:
    found = get_object_or_404(Entry, idx=idx)
    context = {
        "entry": found,
        "heading": f"{found.actor_label or 'somebody'} {catalog.sentence_of(found.action)}",
        "breadcrumbs": [(reverse("audit"), "Audit")],
        "rail_path": "/audit/",
    }
    return render(request, "audit/entry.html", context)


def _link(chosen: dict[str, str], **cursor: str | None) -> str:
    """The list at another page, filters kept; "" when there is no such page."""
    (name, value), *_ = cursor.items()
    return f"?{urlencode({**chosen, name: value})}" if value else ""


def _chips(chosen: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {
            "name": _FILTERS[name],
            "value": value,
            "remove": "?" + urlencode({key: kept for key, kept in chosen.items() if key != name}),
        }
        for name, value in chosen.items()
    ]
