"""Every action that the log knows. Apps register theirs as they start.

A strict action does not happen without its entry: `record` and `append` write it in the transaction of the change, and
take nothing else. What is written as a matter of best effort happens all the same, so it is nothing that the console
does: it changes no state here, and `append_apart` writes it, which takes nothing that does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Action:
    """`name` is `noun.past_participle`, `sentence` reads behind an actor: "ada signed in"."""

    name: str
    sentence: str
    is_strict: bool = True
    # Whether it goes with a change of what is stored beside the log.
    changes_state: bool = True
    # Only entries of earlier versions bear it.
    is_retired: bool = False


_actions: dict[str, Action] = {}


class WrongWay(Exception):
    """The entry of this action is not written like that: what was promised of it would not hold."""


class UnknownAction(Exception):
    """The action is not in the catalogue: register it beside its code."""


def register(
    sentences: Mapping[str, str],
    *,
    best_effort: Collection[str] = (),
    changing_nothing: Collection[str] = (),
    retired: Collection[str] = (),
) -> None:
    """Add actions: names with their sentences, and what is not so of each that is strict and changes state."""
    for name in {*best_effort, *changing_nothing, *retired} - set(sentences):
        raise UnknownAction(name)
    for name in set(best_effort) - set(changing_nothing):
        raise WrongWay(f"{name} changes state, and nothing changes without its entry: it is strict")
    for name, sentence in sentences.items():
        _actions[name] = Action(
            name,
            sentence,
            is_strict=name not in best_effort,
            changes_state=name not in changing_nothing,
            is_retired=name in retired,
        )


def require(name: str) -> Action:
    """Raises UnknownAction, also for one that is not written any more."""
    if name not in _actions or _actions[name].is_retired:
        raise UnknownAction(name)
    return _actions[name]


def require_strict(name: str) -> None:
    """Raises WrongWay for what would undo a change by not being written, though it may be lost."""
    if not require(name).is_strict:
        raise WrongWay(f"{name} is best effort: it is written apart from any change")


def require_apart(name: str) -> None:
    """Raises WrongWay for what would leave a change without its entry, or an entry without its change."""
    if require(name).changes_state:
        raise WrongWay(f"{name} changes state: its entry belongs into the transaction of the change")


def action(name: str) -> Action:
    """Raises UnknownAction."""
    try:
        return _actions[name]
    except KeyError:
        raise UnknownAction(name) from None


def sentence_of(name: str) -> str:
    found = _actions.get(name)
    return found.sentence if found else name


def all_actions() -> Mapping[str, str]:
    return {name: _actions[name].sentence for name in sorted(_actions)}
