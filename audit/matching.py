"""A query as a condition on entries."""

from collections.abc import Callable
from functools import reduce
from json.encoder import encode_basestring
from operator import or_
from typing import Final

from django.db.models import Q

from audit.query import Query, Term
from audit.surroundings import surroundings

# More actions than there will ever be.
_MOST_ACTIONS: Final = 500


def condition(query: Query) -> Q:
    """Everything that is asked for: of one name any of the values, and none of those that are negated."""
    found = Q()
    for name in dict.fromkeys(term.name for term in query.terms):
        terms = query.named(name)
        wanted = [_of(term) for term in terms if not term.negated]
        if name in {"", "before", "after"}:
            # Each word has to be there, and each bound holds.
            for each in wanted:
                found &= each
        elif wanted:
            found &= reduce(or_, wanted)
        for term in terms:
            if term.negated:
                found &= ~_of(term)
    return found


def _of(term: Term) -> Q:
    return _CONDITIONS[term.name](term)


def _action(term: Term) -> Q:
    """A family becomes the actions that it holds: those have an index, beginnings of text have not."""
    beginning = term.beginning
    if beginning is None:
        return Q(action=term.value)
    return Q(action__in=[action for action in recorded_actions() if action.startswith(beginning)])


def recorded_actions() -> list[str]:
    """Every action that the log holds, those of older versions too: from one to the next through the index."""
    from audit.models import Entry

    found: list[str] = []
    actions = Entry.objects.order_by("action").values_list("action", flat=True)
    while len(found) < _MOST_ACTIONS:
        following = actions.filter(action__gt=found[-1] if found else "").first()
        if following is None:
            break
        found.append(following)
    return found


def _words(term: Term) -> Q:
    """In the canonical text quotes, backslashes and control characters are escaped, as RFC 8785 does it."""
    return Q(body__icontains=encode_basestring(term.value)[1:-1])


def _actor(term: Term) -> Q:
    if term.beginning is not None:
        return Q(actor_label__startswith=term.beginning)
    return Q(actor_label=term.value)


def _target(term: Term) -> Q:
    return Q(target_type=term.value) | Q(target_id=term.value) | Q(target_label__icontains=term.value)


def _idx(term: Term) -> Q:
    first, last = term.numbers
    return Q(idx__gte=first, idx__lte=last)


_CONDITIONS: Final[dict[str, Callable[[Term], Q]]] = {
    "": _words,
    "actor": _actor,
    "action": _action,
    "decision": lambda term: Q(decision=term.value),
    "target": _target,
    "project": lambda term: Q(session_id__in=surroundings().sessions_of(term.value)),
    "session": lambda term: Q(session_id=term.value),
    "run": lambda term: Q(run_id=term.value),
    "before": lambda term: Q(at_ms__lt=term.moment_ms),
    "after": lambda term: Q(at_ms__gte=term.moment_ms),
    "idx": _idx,
}
