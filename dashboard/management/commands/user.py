"""`scrollback user`: people, from the shell of the machine that serves."""

import argparse
import sys
from collections.abc import Callable
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from audit.actors import command_line
from dashboard.lib.clock import ms_to_iso
from dashboard.lib.commands import ConsoleCommand, add_verb
from dashboard.lib.errors import Refused
from sessions_app.actions import people, setup
from sessions_app.client.home import announced_server
from sessions_app.models import Person, Role


class Command(ConsoleCommand):
    help = "Add people, change what they may do, let them in again."
    example: ClassVar[str] = "scrollback user add ada --role operator"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        add = _verb(
            verbs,
            "add",
            self._add,
            "add a person; without a password, print a link to choose one",
            "scrollback user add ada --role operator",
        )
        add.add_argument("name")
        add.add_argument("--role", choices=Role.values, default=Role.VIEWER, help="default: %(default)s")
        add.add_argument("--display-name", default="", help="the name shown on pages")
        add.add_argument(
            "--password-stdin", action="store_true", help="read the password from standard input"
        )
        role = _verb(verbs, "role", self._role, "change a role", "scrollback user role ada auditor")
        role.add_argument("name")
        role.add_argument("role", choices=Role.values)
        _verb(
            verbs, "disable", self._disable, "end all access of a person", "scrollback user disable ada"
        ).add_argument("name")
        _verb(verbs, "enable", self._enable, "give it back", "scrollback user enable ada").add_argument(
            "name"
        )
        password = _verb(
            verbs,
            "password",
            self._password,
            "set a password, read from standard input",
            "scrollback user password ada < password.txt",
        )
        password.add_argument("name")
        _verb(
            verbs,
            "link",
            self._link,
            "print a link to choose a password, good once",
            "scrollback user link ada",
        ).add_argument("name")
        _verb(
            verbs,
            "setup-link",
            self._setup_link,
            "print a new first-run link while nobody exists",
            "scrollback user setup-link",
        )
        _verb(verbs, "list", self._list, "list people", "scrollback user list --json")

    def run(self, **options: Any) -> int:
        found: dict[str, Any] = options.pop("answer")(**options)
        if options["json"]:
            self.print_json(found)
        else:
            self.stdout.write(found["text"])
        return 0

    def _add(
        self, name: str, role: str, display_name: str, password_stdin: bool, json: bool, **_: Any
    ) -> dict[str, Any]:
        draft = Person(username=name.lower(), display_name=display_name)
        password = _read_password(draft) if password_stdin else None
        actor = command_line()
        person = people.create_person(
            name, Role(role), display_name=display_name, password=password, actor=actor
        )
        answer = _described(person)
        if password is None:
            answer["link"] = _address(setup.invite(person, actor=actor))
            text = f"{person.username} is now {role}. A link to choose a password, once:\n{answer['link']}"
        else:
            text = f"{person.username} is now {role}."
        return answer if json else {**answer, "text": text}

    def _role(self, name: str, role: str, **options: Any) -> dict[str, Any]:
        person = _find(name)
        changed = people.change_role(person.pk, Role(role), actor=command_line())
        return self._done(person, changed, f"is {'now' if changed else 'already'} {role}", options)

    def _disable(self, name: str, **options: Any) -> dict[str, Any]:
        person = _find(name)
        changed = people.disable_person(person.pk, actor=command_line())
        return self._done(
            person, changed, "can no longer sign in" if changed else "was disabled before", options
        )

    def _enable(self, name: str, **options: Any) -> dict[str, Any]:
        person = _find(name)
        changed = people.enable_person(person.pk, actor=command_line())
        return self._done(person, changed, "can sign in again" if changed else "was not disabled", options)

    def _password(self, name: str, **options: Any) -> dict[str, Any]:
        person = _find(name)
        people.change_password(person.pk, _read_password(person), actor=command_line())
        return self._done(person, True, "has a new password; every sign-in of theirs has ended", options)

    def _link(self, name: str, json: bool, **_: Any) -> dict[str, Any]:
        person = _find(name)
        if not person.is_active:
            raise Refused(f"{name} is disabled. First: scrollback user enable {name}")
        lifetime_ms = setup.SETUP_LIFETIME_MS
        link = _address(setup.invite(person, actor=command_line(), lifetime_ms=lifetime_ms))
        answer = {**_described(person), "link": link}
        return answer if json else {"text": f"Good once, for 15 minutes:\n{link}"}

    def _setup_link(self, json: bool, **_: Any) -> dict[str, Any]:
        path = setup.issue_setup_link(actor=command_line())
        if path is None:
            raise Refused("The console was set up already. For a person: scrollback user link NAME")
        link = _address(path)
        return {"link": link} if json else {"text": f"Good once, for 15 minutes:\n{link}"}

    def _list(self, json: bool, **_: Any) -> dict[str, Any]:
        rows = [_described(person) for person in Person.objects.people().order_by("username")]
        if json:
            return {"people": rows}
        lines = [
            f"{row['username']:<20} {row['role']:<10} {'active' if row['active'] else 'disabled':<10} "
            f"last sign-in {row['last_sign_in'] or 'never'}"
            for row in rows
        ]
        return {"text": "\n".join(lines) or "Nobody yet. First: scrollback user add NAME --role operator"}

    def _done(self, person: Person, changed: bool, what: str, options: dict[str, Any]) -> dict[str, Any]:
        person.refresh_from_db()
        answer = {**_described(person), "changed": changed}
        return answer if options["json"] else {"text": f"{person.username} {what}."}


def _verb(
    verbs: Any, name: str, answer: Callable[..., Any], text: str, example: str
) -> argparse.ArgumentParser:
    parser = add_verb(verbs, name, text, example)
    parser.set_defaults(answer=answer)
    return parser


def _find(name: str) -> Person:
    person = Person.objects.people().filter(username=name.lower()).first()
    if person is None:
        raise Refused(f"There is nobody named {name!r}. See: scrollback user list")
    return person


def _read_password(person: Person) -> str:
    """The first line of standard input. Raises Refused when it is empty or too weak."""
    if sys.stdin.isatty():
        import getpass

        password = getpass.getpass("Password: ")
        if getpass.getpass("Again: ") != password:
            raise Refused("The two passwords differ.")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Refused("No password was given on standard input.")
    try:
        validate_password(password, person)
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    return password


def _address(path: str) -> str:
    """The link as it is reached on this machine: at the running server if there is one."""
    server = announced_server(settings.HOME)
    if server is not None:
        base = server.url
    else:
        host = settings.CONFIG.host
        if host in {"0.0.0.0", "::"}:  # noqa: S104  a comparison, not a bind
            host = "localhost"
        base = f"http://{f'[{host}]' if ':' in host else host}:{settings.CONFIG.port}/"
    return base.rstrip("/") + path


def _described(person: Person) -> dict[str, Any]:
    seen = person.last_login_ms
    return {
        "id": str(person.pk),
        "username": person.username,
        "display_name": person.display_name,
        "role": str(person.role),
        "active": person.is_active,
        "last_sign_in": None if seen is None else ms_to_iso(seen),
    }
