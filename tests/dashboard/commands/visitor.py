"""A browser without a screen: signs in by the form and opens pages, of a console in another process."""

import http.cookiejar
import re
import urllib.parse
import urllib.request
from typing import Final

_TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_PATIENCE_S: Final = 30.0


class Visitor:
    """`url` is the console's, with a slash at its end."""

    def __init__(self, url: str) -> None:
        self._url = url
        cookies = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(cookies)

    def sign_in(self, username: str, password: str) -> None:
        found = _TOKEN.search(self.page("/sign-in/"))
        assert found is not None
        form = {"csrfmiddlewaretoken": found[1], "username": username, "password": password}
        page = self._open("/sign-in/", urllib.parse.urlencode(form).encode())
        assert 'action="/sign-out/"' in page, "it was not let in"

    def page(self, path: str) -> str:
        """The page's text. Raises HTTPError for whatever is no success."""
        return self._open(path, None)

    def _open(self, path: str, body: bytes | None) -> str:
        request = urllib.request.Request(urllib.parse.urljoin(self._url, path), data=body)  # noqa: S310
        with self._opener.open(request, timeout=_PATIENCE_S) as answer:
            text: str = answer.read().decode()
            return text
