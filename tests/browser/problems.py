"""What a page must never do while a test looks at it: throw, print an error, break the content policy."""

import re

from playwright.sync_api import BrowserContext, ConsoleMessage, Page

# Violations are printed as errors by Chromium, but not all of them when the page is left at once.
_REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  const place = `${event.sourceFile}:${event.lineNumber}`
  console.error(`content policy: ${event.violatedDirective} blocked ${event.blockedURI} at ${place}`)
})
"""


class Problems:
    """Collects them for every page of the contexts it watches; `check()` fails with the list."""

    def __init__(self) -> None:
        self._found: list[str] = []
        # Chromium's word for a page that was left while it was connecting: nothing is wrong with that.
        self._allowed = [re.compile("WebSocket is closed before the connection is established")]

    def allow(self, pattern: str) -> None:
        """Expect problems whose text matches, as `WebSocket|ERR_CONNECTION` where the server is stopped."""
        self._allowed.append(re.compile(pattern))

    def allow_absence(self) -> None:
        """Expect what a page has to say while its server is away, whatever it has just asked for."""
        self.allow("WebSocket|net::ERR_|Failed to load|Failed to fetch|htmx:(sendError|afterRequest)")

    def allow_missing(self, url: str) -> None:
        """Expect the answer 404 of this one address, and of nothing that its page asks for."""
        self.allow(rf"status of 404 \(Not Found\) {re.escape(url)}$")

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(_REPORT_VIOLATIONS)
        context.on("page", self._watch_page)

    def check(self) -> None:
        unexpected = [text for text in self._found if not self._is_allowed(text)]
        self._found.clear()
        assert not unexpected, "the page had problems:\n" + "\n".join(unexpected)

    def _is_allowed(self, text: str) -> bool:
        return any(pattern.search(text) for pattern in self._allowed)

    def _watch_page(self, page: Page) -> None:
        page.on("pageerror", lambda error: self._found.append(f"{page.url}: exception: {error}"))
        page.on("console", lambda message: self._hear(page, message))

    def _hear(self, page: Page, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            place = message.location.get("url", "")
            self._found.append(f"{page.url}: console {message.type}: {message.text} {place}".rstrip())
