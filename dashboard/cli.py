"""The `scrollback` program: one dispatcher for the recorder and the management commands."""

import difflib
import os
import sys

OVERVIEW = """\
usage: scrollback COMMAND [OPTIONS]

The operator's console for AI agents on one's own machines.

  serve      serve the console to browsers
  import     read histories of agents and recordings of terminals, once
  watch      the same, then follow them
  record     run a program and record its terminal
  mark       name this moment of the recording that one is in
  upload     send recordings that the server lacks

  list       list sessions or terminals
  show       show one of them
  screen     what a terminal showed at a moment
  search     search messages and tool calls
  export     write one out: jsonl, markdown, picoclaw, asciicast

  audit      check the audit log, take it elsewhere, keep its head
  user       people and their roles
  token      tokens for programs
  doctor     settings in force, and how the installation stands
  stats      how much there is of what
  backup     write everything into one file, and check such a file
  restore    fill an empty database from it
  terminals  make keyframes and text of terminals again
  demo       a living example with data of its own

`scrollback COMMAND --help` says more, with an example."""


def main() -> int:
    """Run the command named on the command line; returns its exit status."""
    try:
        return _run_command()
    except KeyboardInterrupt:
        # While the program starts; once a command works, it says so itself.
        print("Stopped.", file=sys.stderr)
        return 130


def _run_command() -> int:
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "help":
        arguments = [arguments[1], "--help"]
    if arguments[:1] == ["record"]:
        # The recorder wraps somebody else's program: it must start at once, so it never imports Django.
        from sessions_app.client.record import main as record

        return record(arguments[1:])
    if arguments[:1] == ["mark"]:
        from sessions_app.client.mark import main as mark

        return mark(arguments[1:])
    if arguments[:1] == ["upload"]:
        from sessions_app.client.upload import main as upload

        return upload(arguments[1:])
    if arguments[:1] == ["demo"]:
        os.umask(0o077)
        # It has a data directory of its own, which must be chosen before Django's settings are read.
        from dashboard.demo import main as demo

        return demo(arguments[1:])
    if arguments in ([], ["help"], ["--help"], ["-h"]):
        print(OVERVIEW)
        return 0
    if arguments == ["--version"]:
        from importlib.metadata import version

        print(f"scrollback {version('scrollback')}")
        return 0
    if arguments[0] not in _commands():
        return _refuse_unknown(arguments[0])
    # What it makes, the database above all, is for its owner alone. The recorder's program keeps the person's own.
    os.umask(0o077)
    from django.core.management import execute_from_command_line

    from dashboard.lib.config import ConfigError

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    try:
        execute_from_command_line(["scrollback", *arguments])
    except ConfigError as error:
        print(f"scrollback: {error}", file=sys.stderr)
        return 2
    return 0


def _commands() -> list[str]:
    return [line.split()[0] for line in OVERVIEW.splitlines() if line.startswith("  ")]


def _refuse_unknown(name: str) -> int:
    nearest = difflib.get_close_matches(name, _commands(), 1)
    advice = f"Did you mean {nearest[0]}?" if nearest else "See: scrollback --help"
    print(f"scrollback: there is no command {name!r}. {advice}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
