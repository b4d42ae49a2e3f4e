"""The pattern pages: every component in every state, and composed examples to copy from. Development only."""

import re

from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.urls import path
from django.views.decorators.http import require_safe

from dashboard import pattern_examples as examples
from dashboard.templatetags.ui import STATUS_WORDS
from sessions_app.access import READ
from sessions_app.sign_in import requires

PAGES = {
    "now": examples.now,
    "sessions": examples.sessions,
    "session": examples.session,
    "runs": examples.runs,
    "terminals": examples.terminals,
    "search": examples.search,
    "empty": examples.empty,
    "sign-in": examples.sign_in,
}


class ExampleForm(forms.Form):
    name = forms.CharField(label="Token name", help_text="Where it is used, for the audit log.")
    scope = forms.ChoiceField(label="Scope", choices=[("record", "Record"), ("read", "Read")])
    note = forms.CharField(label="Note", required=False, widget=forms.Textarea(attrs={"rows": 3}))
    expires = forms.BooleanField(label="Expires after 90 days", required=False)


@require_safe
@requires(READ)
def pattern_sheet(request: HttpRequest) -> HttpResponse:
    context = {
        "pages": PAGES,
        "statuses": STATUS_WORDS,
        "icons": re.findall(r'id="i-([^"]+)"', render_to_string("components/sprite.html")),
        "form": ExampleForm(initial={"name": "builder on rack 2"}),
        "refused_form": ExampleForm({"name": "", "scope": "read"}),
        **examples.components(),
    }
    return render(request, "dashboard/patterns.html", context)


@require_safe
@requires(READ)
def pattern_page(request: HttpRequest, name: str) -> HttpResponse:
    if name not in PAGES:
        raise Http404
    return render(request, f"dashboard/patterns/{name}.html", {**examples.shell(name), **PAGES[name]()})


urlpatterns = [
    path("", pattern_sheet, name="patterns"),
    path("<slug:name>/", pattern_page, name="pattern"),
]
