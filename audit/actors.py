"""Who did something: a person, a token, or the machine's own command line."""

import getpass
import os
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Actor:
    """`label` is kept as text, so that an entry still reads when its actor is gone."""

    type: Literal["person", "token", "command", "system", "anonymous"]
    id: str
    label: str


SYSTEM = Actor(type="system", id="", label="scrollback")


def anonymous(label: str) -> Actor:
    """Somebody who is not signed in; the label is what they claimed or where they came from."""
    return Actor(type="anonymous", id="", label=label[:200])


def command_line() -> Actor:
    """Whoever runs this process on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = f"uid {os.getuid()}"
    return Actor(type="command", id=str(os.getuid()), label=f"{name} (command line)")
