"""Who may do what: the whole policy on one screen.

Operators do everything. Viewers and auditors read everything and change nothing but what is their own
(read marks, stars, saved views, their password). Only operators and auditors read the audit log.
A token may do what its scopes say, and never more than its owner.
"""

from typing import TYPE_CHECKING, Final

from sessions_app.models.people import ApiToken, Person, Role, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    type Visitor = Person | AnonymousUser

READ: Final = "read"
OPERATE: Final = "operate"
READ_AUDIT: Final = "read_audit"
ADMINISTER: Final = "administer"
KEEP_OWN: Final = "keep_own"

_RIGHTS: Final[dict[str, frozenset[str]]] = {
    Role.OPERATOR: frozenset({READ, OPERATE, READ_AUDIT, ADMINISTER, KEEP_OWN}),
    Role.VIEWER: frozenset({READ, KEEP_OWN}),
    Role.AUDITOR: frozenset({READ, READ_AUDIT, KEEP_OWN}),
}

_SCOPE_RIGHTS: Final[dict[str, frozenset[str]]] = {
    Scope.READ: frozenset({READ}),
    Scope.WRITE: frozenset({READ, OPERATE}),
    Scope.AUDIT: frozenset({READ_AUDIT}),
    Scope.ADMIN: _RIGHTS[Role.OPERATOR],
}


def may(visitor: "Visitor", right: str) -> bool:
    """Has this visitor the right? Nobody who is not signed in or was disabled has any."""
    return (
        isinstance(visitor, Person) and visitor.is_active and right in _RIGHTS.get(visitor.role, frozenset())
    )


def token_may(token: ApiToken, right: str) -> bool:
    """Has the token the right, by its scopes and by its owner's role?"""
    granted = any(right in _SCOPE_RIGHTS.get(scope, frozenset()) for scope in token.scopes)
    return granted and may(token.owner, right)


def may_use(person: Person, scope: str) -> bool:
    """Is every right of this scope one that the person has? Without counting whether they are active now."""
    return _SCOPE_RIGHTS[scope] <= _RIGHTS.get(person.role, frozenset())
