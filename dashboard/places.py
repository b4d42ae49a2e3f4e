"""The seven places of the console, as they stand in the rail."""

from dataclasses import dataclass

from sessions_app.access import READ, READ_AUDIT


@dataclass(frozen=True, slots=True)
class Place:
    """`count` is a key of the `nav_counts` context; `prefixes` are the paths that belong to the place; who has not the
    `right` is not led there.
    """

    name: str
    href: str
    icon: str
    prefixes: tuple[str, ...]
    count: str = ""
    tone: str = ""
    right: str = READ

    def holds(self, path: str) -> bool:
        return path == self.href or path.startswith(self.prefixes)


PLACES = (
    Place("Now", "/", "now", (), "needs_me", "wait"),
    Place("Sessions", "/sessions/", "sessions", ("/sessions/",)),
    Place("Runs", "/runs/", "runs", ("/runs/",), "running", "live"),
    Place("Terminals", "/terminals/", "terminals", ("/terminals/",), "live_terminals", "live"),
    Place("Search", "/search/", "search", ("/search/",)),
    Place("Audit", "/audit/", "audit", ("/audit/",), right=READ_AUDIT),
    Place("Settings", "/settings/", "settings", ("/settings/", "/storage/")),
)
