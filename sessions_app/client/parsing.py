"""Command lines of the programs that do without Django."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong with a command line in one line, as every other command does."""

    def error(self, message: str) -> NoReturn:
        line = "".join(letter if letter.isprintable() else " " for letter in message)
        self.exit(2, f"{self.prog}: {line}; see {self.prog} --help\n")
