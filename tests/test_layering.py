"""The house has one direction; this walks every import and fails on one that leads back up.

`dashboard.lib <- audit <- sessions_app <- dashboard`, and inside sessions_app the order of docs/architecture.md.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

# Nothing here reaches a database.
pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[1]
DOORS = ("views", "api", "importers", "live", "management")

# Who (a package and all below it) may not import what (likewise).
FORBIDDEN: dict[str, tuple[str, ...]] = {
    "dashboard.lib": ("audit", "sessions_app", "dashboard"),
    "audit": ("sessions_app", "dashboard"),
    "sessions_app": ("dashboard",),
    "sessions_app.terminal": ("django", "audit", "dashboard", "sessions_app"),
    "sessions_app.client": ("django", "audit", "dashboard", "sessions_app"),
    "sessions_app.pricing": ("django", "audit", "dashboard", "sessions_app"),
    "sessions_app.models": ("sessions_app.actions", *(f"sessions_app.{door}" for door in DOORS)),
    "sessions_app.search": ("sessions_app.actions", *(f"sessions_app.{door}" for door in DOORS)),
    "sessions_app.drafts": ("django", "audit", "dashboard", "sessions_app"),
    "sessions_app.exporters": tuple(f"sessions_app.{room}" for room in ("actions", *DOORS)),
    "sessions_app.actions": tuple(f"sessions_app.{door}" for door in DOORS),
    **{
        f"sessions_app.{door}": tuple(f"sessions_app.{other}" for other in DOORS if other != door)
        for door in DOORS
    },
}
# What a forbidding rule leaves open all the same.
ALLOWED: dict[str, tuple[str, ...]] = {
    "dashboard.lib": ("dashboard.lib",),
    "audit": ("dashboard.lib",),
    "sessions_app": ("dashboard.lib",),
    "sessions_app.terminal": ("sessions_app.terminal",),
    "sessions_app.client": ("sessions_app.client", "sessions_app.terminal"),
    "sessions_app.pricing": ("sessions_app.pricing",),
}
THIRD_PARTY_FREE = ("sessions_app.client",)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def modules() -> Iterator[tuple[str, Path]]:
    for package in ("dashboard", "audit", "sessions_app"):
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            yield name.removesuffix(".__init__"), path


def imports_of(path: Path, module: str) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, *([base] if base else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(module: str, imported: str) -> list[str]:
    return [
        f"{module} imports {imported}"
        for package, forbidden in FORBIDDEN.items()
        if within(module, package)
        and any(within(imported, name) for name in forbidden)
        and not any(within(imported, name) for name in ALLOWED.get(package, ()))
    ]


def test_no_import_leads_up() -> None:
    found = [
        line
        for module, path in modules()
        for name in imports_of(path, module)
        for line in violations(module, name)
    ]

    assert found == []


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("dashboard.lib.db", "audit.models"),
        ("audit.record", "sessions_app.models.Run"),
        ("sessions_app.actions.imports", "sessions_app.views.session"),
        ("sessions_app.views.session", "sessions_app.api.auth"),
        ("sessions_app.terminal.wire", "django.db"),
        ("sessions_app.client.record", "sessions_app.models"),
        ("sessions_app.models.run", "sessions_app.actions.timeline"),
    ],
)
def test_the_rule_catches_what_it_should(module: str, imported: str) -> None:
    assert violations(module, imported)


def test_the_packages_themselves_import_nothing() -> None:
    for package in ("dashboard", "audit", "sessions_app"):
        assert (ROOT / package / "__init__.py").read_text() == ""
