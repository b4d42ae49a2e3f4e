"""`scrollback audit`: check the audit log, take it elsewhere, and keep its head."""

import argparse
from collections.abc import Mapping
from typing import Any, ClassVar

from dashboard.audit_commands import (
    Answer,
    Verb,
    export,
    grants,
    head,
    hold,
    holds,
    new_key,
    prune,
    release,
    seal,
    verify,
)
from dashboard.lib.commands import ConsoleCommand, add_verb

VERBS: tuple[Verb, ...] = (verify, head, export, seal, prune, hold, holds, release, new_key, grants)


class Command(ConsoleCommand):
    help = "Check the audit log, take it elsewhere, and keep its head."
    example: ClassVar[str] = "scrollback audit head --to /media/stick/scrollback.head"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        for verb in VERBS:
            own = add_verb(verbs, verb.NAME, verb.TEXT, verb.EXAMPLE)
            verb.add_arguments(own)
            own.set_defaults(verb_module=verb)

    def surrounds(self, options: Mapping[str, Any]) -> bool:
        # An auditor has no key to sign with: that one looks first.
        return options["verb_module"] is not verify

    def run(self, **options: Any) -> int:
        answer: Answer = options.pop("verb_module").run(**options)
        if options["json"]:
            self.print_json(answer.document)
        else:
            self.stdout.write(answer.text)
        return answer.code
