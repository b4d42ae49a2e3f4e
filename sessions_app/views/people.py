"""People and roles: for operators only."""

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.lib.clock import now_ms
from dashboard.lib.errors import Refused
from sessions_app.access import ADMINISTER
from sessions_app.actions.people import change_role, create_person, disable_person, enable_person
from sessions_app.actions.setup import invite
from sessions_app.actors import actor_of
from sessions_app.models import Person, Role
from sessions_app.sign_in import me, requires
from sessions_app.views.forms import AddPersonForm, RoleForm


@requires(ADMINISTER)
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    rows = Person.objects.people().with_token_counts(now_ms())
    context = {"tab": "people", "people": rows.order_by("-is_active", "username")[:1000]}
    return render(request, "sessions_app/settings/people.html", context)


@requires(ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def add_person(request: HttpRequest) -> HttpResponse:
    form = AddPersonForm(request.POST or None, initial={"role": Role.VIEWER})
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        actor = actor_of(me(request))
        try:
            person = create_person(
                values["username"], Role(values["role"]), display_name=values["display_name"], actor=actor
            )
        except Refused as refusal:
            form.add_error("username", str(refusal))
        else:
            return _show_link(request, person, is_new=True)
    return render(request, "sessions_app/settings/add_person.html", {"tab": "people", "form": form})


@requires(ADMINISTER)
@require_safe
def person(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    return _person(request, _find(person_id))


def _person(request: HttpRequest, found: Person, form: RoleForm | None = None) -> HttpResponse:
    context = {
        "tab": "people",
        "person": found,
        "form": form or RoleForm(initial={"role": found.role}),
        "token_count": found.tokens.filter(revoked_ms=None, expires_ms__gt=now_ms()).count(),
    }
    return render(request, "sessions_app/settings/person.html", context)


@requires(ADMINISTER)
@require_POST
def set_role(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    found = _find(person_id)
    form = RoleForm(request.POST)
    if form.is_valid():
        role = Role(form.cleaned_data["role"])
        try:
            change_role(found.pk, role, actor=actor_of(me(request)))
        except Refused as refusal:
            form.add_error("role", str(refusal))
        else:
            messages.success(request, f"{found} is now {role.label.lower()}.")
            # Who gave up their own operator's role has no business on this page any more.
            return (
                redirect("settings") if found.pk == me(request).pk else redirect("settings-person", found.pk)
            )
    return _person(request, found, form)


@requires(ADMINISTER)
@require_http_methods(["GET", "HEAD", "POST"])
def disable(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """Asks first: everything that this person has open closes."""
    found = _find(person_id)
    context = {"tab": "people", "person": found, "refusal": ""}
    if request.method == "POST":
        try:
            disable_person(found.pk, actor=actor_of(me(request)))
        except Refused as refusal:
            context["refusal"] = str(refusal)
        else:
            messages.success(request, f"{found} can no longer sign in.")
            return redirect("settings-people")
    return render(request, "sessions_app/settings/disable_person.html", context)


@requires(ADMINISTER)
@require_POST
def enable(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    found = _find(person_id)
    enable_person(found.pk, actor=actor_of(me(request)))
    messages.success(request, f"{found} can sign in again.")
    return redirect("settings-person", found.pk)


@requires(ADMINISTER)
@require_POST
def make_link(request: HttpRequest, person_id: uuid.UUID) -> HttpResponse:
    """A link by which the person chooses a password; shown in the answer itself, and never again."""
    found = _find(person_id)
    if not found.is_active:
        raise Refused(f"{found} is disabled. Enable them first.")
    return _show_link(request, found)


def _show_link(request: HttpRequest, person: Person, *, is_new: bool = False) -> HttpResponse:
    url = request.build_absolute_uri(invite(person, actor=actor_of(me(request))))
    context = {"tab": "people", "person": person, "url": url, "is_new": is_new}
    return render(request, "sessions_app/settings/link.html", context)


def _find(person_id: uuid.UUID) -> Person:
    return get_object_or_404(Person.objects.people(), pk=person_id)
