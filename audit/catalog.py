"""Every action that the log knows, with its sentence. Apps register theirs as they start."""

from collections.abc import Mapping

_sentences: dict[str, str] = {}


class UnknownAction(Exception):
    """The action is not in the catalogue: register it beside its code."""


def register(sentences: Mapping[str, str]) -> None:
    """Add actions, each named `noun.past_participle`, with a sentence such as "signed in"."""
    _sentences.update(sentences)


def require(action: str) -> None:
    if action not in _sentences:
        raise UnknownAction(action)


def sentence_of(action: str) -> str:
    return _sentences.get(action, action)


def all_actions() -> Mapping[str, str]:
    return dict(sorted(_sentences.items()))
