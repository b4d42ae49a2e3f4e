"""What is filtered, as a file."""

from django.http import Http404, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from audit.exports.forms import FORMS, pieces
from audit.reading import note_log_export
from audit.surroundings import surroundings
from audit.views import query_of
from dashboard.lib.clock import ms_to_iso, now_ms
from dashboard.lib.streaming import streamed


@require_GET
def export(request: HttpRequest, form: str) -> HttpResponseBase:
    """A GET, as an auditor can send nothing else; that it was asked for is in the log before the first byte."""
    chosen = FORMS.get(form)
    if chosen is None:
        raise Http404
    query = query_of(request)
    size = note_log_export(query, form, actor=surroundings().actor(request))
    stamp = ms_to_iso(now_ms())[:19].replace(":", "")
    return streamed(pieces(query, size, chosen), f"audit-{stamp}.{chosen.ending}", chosen.content_type)
