"""Who may do what: the whole policy on one screen.

Operators do everything. Viewers read everything but the audit log and change nothing but what is their own (read marks,
stars, saved views, tokens, their password). Auditors read everything and send nothing: the few addresses that they may
send to are named below, and every other is closed to them before its own code runs.
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
KEEP_ACCOUNT: Final = "keep_account"

_RIGHTS: Final[dict[str, frozenset[str]]] = {
    Role.OPERATOR: frozenset({READ, OPERATE, READ_AUDIT, ADMINISTER, KEEP_OWN, KEEP_ACCOUNT}),
    Role.VIEWER: frozenset({READ, KEEP_OWN, KEEP_ACCOUNT}),
    Role.AUDITOR: frozenset({READ, READ_AUDIT, KEEP_ACCOUNT}),
}

#: By the names of their addresses. The account has to be guarded by whoever has it; a saved view is a filter under a
#: name that nobody else sees, and the work with the log needs it. Nothing here changes what others see.
AUDITOR_SENDS_TO: Final = frozenset(
    {
        "sign-in",
        "sign-out",
        "setup",
        "settings-password",
        "settings-sign-out-others",
        "sessions-save-view",
        "audit-save-view",
        "settings-view-rename",
        "settings-view-delete",
    }
)

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


def keeps_marks(person: Person) -> bool:
    """Has this person marks of what they have read? To everybody else all would be unread for ever, so nothing is.

    Nobody looks at anything as the built-in owner of this machine's own token.
    """
    return may(person, KEEP_OWN) and not person.is_system


def may_send(visitor: "Visitor", address: str) -> bool:
    """May they send anything at all to the address of this name?"""
    return not isinstance(visitor, Person) or visitor.role != Role.AUDITOR or address in AUDITOR_SENDS_TO


def token_may(token: ApiToken, right: str) -> bool:
    """Has the token the right, by its scopes and by its owner's role?"""
    granted = any(right in _SCOPE_RIGHTS.get(scope, frozenset()) for scope in token.scopes)
    return granted and may(token.owner, right)


def may_use(person: Person, scope: str) -> bool:
    """Is every right of this scope one that the person has? Without counting whether they are active now."""
    return _SCOPE_RIGHTS[scope] <= _RIGHTS.get(person.role, frozenset())
