"""Nothing is written past the actions: whoever answers, reads or shows has no write of its own."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.audit.coverage.code import ACTIONS, ROOT, tree_of

# Nothing here reaches a database.
pytestmark = pytest.mark.once

_METHODS: Final = frozenset(
    name
    for plain in (
        "create", "bulk_create", "get_or_create", "update_or_create", "bulk_update", "save", "delete", "_raw_delete",
    )
    for name in (plain, f"a{plain}")
)  # fmt: skip
#: Of dashboard/lib/bulk.py.
_FUNCTIONS: Final = frozenset({"bulk_insert", "bulk_update", "bulk_add"})
_SQL: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|TRUNCATE|REPLACE|MERGE|COPY)\b", re.IGNORECASE)
_RUNS_SQL: Final = frozenset({"execute", "executemany", "executescript", "copy"})

#: What writes outside of sessions_app/actions and audit, each with its reason.
EXCEPTIONS: Final[dict[str, str]] = {
    "sessions_app/client/spool.py": "a file beside a recording, of a program that has no database",
    "sessions_app/client/record.py": "the same file",
    "sessions_app/sign_in.py": "when a login was last used, which ends it after an hour; the end is an entry",
    "sessions_app/search/index.py": "the words of what actions write, in their transaction; made again at any time",
    "dashboard/serving.py": "logins that are over by themselves",
    "dashboard/lib/bulk.py": "how actions write many rows at once",
    "dashboard/backup/writing.py": "the rows of a backup's own file",
    "dashboard/backup/restoring.py": "all rows at once, into an empty database; backup.restored follows them",
}


def writes(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that write to a database, as far as their names tell."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Name(id=name):
                if name in _FUNCTIONS:
                    yield node
            case ast.Attribute(attr=name):
                # What a queryset is told by name, a dictionary, a hash or a progress bar is given as it is.
                is_update = name in ("update", "aupdate") and node.keywords and not node.args
                if name in _METHODS or is_update or (name in _RUNS_SQL and _is_write(node, tree)):
                    yield node


def _is_write(call: ast.Call, tree: ast.AST) -> bool:
    """Whether the statement changes rows; one that is made elsewhere is looked for by its name in this module."""
    texts = [_text(argument) for argument in call.args[:1]]
    for argument in call.args[:1]:
        if isinstance(argument, ast.Name):
            texts += [
                _text(node.value)
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign | ast.AnnAssign)
                and node.value is not None
                and any(
                    isinstance(target, ast.Name) and target.id == argument.id
                    for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
                )
            ]
    return any(_SQL.match(text) for text in texts)


def _text(node: ast.expr) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            return text
        case _:
            return ""


def modules() -> Iterator[Path]:
    """All of the program but its actions, the log, and migrations, which are run by hand as the owner."""
    for package in ("sessions_app", "dashboard"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if not path.is_relative_to(ACTIONS) and "migrations" not in path.parts:
                yield path


def test_only_actions_write() -> None:
    found = {str(path.relative_to(ROOT)): list(writes(tree_of(path))) for path in modules()}
    assert len(found) > 100
    past = [
        f"{path}:{call.lineno} {ast.unparse(call)[:80]}"
        for path, calls in found.items()
        if path not in EXCEPTIONS
        for call in calls
    ]
    assert not past, "let an action do it, with its entry, or say why there is none"
    unused = [path for path in EXCEPTIONS if not found.get(path)]
    assert not unused, "it does not write any more"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Star.objects.create(person=person)", True),
        ("await Star.objects.acreate(person=person)", True),
        ("session.save()", True),
        ("AgentSession.objects.filter(pk=1).update(title='x')", True),
        ("AgentSession.objects.filter(pk=1).update(**values)", True),
        ("person.stars.all().delete()", True),
        ("bulk_insert(Star, names, rows)", True),
        ("cursor.execute('  update t SET a = 1')", True),
        ("cursor.execute(f'DELETE FROM {table}')", True),
        ("sql = f'INSERT INTO {table} VALUES (1)'\ncursor.executemany(sql, rows)", True),
        ("names.update(other)", False),
        ("digest.update(data)", False),
        ("bar.update(task, completed=3)", False),
        ("cursor.execute('SELECT 1')", False),
        ("sql = 'SELECT 1'\ncursor.execute(sql)", False),
    ],
)
def test_a_write_is_known_when_it_is_seen(text: str, is_one: bool) -> None:
    assert bool(list(writes(ast.parse(text)))) == is_one
