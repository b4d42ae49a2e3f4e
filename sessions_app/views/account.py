"""Coming in and going out: sign-in, the setup links, sign-out."""

from datetime import timedelta

from django.contrib.auth import login, logout
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard.lib.errors import Refused
from dashboard.lib.own_path import FIRST_PAGE, own_path
from sessions_app.actions.setup import UsedLink, choose_password, create_first_operator, find_link
from sessions_app.actions.sign_in import TooSoon, record_sign_in, record_sign_out, sign_in
from sessions_app.models import Person, SetupLink
from sessions_app.nav_counts import nav_counts
from sessions_app.sign_in import LONGEST_S, record_denied
from sessions_app.views.forms import FirstOperatorForm, NewPasswordForm, SignInForm

# A sign-in page left open keeps its CSRF token this long; the row behind it is then swept.
_FORM_LIFETIME_S = 60 * 60


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in_page(request: HttpRequest) -> HttpResponse:
    goal = own_path(request.POST.get("next") or request.GET.get("next") or "")
    if isinstance(request.user, Person):
        return redirect(goal)
    form = SignInForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            person = sign_in(**form.cleaned_data, address=address_of(request))
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return _sign_in_form(request, form, goal, refusal)
        return let_in(request, person, goal)
    return _sign_in_form(request, form, goal)


def _sign_in_form(
    request: HttpRequest, form: SignInForm, goal: str, refusal: Refused | None = None
) -> HttpResponse:
    request.session.set_expiry(_FORM_LIFETIME_S)
    context = {
        "form": form,
        "next": goal,
        "host": request.get_host(),
        "nobody_exists": not Person.objects.people().exists(),
        "wait_s": refusal.wait_s if isinstance(refusal, TooSoon) else 0,
    }
    response = render(request, "sessions_app/account/sign_in.html", context)
    if isinstance(refusal, TooSoon):
        response.status_code = 429
        response["Retry-After"] = str(refusal.wait_s)
    return response


@login_not_required
@sensitive_post_parameters("password", "again")
@require_http_methods(["GET", "HEAD", "POST"])
def setup_page(request: HttpRequest, token: str) -> HttpResponse:
    """One link, one use: 404 for a wrong, used or expired one, so that nothing can be learnt from it."""
    link = find_link(token)
    if link is None:
        record_denied(request, "set-up link")
        raise Http404
    form_class = NewPasswordForm if link.person else FirstOperatorForm
    form = form_class(request.POST or None, person=link.person)
    if request.method == "POST" and form.is_valid():
        try:
            person = _use_link(link, token, form)
        except UsedLink as used:
            record_denied(request, "set-up link")
            raise Http404 from used
        except Refused as refusal:
            form.add_error(None, str(refusal))
        else:
            record_sign_in(person, address=address_of(request))
            return let_in(request, person, FIRST_PAGE)
    request.session.set_expiry(_FORM_LIFETIME_S)
    return render(request, "sessions_app/account/setup.html", {"form": form, "person": link.person})


def _use_link(link: SetupLink, token: str, form: NewPasswordForm) -> Person:
    values = form.cleaned_data
    if link.person is not None:
        return choose_password(token, values["password"])
    return create_first_operator(
        token, values["username"], values["password"], display_name=values["display_name"]
    )


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    if isinstance(request.user, Person):
        record_sign_out(request.user)
    logout(request)
    response = redirect("sign-in")
    # Pages that the browser kept. Its storage holds the theme and the keys only, its cookies are those of
    # every service of this host: both stay.
    response["Clear-Site-Data"] = '"cache"'
    return response


@require_safe
def counts(request: HttpRequest) -> JsonResponse:
    """The numbers of the rail, to keep them true while a page is open."""
    if not isinstance(request.user, Person):
        raise Http404
    return JsonResponse(nav_counts(request.user))


def let_in(request: HttpRequest, person: Person, goal: str) -> HttpResponseRedirect:
    """Begin a login under a new session key that ends at a fixed moment, however busy it is."""
    if isinstance(request.user, Person):
        logout(request)
    login(request, person)
    request.session.set_expiry(timezone.now() + timedelta(seconds=LONGEST_S))
    return HttpResponseRedirect(goal)


def address_of(request: HttpRequest) -> str:
    """The peer as the server sees it; a forwarded address is what the client wrote, so it is not read."""
    return str(request.META.get("REMOTE_ADDR", ""))
