"""Everything that the API does, in the order of its documentation."""

from typing import Final

from sessions_app.api import (
    audit_events,
    catalogue,
    openapi,
    records,
    runs,
    sessions,
    settings,
    terminal_reads,
    terminal_screens,
    terminals,
)
from sessions_app.api.endpoint import Endpoint

ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    *sessions.ENDPOINTS,
    *runs.ENDPOINTS,
    *terminal_reads.ENDPOINTS,
    *terminal_screens.ENDPOINTS,
    *terminals.ENDPOINTS,
    *catalogue.ENDPOINTS,
    *records.ENDPOINTS,
    *settings.ENDPOINTS,
    *audit_events.ENDPOINTS,
    openapi.ENDPOINT,
)


def by_path() -> dict[str, dict[str, Endpoint]]:
    """{route: {method: endpoint}}."""
    found: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        found.setdefault(endpoint.path, {})[endpoint.method] = endpoint
    return found
