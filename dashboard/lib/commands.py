"""What every command of the program has in common: an example in its help, one-line errors, exit codes."""

import errno
import json
import os
import sys
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, ClassVar, Final, NoReturn

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError, InterfaceError, OperationalError

from dashboard.lib.db import explain
from dashboard.lib.errors import Refused
from dashboard.lib.schema import require_schema
from dashboard.lib.text import one_line, storable

EXIT_WITH_LOSSES = 1
EXIT_REFUSED = 2
# The choices of an option are part of the message.
MAX_USAGE_CHARS: Final = 600
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


_surroundings: list[Callable[[], AbstractContextManager[object]]] = []


def surround_commands(surrounding: Callable[[], AbstractContextManager[object]]) -> None:
    """Let every command work inside of this, for what has to go on beside it or to be done in the end."""
    _surroundings.append(surrounding)


class Parser(CommandParser):
    """Says what is wrong with a command line in one line. Its parsers of verbs are of this class too."""

    def error(self, message: str) -> NoReturn:
        line = usage_error(self.prog, message)
        if self.called_from_command_line:
            self.exit(EXIT_REFUSED, f"{line}\n")
        raise CommandError(line, returncode=EXIT_REFUSED)


def number_from(least: int) -> Callable[[str], int]:
    """The type of an option that counts things."""

    def read(text: str) -> int:
        # More digits than any count has are a slip, and int() takes its time over thousands of them.
        if not (text.isascii() and text.isdecimal() and len(text) < 19) or int(text) < least:
            raise ArgumentTypeError(f"a number from {least} on, not {text!r}")
        return int(text)

    return read


def usage_error(program: str, message: str) -> str:
    """`sessions_app/client/parsing.py` says the same for the commands without Django."""
    return f"{program}: {one_line(message, MAX_USAGE_CHARS)}; see {program} --help"


def add_verb(verbs: Any, name: str, text: str, example: str) -> ArgumentParser:
    """The parser of one verb of a command; `verbs` is what its add_subparsers() returned."""
    verb: ArgumentParser = verbs.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    return verb


class ConsoleCommand(BaseCommand):
    """Exit 0: done. 1: done, with losses that were listed. 2: refused with one clear line.

    A subclass gives `help` and `example`, adds its arguments in `add_arguments`, and works in `run`,
    which returns the exit code. With `--json` it prints one object with `print_json` and nothing else
    on standard output.
    """

    example: ClassVar[str] = ""
    # Without it a command looks at the database itself, whatever state that is in.
    requires_schema: ClassVar[bool] = True
    # Without it a command works, or tells of it, whatever the address of the database is.
    requires_database: ClassVar[bool] = True
    # A server does for itself what goes on beside it.
    is_surrounded: ClassVar[bool] = True
    requires_system_checks = ()
    # Options that name files: their bytes are what they are. Any other text is for the database.
    file_options: ClassVar[frozenset[str]] = frozenset()

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """What BaseCommand does, with a parser of our own: that one names its class itself."""
        parser = Parser(
            prog=f"{os.path.basename(prog_name)} {subcommand}",
            description=self.help or None,
            epilog=f"example:\n  {self.example}" if self.example else None,
            formatter_class=RawDescriptionHelpFormatter,
            called_from_command_line=getattr(self, "_called_from_command_line", None),
            **kwargs,
        )
        _add_django_options(parser)
        self.add_arguments(parser)
        return parser

    def surrounds(self, _options: Mapping[str, Any]) -> bool:
        """Whether what goes on beside commands goes on beside this call."""
        return self.is_surrounded

    def run(self, **options: Any) -> int:
        raise CommandError(f"{type(self).__module__} does nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if self.requires_database and settings.CONFIG.database_error:
                raise Refused(settings.CONFIG.database_error)
            if self.requires_schema:
                require_schema()
            stored = {
                name: given if name in self.file_options else _stored(given)
                for name, given in options.items()
            }
            with ExitStack() as stack:
                for surrounding in _surroundings if self.surrounds(stored) else ():
                    stack.enter_context(surrounding())
                code = self.run(**stored)
            # Here, where it is known what to do when nobody reads any more.
            self.stdout.flush()
        except Refused as error:
            code = self.refuse(str(error))
        except (OperationalError, InterfaceError) as error:
            code = self.refuse(explain(error))
        except DatabaseError as error:
            code = self.refuse(f"The database refused: {explain(error)}")
        except BrokenPipeError:
            # Whoever read our output has seen enough. What is still buffered must not fail at exit again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0
        except OSError as error:
            if error.errno not in _NO_ROOM:
                raise
            code = self.refuse(
                f"{os.strerror(error.errno)}: {error.filename or 'the data directory'}. Free some space and try again."
            )
        except KeyboardInterrupt:
            self.stderr.write("Stopped.")
            code = 130
        if code:
            sys.exit(code)

    def refuse(self, message: str) -> int:
        self.stderr.write(f"scrollback: {message}")
        return EXIT_REFUSED

    def print_json(self, document: Any) -> None:
        self.stdout.write(json.dumps(document, ensure_ascii=False))


def _stored(given: Any) -> Any:
    """What was typed, as the database has it: a byte that is no UTF-8 arrives as half a surrogate pair."""
    if isinstance(given, str):
        return storable(given)
    return [_stored(part) for part in given] if isinstance(given, list) else given


def _add_django_options(parser: CommandParser) -> None:
    """What Django reads of every command; nothing that an operator needs, so the help does not have it."""
    parser.add_argument("-v", "--verbosity", type=int, choices=range(4), default=1, help=SUPPRESS)
    for name in ("--settings", "--pythonpath"):
        parser.add_argument(name, help=SUPPRESS)
    for name in ("--traceback", "--no-color", "--force-color"):
        parser.add_argument(name, action="store_true", help=SUPPRESS)
