"""Tokens: one's own, and for operators everybody's."""

import uuid

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from dashboard.lib.clock import now_ms
from dashboard.lib.errors import Refused
from sessions_app.access import ADMINISTER, KEEP_OWN, may
from sessions_app.actions.tokens import create_token, revoke_token
from sessions_app.actors import actor_of
from sessions_app.models import ApiToken, Person
from sessions_app.sign_in import me, requires
from sessions_app.views.forms import TokenForm


@require_safe
def tokens(request: HttpRequest) -> HttpResponse:
    person = me(request)
    context = {
        "tab": "tokens",
        "tokens": _seen_by(person).select_related("owner")[:500],
        "now_ms": now_ms(),
        "shows_owners": may(person, ADMINISTER),
    }
    return render(request, "sessions_app/settings/tokens.html", context)


@requires(KEEP_OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def add_token(request: HttpRequest) -> HttpResponse:
    """Makes one and shows it in the answer itself, and never again."""
    person = me(request)
    form = TokenForm(request.POST or None, owner=person)
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            token, text = create_token(
                person, values["name"], values["scopes"], days=values["days"], actor=actor_of(person)
            )
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            context = {"tab": "tokens", "token": token, "text": text}
            return render(request, "sessions_app/settings/new_token.html", context)
    return render(request, "sessions_app/settings/add_token.html", {"tab": "tokens", "form": form})


@requires(KEEP_OWN)
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: HttpRequest, token_id: uuid.UUID) -> HttpResponse:
    """Asks first: whatever uses the token stops working."""
    person = me(request)
    token = get_object_or_404(_seen_by(person).select_related("owner"), pk=token_id)
    if request.method == "POST":
        revoke_token(token, actor=actor_of(person))
        messages.success(request, f"Token “{token.name}” revoked.")
        return redirect("settings-tokens")
    return render(request, "sessions_app/settings/revoke_token.html", {"tab": "tokens", "token": token})


def _seen_by(person: Person) -> QuerySet[ApiToken]:
    """One's own; for who administers, everybody's. Newest first."""
    rows = ApiToken.objects.all() if may(person, ADMINISTER) else ApiToken.objects.filter(owner=person)
    return rows.order_by("-created_ms", "-id")
