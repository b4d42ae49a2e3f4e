"""`scrollback token`: tokens, from the shell of the machine that serves."""

import argparse
from collections.abc import Callable
from typing import Any, ClassVar

from audit.actors import command_line
from dashboard.lib.clock import ms_to_iso, now_ms
from dashboard.lib.commands import ConsoleCommand, add_verb, number_from
from dashboard.lib.errors import Refused
from sessions_app.actions.tokens import DEFAULT_DAYS, create_token, revoke_token
from sessions_app.models import ApiToken, Person, Scope


class Command(ConsoleCommand):
    help = "Make, list and revoke the tokens that programs use."
    example: ClassVar[str] = 'scrollback token create "build box" --owner ada --scope write'

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        create = _verb(
            verbs,
            "create",
            self._create,
            "make a token and print it, this once",
            'scrollback token create "build box" --owner ada --scope write',
        )
        create.add_argument("name", help="what it is for")
        create.add_argument("--owner", required=True, metavar="USERNAME")
        create.add_argument(
            "--scope", action="append", choices=Scope.values, required=True, help="may be given several times"
        )
        create.add_argument(
            "--days", type=number_from(1), default=DEFAULT_DAYS, help="good for so long (%(default)s)"
        )
        _verb(verbs, "list", self._list, "list tokens, newest first", "scrollback token list --json")
        revoke = _verb(verbs, "revoke", self._revoke, "end a token now", "scrollback token revoke 7f3a91c2")
        revoke.add_argument("prefix", help="the eight characters after sbk_, as in the list")

    def run(self, **options: Any) -> int:
        found: dict[str, Any] = options.pop("answer")(**options)
        if options["json"]:
            self.print_json(found)
        else:
            self.stdout.write(found["text"])
        return 0

    def _create(
        self, name: str, owner: str, scope: list[str], days: int, json: bool, **_: Any
    ) -> dict[str, Any]:
        person = Person.objects.people().filter(username=owner.lower()).first()
        if person is None:
            raise Refused(f"There is nobody named {owner!r}. See: scrollback user list")
        token, text = create_token(person, name, sorted(set(scope)), days=days, actor=command_line())
        if json:
            return {**_described(token), "token": text}
        return {"text": f"Good until {_moment(token.expires_ms)}. It is shown only now:\n{text}"}

    def _list(self, json: bool, **_: Any) -> dict[str, Any]:
        rows = [_described(token) for token in ApiToken.objects.select_related("owner")]
        if json:
            return {"tokens": rows}
        lines = [
            f"{row['prefix']}  {row['state']:<8} {','.join(row['scopes']):<12} {row['owner']:<16} "
            f"last used {row['last_used'] or 'never':<24}  {row['name']}"
            for row in rows
        ]
        return {"text": "\n".join(lines) or "No tokens yet."}

    def _revoke(self, prefix: str, json: bool, **_: Any) -> dict[str, Any]:
        prefix = prefix.removeprefix("sbk_")[:8]
        token = ApiToken.objects.select_related("owner").filter(prefix=prefix).first()
        if token is None:
            raise Refused(f"There is no token {prefix!r}. See: scrollback token list")
        changed = revoke_token(token, actor=command_line())
        token.refresh_from_db()
        if json:
            return {**_described(token), "changed": changed}
        return {"text": f"{token} {'is revoked' if changed else 'was revoked before'}."}


def _verb(
    verbs: Any, name: str, answer: Callable[..., Any], text: str, example: str
) -> argparse.ArgumentParser:
    parser = add_verb(verbs, name, text, example)
    parser.set_defaults(answer=answer)
    return parser


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else ms_to_iso(at_ms)


def _described(token: ApiToken) -> dict[str, Any]:
    state = "revoked" if token.revoked_ms else "good" if token.is_usable(now_ms()) else "expired"
    return {
        "id": str(token.pk),
        "prefix": token.prefix,
        "name": token.name,
        "owner": token.owner.username,
        "scopes": token.scopes,
        "state": state,
        "created": _moment(token.created_ms),
        "expires": _moment(token.expires_ms),
        "last_used": _moment(token.last_used_ms),
    }
