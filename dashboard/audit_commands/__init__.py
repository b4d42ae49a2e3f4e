"""What `scrollback audit VERB` does, a module for each verb."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Answer:
    """What a verb has to say: lines for a person, an object for `--json`, and the exit code."""

    text: str
    document: dict[str, Any] = field(default_factory=dict)
    code: int = 0


class Verb(Protocol):
    """A module of this package."""

    @property
    def NAME(self) -> str: ...

    @property
    def TEXT(self) -> str: ...

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...

    @property
    def run(self) -> Callable[..., Answer]:
        """Takes the options by name. Raises Refused."""
        ...
