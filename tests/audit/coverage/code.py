"""What the code itself says: where entries are appended, under which names, and which actions write."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sessions_app.audit_actions import REPORTED
from sessions_app.models import EventKind

ROOT = Path(__file__).parents[3]
ACTIONS = ROOT / "sessions_app" / "actions"
PACKAGES = ("audit", "sessions_app", "dashboard")
type _Function = ast.FunctionDef


@dataclass(frozen=True)
class CallSite:
    """A call of `record`, `append` or `append_apart` of audit.record."""

    path: Path
    function: str
    first_line: int
    last_line: int

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.first_line} {self.function}"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def _modules() -> Iterator[tuple[Path, dict[str, str]]]:
    """Modules that append entries, with their names for what they do it with: {local name: real name}."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "audit.record" not in path.read_text():
                # To parse and walk all of the code takes seconds, and pytest does it as it collects.
                continue
            imported = {
                alias.asname or alias.name: alias.name
                for node in ast.walk(tree_of(path))
                if isinstance(node, ast.ImportFrom) and node.module == "audit.record"
                for alias in node.names
                if alias.name in {"record", "append", "append_apart", "Draft"}
            }
            if imported:
                yield path, imported


def call_sites() -> list[CallSite]:
    return [
        CallSite(path, node.func.id, node.lineno, node.end_lineno or node.lineno)
        for path, names in _modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and names.get(node.func.id) in {"record", "append", "append_apart"}
    ]


def recorded_names() -> Iterator[tuple[str, str | None]]:
    """Each name that the code can append an entry under, with its place; None for one that cannot be followed."""
    for path, names in _modules():
        tree = tree_of(path)
        for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
            for node in ast.walk(function):
                if (
                    isinstance(node, ast.Call)
                    and isinstance(node.func, ast.Name)
                    and names.get(node.func.id) in {"record", "Draft"}
                ):
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    for name in _values(node.args[0], function, tree):
                        yield place, name


def _values(node: ast.expr, function: _Function, tree: ast.Module) -> Iterator[str | None]:
    """The texts that an expression may be: written there, or handed in by callers in the same module."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp():
            yield from _values(node.body, function, tree)
            yield from _values(node.orelse, function, tree)
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            yield from _values(inner, function, tree)
        case ast.Attribute(value=ast.Name(id="EventKind"), attr=member):
            yield str(EventKind[member])
        case ast.Attribute(value=ast.Name(id="report"), attr="action"):
            yield from REPORTED
        case ast.Name(id=parameter) if parameter in _parameters(function):
            index = _parameters(function).index(parameter)
            for caller in ast.walk(tree):
                if not isinstance(caller, ast.FunctionDef):
                    continue
                for call in ast.walk(caller):
                    if isinstance(call, ast.Call) and _is_call_of(call, function.name):
                        yield from _values(call.args[index], caller, tree)
        case _:
            yield None


def _is_call_of(call: ast.Call, name: str) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == name


def _parameters(function: _Function) -> list[str]:
    return [argument.arg for argument in function.args.args]


# ── Which actions write ──────────────────────────────────────────────────────────────────────────────────
_WRITES = {
    "create", "bulk_create", "get_or_create", "update_or_create", "delete", "save", "executemany", "bulk_insert",
    "bulk_update",
}  # fmt: skip


@dataclass(frozen=True)
class Unit:
    """A function or method below sessions_app/actions: `people.change_role`, `imports.ImportWriter.write`."""

    name: str
    calls: frozenset[str]
    writes: bool

    @property
    def is_public(self) -> bool:
        return not any(part.startswith("_") for part in self.name.split("."))

    @property
    def last_name(self) -> str:
        return self.name.rpartition(".")[2]


@cache
def units() -> dict[str, Unit]:
    found = {}
    for path in sorted(ACTIONS.rglob("*.py")):
        module = ".".join(path.relative_to(ACTIONS).with_suffix("").parts)
        for node in tree_of(path).body:
            if isinstance(node, ast.FunctionDef):
                found[f"{module}.{node.name}"] = _unit(f"{module}.{node.name}", node)
            elif isinstance(node, ast.ClassDef):
                for method in node.body:
                    if isinstance(method, ast.FunctionDef):
                        name = f"{module}.{node.name}.{method.name}"
                        found[name] = _unit(name, method)
    return found


def _unit(name: str, function: _Function) -> Unit:
    calls, writes = set(), False
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            calls.add(node.id)
        elif isinstance(node, ast.Attribute):
            calls.add(node.attr)
            # What a queryset is told by name, a dictionary or a hash is given as it is.
        if isinstance(node, ast.Call):
            called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            writes |= called in _WRITES or (called == "update" and bool(node.keywords))
    return Unit(name, frozenset(calls), writes)


@cache
def writers() -> frozenset[str]:
    """Every unit that writes, or that calls one which does. Names are followed without regard to modules: rather
    one too many than one too few."""
    writing = {name for name, unit in units().items() if unit.writes}
    while True:
        named = {units()[name].last_name for name in writing} - _COMMON
        more = {name for name, unit in units().items() if unit.calls & named} - writing
        if not more:
            return frozenset(writing)
        writing |= more


# Names that files, sets and threads have too; the actions that have them are writers of their own.
_COMMON = {"write", "add", "run", "start", "stop", "take", "apply", "close", "session", "finish", "__init__"}


def public_writers() -> set[str]:
    return {name for name in writers() if units()[name].is_public}
