"""`scrollback audit new-key`: replace a key that is lost or was seen by somebody."""

import argparse
from typing import Any, Final

from audit.actors import command_line
from audit.keys import KeyUnavailable, key_path
from audit.models import Log
from audit.new_key import replace_key
from audit.signing import write_checkpoint
from dashboard.audit_commands import Answer, add_why, require_reason
from dashboard.lib.errors import Refused

NAME: Final = "new-key"
TEXT: Final = "replace the key that signs the log, when it is lost or was seen by somebody"
EXAMPLE: Final = 'scrollback audit new-key --why "the old one was in a backup that was lost"'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_why(parser)


def run(why: str, **_: Any) -> Answer:
    require_reason(why)
    try:
        entry = replace_key(why, actor=command_line())
        write_checkpoint()
    except KeyUnavailable as error:
        raise Refused(str(error)) from error
    path = key_path(Log.objects.get(pk=Log.THE_ONE).origin)
    document = {"idx": entry.idx, "file": str(path)}
    text = f"The new key is in {path}, and entry {entry.idx:,} says so. Keep the next head elsewhere."
    return Answer(text, document)
