"""Who calls the API: a token, or for reading also whoever is signed in."""

from dataclasses import dataclass

from django.http import HttpRequest

from audit.actors import Actor
from dashboard.lib.clock import now_ms
from sessions_app.access import may, token_may
from sessions_app.actions.tokens import authenticate_token, presented_token, why_unusable
from sessions_app.actors import actor_of
from sessions_app.api.problems import FORBIDDEN, UNAUTHENTICATED, Problem
from sessions_app.models import ApiToken, Person
from sessions_app.sign_in import SAFE_METHODS, record_denied


@dataclass(frozen=True, slots=True)
class Caller:
    person: Person
    token: ApiToken | None

    @property
    def actor(self) -> Actor:
        return actor_of(self.token or self.person)

    def may(self, right: str) -> bool:
        return token_may(self.token, right) if self.token else may(self.person, right)


def caller_of(request: HttpRequest) -> Caller:
    """Raises Problem. A wrong token is refused even when somebody is signed in."""
    header = request.headers.get("Authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        text = text.strip() if kind.lower() == "bearer" else ""
        token = authenticate_token(text)
        if token is None:
            _record_refused(request, presented_token(text))
            raise _unauthenticated("The token is unknown, expired or revoked.", error="invalid_token")
        return Caller(token.owner, token)
    # The login cookie is sent by any page of this host, so it never changes anything here.
    if request.method not in SAFE_METHODS:
        if isinstance(request.user, Person):
            record_denied(request, "send")
        raise _unauthenticated("Send a token: Authorization: Bearer sbk_…")
    if not isinstance(request.user, Person):
        raise _unauthenticated("Sign in, or send a token: Authorization: Bearer sbk_…")
    return Caller(request.user, None)


def require(request: HttpRequest, caller: Caller, right: str) -> None:
    """Raises Problem, and writes down who was refused what."""
    if caller.may(right):
        return
    record_denied(request, right, actor=caller.actor)
    raise Problem(
        FORBIDDEN, "Neither more nor less than the scopes of the token and the role of its owner allow."
    )


def _record_refused(request: HttpRequest, token: ApiToken | None) -> None:
    """Write down who was refused for their token: the token itself where it is known, with why it does not work."""
    if token is None:
        record_denied(request, "unknown token")
    else:
        record_denied(request, why_unusable(token, now_ms()) or "unknown token", actor=actor_of(token))


def _unauthenticated(detail: str, *, error: str = "") -> Problem:
    challenge = 'Bearer realm="scrollback"' + (f', error="{error}"' if error else "")
    return Problem(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})
