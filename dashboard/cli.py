"""The `scrollback` program: one dispatcher for the recorder and the management commands."""

import os
import sys
from importlib.metadata import version


def main() -> int:
    """Run the command named on the command line; returns its exit status."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["record"]:
        # The recorder wraps somebody else's program: it must start at once, so it never imports Django.
        from sessions_app.client.record import main as record

        return record(arguments[1:])
    if arguments[:1] == ["upload"]:
        from sessions_app.client.upload import main as upload

        return upload(arguments[1:])
    if arguments[:1] == ["demo"]:
        # It has a data directory of its own, which must be chosen before Django's settings are read.
        from dashboard.demo import main as demo

        return demo(arguments[1:])
    if arguments == ["--version"]:
        print(f"scrollback {version('scrollback')}")
        return 0
    from django.core.management import execute_from_command_line

    from dashboard.lib.config import ConfigError

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    try:
        execute_from_command_line(["scrollback", *arguments])
    except ConfigError as error:
        print(f"scrollback: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
