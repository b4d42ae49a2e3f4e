"""What is one's own: name, password, sign-ins, saved views."""

import uuid

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.lib.errors import Refused
from sessions_app.access import KEEP_ACCOUNT, KEEP_OWN
from sessions_app.actions.people import change_password, rename_person, sign_out_everywhere
from sessions_app.actions.saved_views import delete_saved_view, rename_saved_view, save_view
from sessions_app.actions.sign_in import TooSoon, check_current_password
from sessions_app.actors import actor_of
from sessions_app.models import Person, SavedView
from sessions_app.sign_in import me, requires
from sessions_app.views.account import address_of
from sessions_app.views.forms import ChangePasswordForm, DisplayNameForm, SavedViewForm


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    return _mine(request)


def _mine(
    request: HttpRequest, *, name: DisplayNameForm | None = None, password: ChangePasswordForm | None = None
) -> HttpResponse:
    person = me(request)
    context = {
        "tab": "mine",
        "name_form": name or DisplayNameForm({"display_name": person.display_name}),
        "password_form": password or ChangePasswordForm(person=person),
    }
    return render(request, "sessions_app/settings/mine.html", context)


@requires(KEEP_OWN)
@require_POST
def change_name(request: HttpRequest) -> HttpResponse:
    form = DisplayNameForm(request.POST)
    if not form.is_valid():
        return _mine(request, name=form)
    person = me(request)
    rename_person(person.pk, form.cleaned_data["display_name"], actor=actor_of(person))
    messages.success(request, "Name saved.")
    return redirect("settings")


@requires(KEEP_ACCOUNT)
@sensitive_post_parameters("current", "password", "again")
@require_POST
def change_own_password(request: HttpRequest) -> HttpResponse:
    person = me(request)
    form = ChangePasswordForm(request.POST, person=person)
    if form.is_valid():
        try:
            if check_current_password(person, form.cleaned_data["current"], address=address_of(request)):
                changed = change_password(person.pk, form.cleaned_data["password"], actor=actor_of(person))
                return _still_signed_in(request, changed, "Password changed. Other sign-ins have ended.")
            form.add_error("current", "This is not your present password.")
        except TooSoon as refusal:
            form.add_error("current", str(refusal))
    return _mine(request, password=form)


@requires(KEEP_ACCOUNT)
@require_POST
def sign_out_others(request: HttpRequest) -> HttpResponse:
    person = me(request)
    changed = sign_out_everywhere(person.pk, actor=actor_of(person))
    return _still_signed_in(request, changed, "Every other sign-in has ended.")


def _still_signed_in(request: HttpRequest, person: Person, message: str) -> HttpResponse:
    """Keep this login, under a new session key, when all others of the person end."""
    update_session_auth_hash(request, person)
    messages.success(request, message)
    return redirect("settings")


@require_safe
def saved_views(request: HttpRequest) -> HttpResponse:
    views = SavedView.objects.filter(person=me(request)).order_by("page", "name")[:500]
    return render(request, "sessions_app/settings/saved_views.html", {"tab": "views", "views": views})


@requires(KEEP_ACCOUNT)
@require_http_methods(["GET", "HEAD", "POST"])
def rename_view(request: HttpRequest, view_id: uuid.UUID) -> HttpResponse:
    view = get_object_or_404(SavedView, pk=view_id, person=me(request))
    form = SavedViewForm(request.POST or None, initial={"name": view.name})
    if request.method == "POST" and form.is_valid():
        try:
            rename_saved_view(view_id, form.cleaned_data["name"], person=me(request))
        except Refused as refusal:
            form.add_error("name", str(refusal))
        else:
            messages.success(request, "View renamed.")
            return redirect("settings-views")
    context = {"tab": "views", "view": view, "form": form}
    return render(request, "sessions_app/settings/rename_view.html", context)


@requires(KEEP_ACCOUNT)
@require_POST
def delete_view(request: HttpRequest, view_id: uuid.UUID) -> HttpResponse:
    get_object_or_404(SavedView, pk=view_id, person=me(request))
    name = delete_saved_view(view_id, person=me(request))
    messages.success(request, f"View “{name}” deleted.")
    return redirect("settings-views")


@require_POST
def save_audit_view(request: HttpRequest) -> HttpResponse:
    """Keep the query of the audit log's list under a name. Its address asks for the right to read the log."""
    query = request.POST.get("query", "").removeprefix("?")
    view = save_view("audit", request.POST.get("name", ""), query, person=me(request))
    messages.success(request, f"Saved as {view.name}.")
    return redirect(f"/audit/?{query}" if query else "/audit/")
