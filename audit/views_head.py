"""The newest signed head: what an auditor takes along, so that nobody can change the past behind their back."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.safestring import mark_safe
from django.views.decorators.http import require_safe

from audit.qr import head_qr_svg
from audit.strip import strip


@require_safe
def head(request: HttpRequest) -> HttpResponse:
    """Reads no entry and records nothing, so that it is there when the log can take no entries."""
    shown = strip()
    picture = head_qr_svg(shown.head.note) if shown.head else ""
    context = {
        "strip": shown,
        "head": shown.head,
        # Drawn by us from the squares of the code; no text of the note is in it.
        "picture": mark_safe(picture),  # noqa: S308
        "breadcrumbs": [(reverse("audit"), "Audit")],
        "rail_path": "/audit/",
    }
    return render(request, "audit/head.html", context)


@require_safe
def head_file(request: HttpRequest) -> HttpResponse:
    """The note alone, as `scrollback audit verify --head` takes it."""
    found = strip().head
    if found is None:
        raise Http404
    response = HttpResponse(found.note, content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.file_name}"'
    return response
