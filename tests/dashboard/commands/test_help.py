"""The help of every command and of every verb below it."""

import argparse
import shlex
from collections.abc import Iterator

import pytest
from django.core.management import load_command_class

import dev

NAMES = sorted(path.stem for path in (dev.ROOT / "dashboard" / "management" / "commands").glob("[a-z]*.py"))


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from parsers(below)


@pytest.mark.once  # Nothing of it reaches a database.
@pytest.mark.parametrize("name", NAMES)
def test_each_help_ends_with_an_example_that_the_command_takes(name: str) -> None:
    whole = load_command_class("dashboard", name).create_parser("scrollback", name)

    for parser in parsers(whole):
        example = (parser.epilog or "").partition("example:\n  ")[2]
        assert f"{example} ".startswith(f"{parser.prog} "), f"{parser.prog}: {parser.epilog}"
        # A shell would take what follows for its own.
        words = shlex.split(example.partition(" | ")[0].partition(" < ")[0])
        whole.parse_args(words[2:])
        assert example in parser.format_help()
