"""`scrollback audit grants`: the rights that keep the server's own role from changing the log."""

import argparse
from typing import Any, Final

from audit.grants import grants_script
from dashboard.audit_commands import Answer

NAME: Final = "grants"
TEXT: Final = "print the script that leaves the server's role on Postgres no right to change the log"
EXAMPLE: Final = "scrollback audit grants --web scrollback_web --owner scrollback_owner | psql scrollback"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--web", required=True, metavar="ROLE", help="the role that the server signs in as")
    parser.add_argument("--owner", required=True, metavar="ROLE", help="the role that is to own the tables")


def run(*, web: str, owner: str, **_: Any) -> Answer:
    script = grants_script(web, owner)
    return Answer(script.rstrip("\n"), {"script": script})
